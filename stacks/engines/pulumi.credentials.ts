/**
 * How the plugins of Pulumi's packages get their credentials: each by the environment of the CLI that starts it, for one
 * call. The name of a provider in a plan is the credential's in EngineOptions.credentials: `digitalocean/near`.
 */
import { CellError } from '../../src/errors.ts';
import { isProvider } from '../holes.ts';
import { packageOf } from '../packages.ts';
import type { Json, ResourceSpec } from '../stack.ts';

export type Provider = Pick<ResourceSpec, 'type' | 'name'>;
type Credentials = Readonly<Record<string, Json>>;

/** Those that are providers of ours. Throws PROVIDER_REFUSED where one has no credential. */
export function demanded(resources: readonly Provider[], credentials: Credentials): readonly Provider[] {
  const providers = resources.filter((one) => named(one) !== null);
  for (const { name } of providers) {
    if (bare(credentials, name) !== null) continue;
    throw new CellError('PROVIDER_REFUSED', `the provider ${name} has no credential`, {
      suggestion: 'Run the command where the organism was seeded, or on a cell that has a budget.',
      fields: { provider: name },
    });
  }
  return providers;
}

/** What the plugins read. Two of one package need two processes, so a stack has one of each. */
export function environmentOf(providers: readonly Provider[], credentials: Credentials): Record<string, string> {
  const environment: Record<string, string> = {};
  const seen = new Set<string>();
  for (const provider of providers) {
    const own = named(provider);
    const credential = bare(credentials, provider.name);
    if (own === null || credential === null) continue;
    if (seen.has(provider.type)) throw new Error(`a stack has two providers of the type ${provider.type}`);
    seen.add(provider.type);
    Object.assign(environment, own.environment(credential));
  }
  return environment;
}

/** The package of a provider; null for what is none, and for those that Pulumi adds for our own resources. */
function named({ type, name }: Provider) {
  return isProvider(type) && !/^default(?:_|$)/.test(name) ? packageOf(type.split(':')[2] as string) : null;
}

function bare(credentials: Credentials, name: string): { readonly [key: string]: Json } | null {
  const credential = Object.hasOwn(credentials, name) ? credentials[name] : undefined;
  if (credential === null || typeof credential !== 'object' || Array.isArray(credential)) return null;
  return credential as { readonly [key: string]: Json };
}
