/** The DNS providers, by the name that a genome calls them. A new one is a line here. */
import { cloudflareDns } from './cloudflare.ts';
import { digitaloceanDns } from './digitalocean.ts';
import { linodeDns } from './linode.ts';
import { localDns } from './local.ts';
import type { DnsGene, DnsProvider } from './record.ts';
import { rfc2136Dns } from './rfc2136.ts';
import { route53Dns } from './route53.ts';

const PROVIDERS: Readonly<Record<DnsGene['provider'], DnsProvider>> = {
  local: localDns,
  rfc2136: rfc2136Dns,
  cloudflare: cloudflareDns,
  digitalocean: digitaloceanDns,
  linode: linodeDns,
  route53: route53Dns,
};

export function dnsProvider(name: DnsGene['provider']): DnsProvider {
  return PROVIDERS[name];
}
