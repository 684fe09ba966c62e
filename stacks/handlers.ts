/**
 * Which handler serves which of our resource types. Handlers are loaded when a stack first needs them.
 */
import { pathToFileURL } from 'node:url';
import { CellError } from '../src/errors.ts';
import type { ResourceHandler } from './handler.ts';

export interface Registry {
  /** Throws CellError NOT_FOUND for a type that is not ours. */
  get(type: string): Promise<ResourceHandler>;
}

/** Our own types. A new provider adds its handlers here. */
const OURS: Readonly<Record<string, () => Promise<ResourceHandler>>> = {
  'cell:local:Machine': async () => (await import('./machines/local.handler.ts')).machineHandler,
  'cell:hosts:Machine': async () => (await import('./machines/hosts.handler.ts')).machineHandler,
  'cell:rfc2136:Record': async () => (await import('./records/rfc2136.handler.ts')).recordHandler,
  'cell:cloudflare:Records': async () => (await import('./records/cloudflare.handler.ts')).recordsHandler,
  'cell:nspawn:Machine': async () => (await import('./machines/nspawn.handler.ts')).machineHandler,
  'cell:local:Record': async () => (await import('./records/local.handler.ts')).recordHandler,
};

/** A registry over loaders by type token; each handler is loaded once. */
export function registry(loaders: Readonly<Record<string, () => Promise<ResourceHandler>>> = OURS): Registry {
  const loaded = new Map<string, Promise<ResourceHandler>>();
  return {
    async get(type) {
      const load = Object.hasOwn(loaders, type) ? loaders[type] : undefined;
      if (load === undefined) {
        throw new CellError('NOT_FOUND', `no handler for resources of type ${type}`, {
          why: `handlers exist for ${Object.keys(loaders).join(', ')}`,
          suggestion: 'Stacks with resources of other packages need the Pulumi engine.',
          fields: { type },
        });
      }
      const handler = loaded.get(type) ?? load();
      loaded.set(type, handler);
      return handler;
    },
  };
}

/**
 * The registry of a module that exports `handlers`, an array: how the conformance suite gives both engines, and the
 * plugin process, resources of its own. Without a module, our own.
 */
export async function registryOf(module: string | undefined): Promise<Registry> {
  if (module === undefined || module === '') return registry();
  const { handlers } = (await import(pathToFileURL(module).href)) as { handlers: readonly ResourceHandler[] };
  return registry(Object.fromEntries(handlers.map((handler) => [handler.type, async () => handler])));
}
