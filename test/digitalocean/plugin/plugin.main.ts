/**
 * `pulumi-resource-digitalocean` for tests: the resources that cells use, served to the real Pulumi CLI, where the maker's
 * own plugin is not on PATH. It is not that plugin: it makes the same calls for the same resources, and nothing else.
 *
 * As with the maker's, the token comes from DIGITALOCEAN_TOKEN and the address of the API from the provider's setting
 * `apiEndpoint`.
 */
import { Server, type UntypedServiceImplementation } from '@grpc/grpc-js';
import * as server from '@pulumi/pulumi/provider/index.js';
import { open } from '../../../stacks/provider.ts';
import { type Api, apiAt, type Body } from './api.ts';
import { differing, HalfMade, RESOURCES, type Resource } from './resources.ts';

const USUAL = 'https://api.digitalocean.com';
let endpoint = USUAL;

interface Configure {
  readonly request: {
    getVariablesMap(): { get(key: string): string | undefined };
    getArgs(): { toJavaScript(): Record<string, unknown> } | undefined;
  };
}

/** Pulumi's server for providers keeps to itself what a provider is configured with, so it is listened to on its way there. */
const { addService } = Server.prototype;
Server.prototype.addService = function (service, implementation: UntypedServiceImplementation) {
  const configure = implementation.configure as (call: Configure, callback: unknown) => void;
  implementation.configure = function (this: unknown, call: Configure, callback: unknown) {
    const { request } = call;
    const said =
      request.getArgs()?.toJavaScript().apiEndpoint ?? request.getVariablesMap().get('digitalocean:config:apiEndpoint');
    if (typeof said === 'string' && said !== '') endpoint = said;
    configure.call(this, call, callback);
  } as unknown as UntypedServiceImplementation[string];
  addService.call(this, service, implementation);
};

const parent = process.ppid;
// A CLI that was killed cannot tell its plugins.
setInterval(() => {
  if (process.ppid !== parent) process.exit(1);
}, 100).unref();

const api = (): Api => apiAt(endpoint.replace(/\/v2\/?$/, ''), process.env.DIGITALOCEAN_TOKEN ?? '');

function resourceOf(urn: string): Resource {
  const type = urn.split('::')[2]?.split('$').at(-1) ?? '';
  const resource = RESOURCES[type];
  if (resource === undefined) throw new Error(`this plugin is for tests, and has no ${type}`);
  return resource;
}

const provider: server.Provider = {
  version: '4.81.0',
  async check(_urn, _olds, news) {
    return { inputs: news, failures: [] };
  },
  async diff(_id, urn, olds, news) {
    const resource = resourceOf(urn);
    const after = open(news as Record<string, unknown>);
    const keys = [...differing(open(olds as Record<string, unknown>).values, after.values), ...after.unknown];
    const replaces = keys.filter((key) => resource.update === undefined || resource.replaceOn.includes(key));
    return { changes: keys.length > 0, replaces, deleteBeforeReplace: false };
  },
  async create(urn, wire) {
    try {
      const live = await resourceOf(urn).create(api(), open(wire as Record<string, unknown>).values);
      return { id: live.id, outs: live.outputs };
    } catch (thrown) {
      // As the maker's says it: with a place in its source and its version around.
      if (thrown instanceof Error)
        thrown.message = `sdk-v2/provider2.go:571: sdk.helper_schema: ${thrown.message}: provider=digitalocean@${provider.version}`;
      if (!(thrown instanceof HalfMade)) throw thrown;
      const { live, message } = thrown;
      throw Object.assign(thrown, { id: live.id, properties: live.outputs, reasons: [message] });
    }
  },
  async read(id, urn, props) {
    const before = open((props ?? {}) as Record<string, unknown>).values;
    const live = await resourceOf(urn).read(api(), id, before);
    if (live === null) return { id: '', props: {} };
    return { id: live.id, props: live.outputs };
  },
  async update(id, urn, olds, news) {
    const resource = resourceOf(urn);
    if (resource.update === undefined) throw new Error(`${urn} cannot be changed`);
    const [before, after] = [olds, news].map((wire) => open(wire as Record<string, unknown>).values) as [Body, Body];
    return { outs: (await resource.update(api(), id, before, after)).outputs };
  },
  async delete(id, urn, props) {
    await resourceOf(urn).delete(api(), id, open(props as Record<string, unknown>).values);
  },
};

void server.main(provider, process.argv.slice(2));
