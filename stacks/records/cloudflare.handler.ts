/**
 * The resource `cell:cloudflare:Records`: what one cell says under one name of a zone at Cloudflare, and the claim beside
 * it. Ours and not a package's, so that a cell with Cloudflare's DNS needs neither Pulumi nor a plugin.
 */
import { cloudflareCredential, held, put, take } from './cloudflare.client.ts';
import { saidHandler } from './said.handler.ts';

/** Of Enterprise zones; others end at 60, which the genome's checks say. */
export const TTL_S = { lowest: 30, highest: 86_400 } as const;

export const recordsHandler = saidHandler({
  type: 'cell:cloudflare:Records',
  provider: 'cloudflare-dns',
  ttl: TTL_S,
  held: (credential, at) => held(cloudflareCredential(credential), at),
  put: (credential, want) => put(cloudflareCredential(credential), want),
  take: (credential, want) => take(cloudflareCredential(credential), want),
});
