/** Who answers for the names: domains that somebody answers for, providers that are reached, TTLs that they can say. */
import { type Dns, dnsOf, isInZone, isUnnamed } from '../../src/decide/dns.ts';
import type { DnsGene } from '../dns.ts';
import type { Path } from '../finding.ts';
import type { Genome } from '../schema.ts';
import { formatDuration } from '../units.ts';
import type { Report } from './complaint.ts';

/** Where a provider stands in the genome. */
export function dnsAt(genome: Genome, { name }: Dns): Path {
  return isUnnamed(genome.dns) ? ['dns'] : ['dns', name];
}

export function checkDns(genome: Genome, report: Report): void {
  checkDomains(genome, report);
  for (const dns of dnsOf(genome)) checkTtl(dns, dnsAt(genome, dns), report);
  checkLocal(genome, report);
}

function checkDomains(genome: Genome, report: Report): void {
  const all = dnsOf(genome);
  const zones = [...new Set(all.map(({ zone }) => zone))];
  for (const [name, { domain }] of Object.entries(genome.functions)) {
    if (domain === undefined || zones.some((zone) => isInZone(domain, zone))) continue;
    report({
      code: 'domain-outside-zone',
      at: ['functions', name, 'domain'],
      message:
        zones.length === 1
          ? `${domain} is not in the zone ${zones[0]}`
          : `${domain} is in none of the zones ${zones.join(', ')}`,
      expected: zones.map((zone) => `${zone} or a name that ends with .${zone}`).join(', or '),
      suggestion: `${domain.split('.')[0]}.${zones[0]}`,
      because: [['zone'], ...all.map((dns) => [...dnsAt(genome, dns), 'zone'])],
    });
  }
  if (isUnnamed(genome.dns)) return;
  for (const dns of all) {
    const domains = Object.values(genome.functions).flatMap(({ domain }) => domain ?? []);
    if (domains.some((domain) => isInZone(domain, dns.zone))) continue;
    report({
      severity: 'warning',
      code: 'dns-unused',
      at: dnsAt(genome, dns),
      key: true,
      message: `no function has a domain in ${dns.zone}, so nothing is said at \`${dns.name}\``,
      expected: `a domain in ${dns.zone}, or one provider less`,
      because: [['functions'], ['zone']],
    });
  }
}

/** What Linode keeps; another one it would round up. Seconds. */
const LINODE_TTLS = [
  ...[30, 120, 300, 3_600, 7_200, 14_400, 28_800, 57_600, 86_400, 172_800, 345_600, 604_800, 1_209_600, 2_419_200],
];

/** What a provider takes: nothing to say, or in words what would be right, and the closest of it. Seconds. */
function ttlTaken(gene: DnsGene, seconds: number): null | { readonly expected: string; readonly closest: number } {
  const written = (some: number) => formatDuration(some * 1000);
  if (gene.provider === 'cloudflare') {
    const [lowest, highest] = [gene.enterprise ? 30 : 60, 86_400];
    if (seconds >= lowest && seconds <= highest) return null;
    const unless = gene.enterprise ? '' : ' (from 30s with an Enterprise plan: `enterprise: true`)';
    const expected = `${written(lowest)} to ${written(highest)}${unless}`;
    return { expected, closest: Math.min(highest, Math.max(lowest, seconds)) };
  }
  if (gene.provider === 'digitalocean') {
    return seconds >= 30 ? null : { expected: 'at least 30s', closest: 30 };
  }
  if (gene.provider === 'linode') {
    if (LINODE_TTLS.includes(seconds)) return null;
    const closest = LINODE_TTLS.filter((step) => step < seconds).at(-1) ?? 30;
    return { expected: `one of ${LINODE_TTLS.map(written).join(', ')}: another is rounded up`, closest };
  }
  return null;
}

function checkTtl({ gene }: Dns, at: Path, report: Report): void {
  const seconds = gene.ttl / 1000;
  if (!Number.isInteger(seconds)) {
    report({
      code: 'ttl-not-whole',
      at: [...at, 'ttl'],
      message: 'DNS counts in whole seconds',
      expected: 'whole seconds, such as 5s',
    });
    return;
  }
  const taken = ttlTaken(gene, seconds);
  if (taken === null) return;
  report({
    code: 'ttl-not-taken',
    at: [...at, 'ttl'],
    message: `${gene.provider} takes no TTL of ${formatDuration(gene.ttl)}`,
    expected: taken.expected,
    suggestion: formatDuration(taken.closest * 1000),
    because: [
      [...at, 'provider'],
      [...at, 'enterprise'],
    ],
  });
}

/** This computer has one DNS server, whatever number of zones it answers for; and nobody else reaches it. */
function checkLocal(genome: Genome, report: Report): void {
  const servers = dnsOf(genome).flatMap((dns) => (dns.gene.provider === 'local' ? [{ dns, gene: dns.gene }] : []));
  const [first, ...others] = servers;
  if (first === undefined) return;
  for (const { dns, gene } of others) {
    if (gene.port === first.gene.port) continue;
    report({
      code: 'two-local-dns',
      at: [...dnsAt(genome, dns), 'port'],
      message: `this computer has one DNS server, and it is on port ${first.gene.port}`,
      expected: `port: ${first.gene.port}, as \`${first.dns.name}\` has it`,
      because: [[...dnsAt(genome, first.dns), 'port']],
    });
  }
  const cloud = Object.entries(genome.clouds).find(([, { provider }]) => provider !== 'local')?.[0];
  if (cloud === undefined) return;
  report({
    code: 'dns-out-of-reach',
    at: [...dnsAt(genome, first.dns), 'provider'],
    message: `the DNS server on this computer is out of reach for the machines of cloud \`${cloud}\``,
    expected: 'another provider, or clouds that are local, too',
    because: [['clouds', cloud, 'provider']],
  });
}
