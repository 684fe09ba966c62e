/**
 * An organism at DigitalOcean, whose stand-in makes its droplets machines on this computer: seeded from a laptop, divided
 * by its own first cell through the API, served by the child under the organism's name, merged back, healed, and gone
 * without a trace. Engine and plugin come from parent to child.
 */
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Status } from '../../src/status.ts';
import { DIGITALOCEAN_SCOPES } from '../../stacks/credentials/digitalocean.ts';
import { findPulumi } from '../../stacks/engines/pulumi.find.ts';
import type { Droplet } from '../digitalocean/answers.ts';
import { leftIn, ownTagsIn, TOKENS } from '../digitalocean/cloud.support.ts';
import { type Plot, plotIn } from '../e2e/garden.ts';
import { type Rented, startRenting } from './droplets.ts';
import { loadFrom, makeNamespace, type Namespace } from './load.ts';
import { NSPAWN, needs } from './needs.ts';

const OCTET = 195;
const [ZONE, NAME] = ['small.test', 'www.small.test'];
const TITLE = 'an organism at DigitalOcean';
const WITHIN = 600_000;
/** The token that takes the place of one that was revoked. */
const ANOTHER = 'dop_v1_another';
/** A rest that is longer than the TTL: before that, nobody has heard of the child. */
const RHYTHM = `rhythm: { settle: 3s, hold: 3s, refractory: 90s, calm: 30s, jitter: 1s }
healing: { suspectAfter: 15s, deadAfter: 40s, aloneAfter: 10m }

`;

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
  let namespace: Namespace;

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
        .replace('maxMonthlyCost: 10 USD', 'maxMonthlyCost: 60 USD')
        .replace('maxCells: 2', 'maxCells: 6')
        .replace('heartbeat: 15s', 'heartbeat: 5s')
        .replace(/^rhythm:\n[\s\S]*?(?=^clouds:)/m, RHYTHM),
    );
    namespace = await makeNamespace(rented.box.bridge, `10.${OCTET}.0.254`);
    plot = plotIn(folder, { dns: rented.dns, httpPort: 80, through: rented.laptop });
  });
  afterAll(async () => {
    await namespace?.remove();
    await rented?.close();
    if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
  });

  const cell = async (...args: readonly string[]) => {
    const ran = await plot.cell(...args);
    expect(ran.code, `cell ${args.join(' ')}: ${ran.stdout}${ran.stderr}${rented.cloud.wrong.join('\n')}`).toBe(0);
    return ran.stdout;
  };

  /** The droplets that are rented, oldest first. */
  const droplets = () => [...rented.cloud.droplets.values()];
  const addresses = () => droplets().map(({ networks }) => networks?.ipv4);
  const named = async () => [...(await plot.addresses(NAME).catch(() => []))].sort();
  const isCreate = ({ method, path }: { readonly method: string; readonly path: string }) =>
    method === 'POST' && path === '/v2/droplets';

  /** How it is, for whoever reads why a test failed. */
  async function diary(): Promise<string> {
    const pages = [(await plot.cell('status')).stdout, droplets().map(shown).join('\n'), rented.cloud.wrong.join('\n')];
    for (const { name } of (await plot.status()).cells) {
      const lines = "journalctl --no-pager -o cat -n 40 -u 'cell-tick*' | cut -c1-300";
      pages.push(`${name}:\n${(await plot.cell('ssh', name, '--', lines)).stdout}`);
    }
    return pages.join('\n\n');
  }

  async function until(what: string, holds: () => boolean | Promise<boolean>, withinMs = 120_000): Promise<void> {
    const deadline = Date.now() + withinMs;
    while (!(await holds())) {
      if (Date.now() > deadline) throw new Error(`${what}: not within ${withinMs} ms\n${await diary()}`);
      await sleep(500);
    }
  }

  test('is seeded from a laptop, and answers by its name', { timeout: WITHIN }, async () => {
    await cell('seed', '--yes');
    expect(droplets()).toHaveLength(1);
    expect((await plot.status()).cells.map(({ address }) => address)).toEqual(addresses());
    expect(await named()).toEqual(addresses());
    expect(await plot.ask(NAME, '/hello')).toMatchObject({ status: 200 });
    // What makes and unmakes machines there came with its imprint.
    const [first] = (await plot.status()).cells;
    const engines = await cell('ssh', first!.name, '--', 'ls', '/opt/cell/engines');
    expect(engines.trim().split('\n')).toEqual(['pulumi', 'pulumi-resource-digitalocean']);
  });

  test('says why the cloud makes it no machine, and is left as it was', { timeout: WITHIN }, async () => {
    const [first] = (await plot.status()).cells;
    const message = 'creating this/these droplet(s) will exceed your droplet limit';
    rented.cloud.trouble = (asked) =>
      isCreate(asked) ? { status: 422, body: { id: 'unprocessable_entity', message } } : null;
    await plot.cell('ssh', first!.name, '--', 'cell', 'divide', '--now', 'web');
    const told = ({ cells }: Status) => cells.some(({ why }) => /quota|exceed your droplet limit/.test(why));
    await plot.until('the reason is in the status', told, 120_000);
    const isBack = ({ cells }: Status) => cells.length === 1 && cells[0]?.budget === first?.budget;
    await plot.until('what was begun is taken back', isBack, 120_000);
    rented.cloud.trouble = null;
    // Of the first cell alone.
    expect([rented.cloud.keys.size, rented.cloud.firewalls.size]).toEqual([1, 1]);
    expect(rented.cloud.made).toHaveLength(1);
    expect(await named()).toEqual(addresses());
  });

  test('lives through a token that is revoked in the middle of a division, and gets another from its owner', {
    timeout: WITHIN,
  }, async () => {
    const [first] = (await plot.status()).cells;
    const load = loadFrom({ netns: namespace.name, name: NAME, path: '/hello', rate: 20, dns: rented.dns });
    try {
      const before = rented.cloud.made.length;
      rented.cloud.trouble = (asked, then) => {
        if (!isCreate(asked)) return null;
        const given = then();
        rented.cloud.tokens.delete(TOKENS.compute);
        return given;
      };
      await until('a droplet is made', async () => {
        await plot.cell('ssh', first!.name, '--', 'cell', 'divide', '--now', 'web');
        return droplets().length === 2;
      });
      rented.cloud.trouble = null;
      const refused = ({ cells }: Status) => cells.some(({ why }) => /DigitalOcean does not take/.test(why));
      await plot.until('the reason is in the status', refused, 120_000);
      // Taken back it cannot be without a token, and it says what to do.
      await until('it cannot be taken back', async () => /at step takeBack.*cell seed/.test(await cell('status')));
      expect(rented.cloud.made).toHaveLength(before + 1);
      expect(droplets()).toHaveLength(2);
      // The owner makes another at the maker, puts it where the old one was, and seeds again.
      rented.cloud.tokens.set(ANOTHER, DIGITALOCEAN_SCOPES.compute);
      writeFileSync(join(folder, 'compute'), ANOTHER, { mode: 0o600 });
      await cell('seed', '--yes');
      await until('what was made goes', () => droplets().length === 1, 180_000);
      const isBack = ({ cells }: Status) => cells.length === 1 && cells[0]?.budget === first?.budget;
      await plot.until('what was begun is taken back', isBack, 120_000);
      expect([rented.cloud.keys.size, rented.cloud.firewalls.size]).toEqual([1, 1]);
      expect(rented.cloud.made).toHaveLength(before + 1);
      expect(await named()).toEqual(addresses());
    } finally {
      const { sent, failures } = await load.stop();
      expect(sent).toBeGreaterThan(100);
      expect(failures).toEqual([]);
    }
  });

  // With the other token, from here on.
  test('divides under pressure, by its own tick, through the API; both serve', { timeout: WITHIN }, async () => {
    const [first] = (await plot.status()).cells;
    const load = loadFrom({ netns: namespace.name, name: NAME, path: '/hello', rate: 80, dns: rented.dns });
    try {
      const { cells } = await plot.until('a child', ({ cells }) => cells.length === 2, 300_000);
      const child = cells.find(({ id }) => id !== first?.id);
      const [, second] = droplets();
      expect(second?.networks?.ipv4).toBe(child?.address);
      // Rented by the first cell, and not by the laptop.
      expect(second?.tags).toContain(`cell-parent:${first?.id}`);
      await until('both are named', async () => (await named()).length === 2);
      const before = await load.report();
      await until('the child serves what comes by the name', async () => {
        const { byAddress } = await load.report();
        return (byAddress[child?.address ?? ''] ?? 0) > (before.byAddress[child?.address ?? ''] ?? 0) + 50;
      });
    } finally {
      const { sent, failures } = await load.stop();
      expect(sent).toBeGreaterThan(500);
      expect(failures).toEqual([]);
    }
  });

  test('merges back when it is quiet, and the droplet is given up', { timeout: WITHIN }, async () => {
    await plot.until('one cell', ({ cells }) => cells.filter(({ state }) => state === 'living').length === 1, 300_000);
    await until('its droplet is gone', () => droplets().length === 1);
    expect(await named()).toEqual(addresses());
    await until('nothing of it is left', () => rented.cloud.keys.size === 1 && rented.cloud.firewalls.size === 1);
  });

  test('has a dead child destroyed at the maker, and its records with it', { timeout: WITHIN }, async () => {
    // A first cell that was busy may look suspect from here for a moment: it is the one that has a droplet.
    const first = (await plot.status()).cells.find(({ address }) => addresses().includes(address));
    const divided = await plot.cell('ssh', first!.name, '--', 'cell', 'divide', '--now', 'web');
    expect(divided.code, divided.stdout + divided.stderr).toBe(0);
    await until('both are named', async () => (await named()).length === 2);
    const [, second] = droplets();
    await rented.cutPower(second!.id);
    await until('it is fenced', () => droplets().length === 1, 240_000);
    await until('only the living one is named', async () => `${await named()}` === `${addresses()}`);
    expect(await plot.ask(NAME, '/hello')).toMatchObject({ status: 200 });
  });

  test('goes without a trace', { timeout: WITHIN }, async () => {
    await cell('destroy', '--yes');
    expect(leftIn(rented.cloud)).toEqual([]);
    expect(ownTagsIn(rented.cloud)).toEqual([]);
    expect(rented.machines()).toEqual([]);
    expect(rented.cloud.wrong).toEqual([]);
  });
});

const shown = ({ id, tags, networks }: Droplet) => `${id} ${networks?.ipv4} ${tags.join(' ')}`;
