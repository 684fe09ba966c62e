/** The part of the schema that says who answers for the names of an organism. */
import { z } from 'zod';
import { d, duration, hostname, name, port, secretSource } from './words.ts';

/** What every provider takes. */
const zone = hostname.optional().meta(d("The zone that it answers for; the genome's when left out"));
const lasts = (usual: string) =>
  duration.prefault(usual).meta(d('How long answers may be kept; also how long a moved function is proxied'));

export const localDns = z.strictObject({
  provider: z.literal('local').meta(d('A DNS server on this computer')),
  zone,
  port: port.default(5380).meta(d('Its port on 127.0.0.1')),
  ttl: lasts('5s'),
});

export const rfc2136Dns = z.strictObject({
  provider: z.literal('rfc2136').meta(d('A DNS server that takes dynamic updates: BIND, Knot, PowerDNS')),
  zone,
  server: z
    .string()
    .regex(/^[A-Za-z0-9][A-Za-z0-9.:-]*$/, 'expected an address or a host name')
    .meta(d('The primary server of the zone, which takes the updates')),
  port: z.number().int().min(1).max(65535).default(53).meta(d('Its port')),
  key: z
    .string()
    .regex(/^[A-Za-z0-9_][A-Za-z0-9_.-]*$/, 'expected the name of a TSIG key')
    .meta(d('The name of the TSIG key')),
  algorithm: z
    .enum(['hmac-sha256', 'hmac-sha384', 'hmac-sha512'])
    .default('hmac-sha256')
    .meta(d('The algorithm of the TSIG key')),
  credentials: secretSource.meta(d('The secret of the TSIG key in base64: file:PATH, env:NAME or command:LINE')),
  ttl: lasts('30s'),
});

const dnsGene = z.discriminatedUnion('provider', [localDns, rfc2136Dns]);
/** Several, by names of the author's own. Without any, it is the one provider that is missing. */
const several = z.record(name, dnsGene).refine((genes) => Object.keys(genes).length > 0, { abort: true });
export const dns = z.union([dnsGene, several]);

export type DnsGene = z.output<typeof dnsGene>;
