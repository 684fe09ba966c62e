/**
 * Who answers for which domain. A genome names one DNS provider, or several by name; each answers for a zone. A domain is
 * spoken where the zone is the closest around it, and at all of these where several answer for that zone.
 */
import type { DnsGene } from '../../genome/dns.ts';
import type { Genome } from '../../genome/schema.ts';

export interface Dns {
  /** As the genome calls it. */
  readonly name: string;
  readonly zone: string;
  readonly gene: DnsGene;
}

/** What a provider is called that is the only one, and that the genome gives no name. */
export const ONLY = 'dns';

type Spoken = Pick<Genome, 'dns' | 'zone'>;

/** Whether the genome gives one provider and no name. */
export function isUnnamed(dns: Genome['dns']): dns is DnsGene {
  return typeof dns.provider === 'string';
}

/** Every DNS provider of the genome. */
export function dnsOf({ dns, zone }: Spoken): readonly Dns[] {
  const named = isUnnamed(dns) ? { [ONLY]: dns } : dns;
  return Object.entries(named).map(([name, gene]) => ({ name, zone: gene.zone ?? zone, gene }));
}

export function isInZone(domain: string, zone: string): boolean {
  return domain === zone || domain.endsWith(`.${zone}`);
}

/** Who answers for a domain; nobody for one that is in no zone. */
export function dnsFor(genome: Spoken, domain: string): readonly Dns[] {
  const around = dnsOf(genome).filter(({ zone }) => isInZone(domain, zone));
  const closest = Math.max(...around.map(({ zone }) => zone.length));
  return around.filter(({ zone }) => zone.length === closest);
}

/** How long anybody may remember a record of the organism, in ms. */
export function longestTtl(genome: Spoken): number {
  return Math.max(0, ...dnsOf(genome).map(({ gene }) => gene.ttl));
}
