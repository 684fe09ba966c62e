/**
 * The providers that mint, by the name that a genome calls them: a new one is a line here. What is of any other provider is
 * handed on as it is. Loaded when it is first needed.
 */
import type { Attenuator } from './credential.ts';

const linode = async () => (await import('./linode.ts')).linodeAttenuator;
const aws = async () => (await import('./aws.ts')).awsAttenuator;
const cloudflare = async () => (await import('./cloudflare.ts')).cloudflareAttenuator;

const MINTING: Readonly<Record<string, () => Promise<Attenuator>>> = { aws, cloudflare, linode, route53: aws };

/** A cloud or a DNS provider of a genome, as far as it matters here. */
export interface Gene {
  readonly provider: string;
  /** False where the author wants one credential for all. */
  readonly mint?: boolean;
  readonly region?: string;
}

/** Whether credentials of a cloud or a DNS provider are minted for each cell. */
export function isMinted({ provider, mint = true }: Gene): boolean {
  return mint && Object.hasOwn(MINTING, provider);
}

/** Who mints them. Throws for one that does not: ask `isMinted` first. */
export async function attenuatorOf({ provider }: Gene): Promise<Attenuator> {
  const load = Object.hasOwn(MINTING, provider) ? MINTING[provider] : undefined;
  if (load === undefined) throw new Error(`${provider} mints no credentials`);
  return load();
}
