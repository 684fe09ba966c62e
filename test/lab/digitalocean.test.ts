/**
 * An organism at DigitalOcean, whose stand-in makes its droplets machines on this computer: seeded from a laptop, divided
 * by its own first cell through the API, served by the child under the organism's name, and gone without a trace.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { findPulumi } from '../../stacks/engines/pulumi.find.ts';
import { leftIn, TOKENS } from '../digitalocean/cloud.support.ts';
import { type Plot, plotIn } from '../e2e/garden.ts';
import { type Rented, startRenting } from './droplets.ts';
import { NSPAWN, needs } from './needs.ts';

const OCTET = 195;
const [ZONE, NAME] = ['small.test', 'www.small.test'];
const TITLE = 'an organism at DigitalOcean';
const WITHIN = 600_000;

/** Says why not. */
function noEngine(): boolean {
  if (findPulumi() !== null) return false;
  process.stderr.write(`lab: not run: ${TITLE}, for it needs a Pulumi CLI (tools/pulumi/build.sh)\n`);
  return true;
}

describe.skipIf(needs(TITLE, NSPAWN) || noEngine())(TITLE, () => {
  let rented: Rented;
  let plot: Plot;
  let folder: string;

  beforeAll(async () => {
    rented = await startRenting({ octet: OCTET, zone: ZONE });
    folder = mkdtempSync(join(tmpdir(), 'cell-lab-'));
    cpSync(join(import.meta.dirname, '../../genome/examples/small'), folder, { recursive: true });
    for (const [kind, token] of Object.entries(TOKENS)) writeFileSync(join(folder, kind), token, { mode: 0o600 });
    const text = readFileSync(join(folder, 'genome.yaml'), 'utf8');
    const { url } = rented.cloud;
    const at = (kind: string) => `credentials: file:${kind}, endpoint: "${url}"`;
    const places = `clouds:
  near: { provider: digitalocean, region: ams3, size: s-1vcpu-1gb, ${at('compute')} }
dns: { provider: digitalocean, ${at('dns')}, ttl: 30s }

`;
    writeFileSync(
      join(folder, 'genome.yaml'),
      text
        .replace(/^clouds:\n[\s\S]*?(?=^functions:)/m, places)
        .replace('maxMonthlyCost: 10 USD', 'maxMonthlyCost: 20 USD'),
    );
    plot = plotIn(folder, { dns: rented.dns, httpPort: 80, through: rented.laptop });
  });
  afterAll(async () => {
    await rented?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const cell = async (...args: readonly string[]) => {
    const ran = await plot.cell(...args);
    expect(ran.code, `cell ${args.join(' ')}: ${ran.stdout}${ran.stderr}${rented.cloud.wrong.join('\n')}`).toBe(0);
    return ran.stdout;
  };

  test('is seeded, divides through the API, lives by its name, and goes without a trace', {
    timeout: WITHIN,
  }, async () => {
    const { cloud } = rented;
    await cell('seed', '--yes');
    expect(cloud.made).toHaveLength(1);
    const [first] = (await plot.status()).cells;
    expect(await plot.addresses(NAME)).toEqual([first?.address]);
    expect((await plot.ask(NAME, '/hello')).status).toBe(200);
    // What makes and unmakes machines there came with its imprint.
    const engines = await cell('ssh', first!.name, '--', 'ls', '/opt/cell/engines');
    expect(engines.trim().split('\n')).toEqual(['pulumi', 'pulumi-resource-digitalocean']);

    await cell('ssh', first!.name, '--', 'cell', 'divide', '--now', 'web');
    const { cells } = await plot.until('a child', ({ cells }) => cells.length === 2, 120_000);
    expect(cloud.made).toHaveLength(2);
    expect([...(await plot.addresses(NAME))].sort()).toEqual(cells.map(({ address }) => address).sort());
    const child = cells.find(({ name }) => name !== first?.name);
    const [, second] = [...cloud.droplets.values()];
    expect(second).toMatchObject({ networks: { ipv4: child?.address } });
    // Rented by the first cell, and not by the laptop.
    expect(second?.tags).toContain(`cell-parent:${first?.id}`);

    await cell('destroy', '--yes');
    expect(leftIn(cloud)).toEqual([]);
    expect(rented.machines()).toEqual([]);
    expect(cloud.wrong).toEqual([]);
  });
});
