/** Every pair of a compute and a DNS provider: the smallest organism compiles for it, and everything in it can be made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { parseDocument } from 'yaml';
import { compile, firstCell } from '../../genome/compile.ts';
import { parseGenome } from '../../genome/parse.ts';
import { generateHostKey } from '../../src/effects/keys.ts';
import { previewFresh } from '../../stacks/engines/fresh.ts';
import { dnsProvider } from '../../stacks/records/index.ts';
import { EXAMPLES } from './stage.ts';

const KEY = generateHostKey();
const at = { address: '192.0.2.10', hostKey: KEY.publicKey };
const other = { address: '192.0.2.11', hostKey: generateHostKey().publicKey };
const credentials = 'env:SECRET';
const CLOUDS: readonly object[] = [
  { provider: 'local' },
  { provider: 'hosts', machines: [at, other], credentials },
  { provider: 'nspawn', box: at, credentials },
  { provider: 'digitalocean', region: 'ams3', size: 's-1vcpu-1gb', credentials },
  { provider: 'linode', region: 'eu-central', size: 'g6-nanode-1', credentials },
  { provider: 'aws', region: 'eu-central-1', size: 't4g.small', credentials },
];
const DNS: readonly object[] = [
  { provider: 'local' },
  { provider: 'rfc2136', server: '192.0.2.53', key: 'k', credentials },
  { provider: 'cloudflare', credentials },
  { provider: 'digitalocean', credentials },
  { provider: 'linode', credentials },
  { provider: 'route53', zoneId: 'Z0123456789ABC', credentials },
];
const nameOf = (gene: object) => (gene as { provider: string }).provider;
// The DNS server of this computer is out of reach for machines elsewhere: a genome with that is refused.
const PAIRS = CLOUDS.flatMap((cloud) =>
  DNS.filter((dns) => nameOf(dns) !== 'local' || nameOf(cloud) === 'local').map((dns) => ({
    pair: `${nameOf(cloud)} with ${nameOf(dns)}`,
    ...{ cloud, dns },
  })),
);

test.each(PAIRS)('$pair', async ({ cloud, dns }) => {
  const document = parseDocument(readFileSync(join(EXAMPLES, 'small/genome.yaml'), 'utf8'));
  document.setIn(['clouds', 'here'], cloud);
  document.setIn(['dns'], dns);
  document.setIn(['body', 'maxMonthlyCost'], '100 USD');
  const { genome, findings } = parseGenome(document.toString(), 'genome.yaml');
  expect(findings.filter(({ severity }) => severity === 'error')).toEqual([]);
  if (genome === null) throw new Error('no genome');
  const stacks = compile(genome, firstCell(genome));
  expect(stacks.map(({ kind }) => kind)).toEqual(['body', 'voice']);
  const samples = dnsProvider(nameOf(dns) as Parameters<typeof dnsProvider>[0]).samples ?? {};
  const bindings = {
    values: { ...samples, imprintKey: KEY.publicKey, address: '192.0.2.1', address6: '2001:db8::1' },
    secrets: { hostKey: KEY.privatePem },
  };
  for (const stack of stacks) {
    const { changes } = await previewFresh(stack, bindings);
    const wanted = stack.resources.filter(({ type }) => !type.startsWith('pulumi:'));
    expect(changes.map(({ name }) => name).sort()).toEqual(wanted.map(({ name }) => name).sort());
    expect(changes.length).toBeGreaterThan(0);
  }
});
