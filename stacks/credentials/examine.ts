/** What a laptop's credential may do, against what it has to: for `cell doctor`. Asks, and changes nothing. */
import type { Json } from '../stack.ts';
import type { Examined, Purpose } from './credential.ts';
import { type Gene, isMinted } from './index.ts';

export interface About {
  readonly kind: Purpose['kind'];
  readonly organism: string;
  /** Of DNS; null for a cloud. */
  readonly zone: string | null;
}

type Look = (credential: Json, about: About, mints: boolean) => Promise<Examined>;

const aws: Look = async (credential, { organism }, mints) =>
  (await import('./aws.ts')).examineAws(credential, organism, mints);

const LOOKS: Readonly<Record<string, Look>> = {
  aws,
  route53: aws,
  cloudflare: async (credential, { zone }, mints) =>
    (await import('./cloudflare.ts')).examineCloudflare(credential, zone ?? '', mints),
  digitalocean: async (credential, { kind }) =>
    (await import('./digitalocean.ts')).examineDigitalOcean(credential, kind),
  linode: async (credential, { kind }, mints) => (await import('./linode.ts')).examineLinode(credential, kind, mints),
};

/** Whether anything can be said of a provider's credentials. */
export function isExamined({ provider }: Gene): boolean {
  return Object.hasOwn(LOOKS, provider);
}

/** Throws PROVIDER_REFUSED where it is not taken at all. */
export async function examineCredential(gene: Gene, credential: Json, about: About): Promise<Examined> {
  const look = Object.hasOwn(LOOKS, gene.provider) ? LOOKS[gene.provider] : undefined;
  if (look === undefined) return { found: 'not examined' };
  return look(credential, about, isMinted(gene));
}
