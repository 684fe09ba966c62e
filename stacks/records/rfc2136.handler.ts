/**
 * The resource `cell:rfc2136:Record`: what one cell says under one name of a zone that takes dynamic updates, and the
 * claim beside it.
 */
import { untilNotShown } from '../../src/effects/dns/published.ts';
import { held, primaryCredential, put, take } from './rfc2136.client.ts';
import { saidHandler } from './said.handler.ts';

export const recordHandler = saidHandler({
  type: 'cell:rfc2136:Record',
  provider: 'rfc2136-dns',
  ttl: { lowest: 1, highest: 7 * 86_400 },
  held: (credential, at) => held(primaryCredential(credential), at),
  put: (credential, want) => put(primaryCredential(credential), want),
  async take(credential, want) {
    await take(primaryCredential(credential), want);
    // Who is sent to the old home is counted by TTLs from now on, so now has to be true at every server.
    await untilNotShown(primaryCredential(credential), want.name, want.values);
  },
});
