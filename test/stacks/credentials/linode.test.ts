import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { CellError } from '../../../src/errors.ts';
import type { CredentialNeed } from '../../../stacks/credentials/credential.ts';
import { labelOf } from '../../../stacks/credentials/label.ts';
import { examineLinode, linodeAttenuator, linodeScopes } from '../../../stacks/credentials/linode.ts';
import { isRefusedCredential, rest } from '../../../stacks/rest.ts';
import type { Json } from '../../../stacks/stack.ts';
import { type LinodeStandIn, startLinode } from './linode.support.ts';
import { failure } from './server.support.ts';

const NOW = Date.UTC(2026, 4, 4, 12, 0, 0);
const DAY = 86_400_000;
const SEEDER = 'account:read_write domains:read_write events:read_only firewall:read_write linodes:read_write';

let linode: LinodeStandIn;
beforeEach(async () => {
  linode = await startLinode(NOW);
});
afterEach(() => linode.close());

const credential = (token: string): { readonly [key: string]: Json } => ({ token, endpoint: linode.url });
const tokenOf = (json: Json) => (json as { readonly token: string }).token;
const need = (more: Partial<CredentialNeed> = {}): CredentialNeed => ({
  organism: 'garden',
  birth: 'b0123456789',
  kind: 'compute',
  place: 'far',
  generation: 1,
  mints: false,
  until: NOW + 7 * DAY,
  sources: [],
  region: 'eu-west',
  zone: null,
  domains: [],
  ...more,
});
const ask = (json: Json, method: 'GET' | 'POST', path: string) =>
  rest({ provider: 'Linode', base: `${linode.url}/v4`, token: tokenOf(json) }).ask(method, path);

