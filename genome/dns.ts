/** The part of the schema that says who answers for the names of an organism. */
import { z } from 'zod';
import { d, duration, hostname, mint, name, port, secretSource } from './words.ts';

/** What every provider takes. */
const zone = hostname.optional().meta(d("The zone that it answers for; the genome's when left out"));
/** The same where zones are kept at a maker's: it must be one that is there, not one below. */
const hosted = hostname
  .optional()
  .meta(d("The zone that it answers for, as it is called there; the genome's when left out"));
const endpoint = z
  .url('expected the URL of an API')
  .regex(/^https?:\/\/[^?#]*[^?#/]$/, 'expected the URL of an API, without a slash at its end')
  .optional()
  .meta(d('Where the API is, when not at its usual place: a proxy, or a stand-in'));
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

export const cloudflareDns = z.strictObject({
  provider: z.literal('cloudflare').meta(d('A zone at Cloudflare')),
  zone: hosted,
  zoneId: z
    .string()
    .regex(/^[0-9a-f]{32}$/, 'expected the id of a zone: 32 hex digits, as the dashboard shows')
    .optional()
    .meta(d('The id of the zone, for a token that may not look it up by its name')),
  enterprise: z.boolean().default(false).meta(d('The zone has an Enterprise plan: then a TTL may be as low as 30s')),
  credentials: secretSource.meta(d('An API token with DNS Write for the zone: env:NAME, file:PATH or command:LINE')),
  endpoint,
  mint,
  ttl: lasts('60s'),
});

export const digitaloceanDns = z.strictObject({
  provider: z.literal('digitalocean').meta(d('A domain at DigitalOcean')),
  zone: hosted,
  credentials: secretSource.meta(d('A token for domains, of its own: env:NAME, file:PATH or command:LINE')),
  endpoint,
  ttl: lasts('30s'),
});

export const linodeDns = z.strictObject({
  provider: z.literal('linode').meta(d('A domain at Linode (Akamai)')),
  zone: hosted,
  credentials: secretSource.meta(d('A personal access token: env:NAME, file:PATH or command:LINE')),
  endpoint,
  mint,
  ttl: lasts('30s'),
});

export const route53Dns = z.strictObject({
  provider: z.literal('route53').meta(d('A hosted zone of AWS')),
  zone: hosted,
  zoneId: z
    .string()
    .regex(/^Z[A-Z0-9]{3,31}$/, 'expected the id of a hosted zone, such as Z0123456789ABCDEFGHIJ')
    .optional()
    .meta(d('The id of the hosted zone, where several have its name, or the keys may not look it up')),
  credentials: secretSource.meta(
    d('Keys as `aws configure export-credentials` prints them: command:LINE, file:PATH or env:NAME'),
  ),
  endpoint,
  mint,
  ttl: lasts('30s'),
});

const dnsGene = z.discriminatedUnion('provider', [
  localDns,
  rfc2136Dns,
  cloudflareDns,
  digitaloceanDns,
  linodeDns,
  route53Dns,
]);
/** Several, by names of the author's own. Without any, it is the one provider that is missing. */
const several = z.record(name, dnsGene).refine((genes) => Object.keys(genes).length > 0, { abort: true });
export const dns = z.union([dnsGene, several]);

export type DnsGene = z.output<typeof dnsGene>;
