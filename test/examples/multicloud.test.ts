/** The organism over two clouds and two DNS providers: its plan, line by line, and where its children go. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compile } from '../../genome/compile.ts';
import { readGenome } from '../../genome/read.ts';
import { plan, planText } from '../../src/plan.ts';
import { birthId, firstBirth } from '../../stacks/names.ts';
import { EXAMPLES } from './stage.ts';

const FILE = join(EXAMPLES, 'multicloud/genome.yaml');
const BIRTH = firstBirth('multicloud');

let home: string;
let pulumi: string | undefined;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cell-multicloud-'));
  pulumi = process.env.CELL_PULUMI;
  // A pull request is planned where there is neither a CLI nor a credential.
  process.env.CELL_PULUMI = '/nowhere/pulumi';
});
afterEach(() => {
  if (pulumi === undefined) delete process.env.CELL_PULUMI;
  else process.env.CELL_PULUMI = pulumi;
  rmSync(home, { recursive: true, force: true });
});

test('is planned right in every line, without a CLI and without a credential', async () => {
  const { genome } = await readGenome(FILE);
  const report = await plan(home, FILE, genome);
  expect(planText(report).split('\n')).toEqual([
    `multicloud-${BIRTH}-body`,
    '  + digitalocean:index/tag:Tag  tag',
    '  + digitalocean:index/sshKey:SshKey  key',
    '  + digitalocean:index/firewall:Firewall  firewall',
    '  + digitalocean:index/droplet:Droplet  machine',
    `multicloud-${BIRTH}-voice.main`,
    '  + cell:cloudflare:Records  www.example.org',
    `multicloud-${BIRTH}-voice.shop`,
    '  + linode:index/domainRecord:DomainRecord  shop.example.net/owner',
    '  + linode:index/domainRecord:DomainRecord  shop.example.net/address',
    // Droplets have an address of IPv6, too.
    '  + linode:index/domainRecord:DomainRecord  shop.example.net/address6',
    '8 to make, 0 to change, 0 to replace, 0 to destroy.',
    // A droplet is 6 USD, and four of the dearest are less than the cap.
    'A month: 0.00 USD now, 6.00 USD then, never over 24.00 USD.',
    'Credentials: digitalocean, linode, cloudflare DNS, linode DNS',
  ]);
});

test('goes to the other cloud with its second cell', async () => {
  const { genome } = await readGenome(FILE);
  const who = { birth: birthId('x', 1), parent: 'x', cloud: 'frankfurt', functions: ['shop'] };
  const stacks = compile(genome, who);
  expect(stacks.map(({ kind, place }) => [kind, place])).toEqual([
    ['body', 'frankfurt'],
    ['voice', 'shop'],
  ]);
  expect(stacks[0]?.resources.map(({ type }) => type)).toEqual([
    'pulumi:providers:linode',
    'linode:index/firewall:Firewall',
    'linode:index/instance:Instance',
  ]);
});