describe('a token of Linode for a cell', () => {
  test('is minted with the least scopes and an end, is used, and is refused beyond', async () => {
    const seeder = credential(linode.grant(SEEDER));
    const { credential: made, until } = await linodeAttenuator.attenuate(seeder, need(), NOW);
    expect(until).toBe(NOW + 7 * DAY);
    expect(linode.tokens.at(-1)).toMatchObject({
      label: 'cell.garden.b0123456789.compute-far.1',
      scopes: 'events:read_only firewall:read_write linodes:read_write',
      expiry: '2026-05-11T12:00:00',
    });
    expect(made).toMatchObject({ endpoint: linode.url });
    expect((await ask(made, 'POST', '/linode/instances')).status).toBe(200);

    const error = await failure<CellError>(ask(made, 'POST', '/domains'));
    expect(error).toMatchObject({ code: 'PROVIDER_REFUSED', fields: { status: 403 } });
    expect(error.why).toMatch(/not authorized/);
    // Nor can it mint: not for itself, nor for anybody.
    expect(await failure(linodeAttenuator.attenuate(made, need(), NOW))).toMatchObject({ fields: { status: 403 } });
  });

  test('mints for its own children when it is to, and never more than it has', async () => {
    const seeder = credential(linode.grant(SEEDER));
    const parent = await linodeAttenuator.attenuate(seeder, need({ mints: true }), NOW);
    const child = need({ birth: 'b9876543210', generation: 1 });
    const { credential: made } = await linodeAttenuator.attenuate(parent.credential, child, NOW);
    expect((await ask(made, 'GET', '/linode/instances')).status).toBe(200);

    const more = linodeAttenuator.attenuate(parent.credential, { ...child, kind: 'dns', place: 'far' }, NOW);
    const error = await failure<CellError>(more);
    expect(error.why).toMatch(/exceed/);
  });

  test('is replaced by a retry, whether the answer to the first was lost or the process died', async () => {
    const seeder = credential(linode.grant(SEEDER));
    await linodeAttenuator.attenuate(seeder, need(), NOW);
    const { credential: made } = await linodeAttenuator.attenuate(seeder, need(), NOW);
    const ours = () => linode.tokens.filter(({ label }) => label === labelOf(need()));
    expect(ours().map(({ token }) => token)).toEqual([tokenOf(made)]);

    let lost = 0;
    linode.trouble = ({ method }) => {
      if (method !== 'POST' || lost++ > 0) return null;
      linode.tokens.push({
        ...linode.tokens[0]!,
        id: 7,
        label: labelOf(need({ generation: 2 })),
        token: 'nobody has it',
      });
      return { status: 0, cut: true };
    };
    const cut = await failure<CellError>(linodeAttenuator.attenuate(seeder, need({ generation: 2 }), NOW));
    expect(cut).toMatchObject({ code: 'PROVIDER_REFUSED', message: 'Linode does not answer' });
    expect(lost).toBe(1);
    await linodeAttenuator.attenuate(seeder, need({ generation: 2 }), NOW);
    const second = linode.tokens.filter(({ label }) => label === labelOf(need({ generation: 2 })));
    expect(second).toHaveLength(1);
    expect(second[0]?.token).not.toBe('nobody has it');
  });

  test('is listed among hundreds, with whose it is, and never with what it is', async () => {
    const seeder = credential(linode.grant(SEEDER));
    for (let count = 0; count < 600; count++) linode.grant('domains:read_only');
    await linodeAttenuator.attenuate(seeder, need({ organism: 'other' }), NOW);
    const { credential: made } = await linodeAttenuator.attenuate(seeder, need({ kind: 'dns', place: 'dns' }), NOW);
    const listed = await linodeAttenuator.list('garden', seeder);
    const { id } = linode.tokens.at(-1)!;
    expect(listed).toEqual([
      {
        organism: 'garden',
        birth: 'b0123456789',
        kind: 'dns',
        place: 'dns',
        generation: 1,
        id: String(id),
        until: NOW + 7 * DAY,
      },
    ]);
    expect(JSON.stringify(listed)).not.toContain(tokenOf(made));
  });

  test('is rotated: both work until the first is revoked, and then it is not taken', async () => {
    const seeder = credential(linode.grant(SEEDER));
    const first = await linodeAttenuator.attenuate(seeder, need(), NOW);
    const second = await linodeAttenuator.attenuate(seeder, need({ generation: 2, until: NOW + 12 * DAY }), NOW);
    for (const { credential: one } of [first, second]) await ask(one, 'GET', '/linode/instances');
    const old = (await linodeAttenuator.list('garden', seeder)).find(({ generation }) => generation === 1)!;
    await linodeAttenuator.revoke(old.id, seeder);
    await linodeAttenuator.revoke(old.id, seeder);
    const error = await failure<CellError>(ask(first.credential, 'GET', '/linode/instances'));
    expect(isRefusedCredential(error)).toBe(true);
    expect(error.why).toMatch(/revoked, has run out/);
    expect((await ask(second.credential, 'GET', '/linode/instances')).status).toBe(200);
    linode.now = NOW + 12 * DAY;
    expect(isRefusedCredential(await failure(ask(second.credential, 'GET', '/linode/instances')))).toBe(true);
  });

  test('is asked for with patience: 429 and 5xx are waited out, nonsense is said to be that', async () => {
    const seeder = credential(linode.grant(SEEDER));
    const troubles = [
      { status: 429, headers: { 'retry-after': '0' }, body: { errors: [{ reason: 'Too many requests' }] } },
      { status: 502, body: '<html>' },
    ];
    linode.trouble = () => troubles.shift() ?? null;
    expect(await linodeAttenuator.list('garden', seeder)).toEqual([]);
    linode.trouble = () => ({ status: 200, body: '<html>it works</html>' });
    expect((await failure<CellError>(linodeAttenuator.list('garden', seeder))).message).toBe(
      'Linode answered what is no JSON',
    );
    linode.trouble = () => ({ status: 200, body: { hello: 'world' } });
    expect((await failure<CellError>(linodeAttenuator.list('garden', seeder))).message).toBe(
      'Linode gave no list of tokens',
    );
  });

  test('never shows in an error, whatever the API says', async () => {
    const token = linode.grant(SEEDER);
    linode.trouble = ({ token: sent }) => ({ status: 400, body: { errors: [{ reason: `bad token ${sent}` }] } });
    const error = await failure<CellError>(linodeAttenuator.list('garden', credential(token)));
    expect(error.why).toContain('[secret]');
    expect(JSON.stringify([error.message, error.why, error.suggestion, error.fields])).not.toContain(token);
  });
});

test('a laptop is told what its token lacks, and what it has too much of', async () => {
  const look = (scopes: string, mints = true) => examineLinode(credential(linode.grant(scopes)), 'compute', mints);
  expect(await look(linodeScopes({ kind: 'compute', mints: true }).join(' '))).toEqual({
    found: 'a token with account:read_write events:read_only firewall:read_write linodes:read_write',
  });
  expect((await look('linodes:read_write events:read_only firewall:read_only')).mend).toBe(
    'It lacks account:read_write firewall:read_write (account:read_write mints the tokens of cells; `mint: false` does without).',
  );
  expect((await look('*')).mend).toMatch(/^It may do more than it has to/);
  expect((await look(`${SEEDER}`, true)).mend).toMatch(/^It may do more/);
  expect((await look('linodes:read_write events:read_write firewall:read_write', false)).mend).toMatch(/more than/);
});
