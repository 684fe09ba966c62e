/**
 * A stand-in of DigitalOcean's API as far as scopes go: what an operation asks for is read from DigitalOcean's document, a
 * token that has it not gets 403, and what is asked for nobody's things, or with nothing in it, makes nothing. Each answer
 * is checked against the document.
 */
import { operationOf, wrongAnswer, wrongRequest } from '../../specs/digitalocean.support.ts';
import { type Asked, type Given, type Server, serve } from './server.support.ts';

export interface DigitalOceanStandIn extends Server {
  /** Scopes by token; `*` for full access. */
  readonly tokens: Map<string, readonly string[]>;
  /** What came to pass that was not to: the answers with 2xx to anything but looking. */
  readonly happened: string[];
  /** What was answered in a way that the document does not have. */
  readonly wrong: string[];
}

const page = { links: {}, meta: { total: 0 } };
const LISTS: Readonly<Record<string, object>> = {
  '/v2/account/keys': { ssh_keys: [], ...page },
  '/v2/domains': { domains: [], ...page },
  '/v2/droplets': { droplets: [], ...page },
  '/v2/firewalls': { firewalls: [], ...page },
  '/v2/images': { images: [], ...page },
  '/v2/regions': { regions: [], ...page },
  '/v2/sizes': { sizes: [], ...page },
  '/v2/snapshots': { snapshots: [], ...page },
  '/v2/tags': { tags: [], ...page },
};
const ACCOUNT = {
  account: {
    droplet_limit: 25,
    floating_ip_limit: 5,
    email: 'garden@example.org',
    uuid: 'b6fr89dbf6d9156cace5f3c78dc9851d957381ef',
    email_verified: true,
    status: 'active',
    status_message: '',
  },
};

export async function startDigitalOcean(): Promise<DigitalOceanStandIn> {
  const tokens = new Map<string, readonly string[]>();
  const happened: string[] = [];
  const wrong: string[] = [];
  const error = (status: number, id: string, message: string): Given => ({ status, body: { id, message } });

  function within({ method, path, query, body }: Asked): Given {
    if (method === 'GET') return { status: 200, body: path === '/v2/account' ? ACCOUNT : LISTS[path] };
    if (method === 'DELETE' && path === '/v2/droplets') {
      // There is no droplet with the tag, so there is nothing to do.
      return query.get('tag_name') === null ? error(404, 'not_found', 'no tag') : { status: 204 };
    }
    if (method !== 'POST') return error(404, 'not_found', 'The resource you were accessing could not be found.');
    const said = wrongRequest(method, path, body);
    if (said !== null) return error(422, 'unprocessable_entity', said);
    if (query.get('tag_name') !== null) return { status: 201, body: { actions: [] } };
    happened.push(`${method} ${path}`);
    return error(500, 'server_error', 'it was made');
  }

  function answer(asked: Asked): Given {
    const scopes = tokens.get(asked.token);
    if (scopes === undefined) return error(401, 'unauthorized', 'Unable to authenticate you');
    const operation = operationOf(asked.method, asked.path);
    if (operation === null) return error(404, 'not_found', 'no such operation');
    const may = scopes.includes('*') || operation.scopes.some((set) => set.every((scope) => scopes.includes(scope)));
    if (!may) return error(403, 'forbidden', 'You are not authorized to perform this operation');
    return within(asked);
  }

  const server = await serve((asked) => {
    const given = answer(asked);
    const why = wrongAnswer(asked.method, asked.path, given.status, given.body);
    if (why !== null) wrong.push(`${asked.method} ${asked.path} ${given.status}: ${why}`);
    return given;
  });
  return { ...server, tokens, happened, wrong };
}
