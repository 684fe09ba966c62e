/** Who answers for the names: domains that somebody answers for, providers that are reached, TTLs that they can say. */
import { type Dns, dnsOf, isInZone, isUnnamed } from '../../src/decide/dns.ts';
import type { Path } from '../finding.ts';
import type { Genome } from '../schema.ts';
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

function checkTtl({ gene }: Dns, at: Path, report: Report): void {
  if (gene.ttl % 1000 === 0) return;
  report({
    code: 'ttl-not-whole',
    at: [...at, 'ttl'],
    message: 'DNS counts in whole seconds',
    expected: 'whole seconds, such as 5s',
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
