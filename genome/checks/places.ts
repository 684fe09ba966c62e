/** Where things are: domains apart from each other, ports and networks that do not collide. */
import { dnsOf } from '../../src/decide/dns.ts';
import type { Path } from '../finding.ts';
import type { Genome } from '../schema.ts';
import type { Report } from './complaint.ts';
import { dnsAt } from './dns.ts';

/** What DNS allows (RFC 1035 2.3.4), less `_cell.` in front. */
const LONGEST_DOMAIN = 253 - '_cell.'.length;

export function checkPlaces(genome: Genome, report: Report): void {
  checkDomains(genome, report);
  checkPorts(genome, report);
  if (Object.keys(genome.clouds).length === 0) {
    report({
      code: 'no-clouds',
      at: ['clouds'],
      key: true,
      message: 'there is no cloud to live in',
      expected: 'near: { provider: local }',
      because: [['clouds']],
    });
  }
  for (const [name, cloud] of Object.entries(genome.clouds)) {
    if (cloud.provider !== 'local' || cloud.network.split(/[./]/).every((part) => Number(part) <= 255)) continue;
    const at = ['clouds', name, 'network'];
    report({
      code: 'wrong-network',
      at,
      message: `${cloud.network} is no network`,
      expected: 'numbers up to 255: 127.77.0.0/16',
    });
  }
}

function checkDomains(genome: Genome, report: Report): void {
  const taken = new Map<string, string>();
  for (const [name, { domain }] of Object.entries(genome.functions)) {
    if (domain === undefined) continue;
    const at = ['functions', name, 'domain'];
    if (domain.length > LONGEST_DOMAIN) {
      report({
        code: 'domain-too-long',
        at,
        message: `${domain} leaves no room for the record that says whose it is`,
        expected: `at most ${LONGEST_DOMAIN} characters`,
      });
    }
    const owner = taken.get(domain);
    if (owner === undefined) taken.set(domain, name);
    else {
      report({
        code: 'domain-taken',
        at,
        message: `${domain} is the domain of \`${owner}\` already`,
        expected: 'a domain for each function',
        because: [['functions', owner, 'domain']],
      });
    }
  }
}

/**
 * Every function begins on one cell, whatever divides later, so no two may want one port, nor one that the machine
 * itself answers on.
 */
function checkPorts(genome: Genome, report: Report): void {
  const taken = new Map<number, { what: string; at: Path }>();
  for (const [name, cloud] of Object.entries(genome.clouds)) {
    if (cloud.provider !== 'local') continue;
    if (cloud.sshPort === cloud.httpPort) {
      const at = ['clouds', name, 'httpPort'];
      report({
        code: 'port-taken',
        at,
        message: `port ${cloud.httpPort} is the sshPort of cloud \`${name}\` too`,
        expected: 'two ports',
      });
    }
    taken.set(cloud.sshPort, { what: `the sshPort of cloud \`${name}\``, at: ['clouds', name, 'sshPort'] });
    taken.set(cloud.httpPort, { what: `the httpPort of cloud \`${name}\``, at: ['clouds', name, 'httpPort'] });
  }
  for (const dns of dnsOf(genome)) {
    if (dns.gene.provider === 'local')
      taken.set(dns.gene.port, { what: 'the port of dns', at: [...dnsAt(genome, dns), 'port'] });
  }
  for (const [name, { port }] of Object.entries(genome.functions)) {
    if (port === undefined) continue;
    const at = ['functions', name, 'port'];
    const other = taken.get(port);
    if (other === undefined) taken.set(port, { what: `the port of function \`${name}\``, at });
    else {
      const message = `port ${port} is ${other.what} already`;
      report({
        code: 'port-taken',
        at,
        message,
        expected: 'a port of its own: all functions begin on one cell',
        because: [other.at],
      });
    }
  }
}
