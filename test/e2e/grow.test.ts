/**
 * A living organism is at its limit and has more to do than it can: a genome that allows more is applied from a pipeline's
 * home, and it divides by itself. Lowered again, it divides no more.
 */
import { spawn } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import { type Load, startLoad } from '../../src/load.ts';
import type { Status } from '../../src/status.ts';
import { type Garden, plant } from './garden.ts';

const TIMEOUT = 300_000;
const ci = generateHostKey();
let garden: Garden;
let load: Load;
let invitation = '';

beforeAll(async () => {
  garden = await plant('small', 'genome.yaml', (text) =>
    text
      .replace('maxMonthlyCost: 10 USD', 'maxMonthlyCost: 40 USD')
      .replace('heartbeat: 15s', 'heartbeat: 2s')
      .replace('settle: 15s', 'settle: 2s')
      .replace('hold: 45s', 'hold: 4s')
      .replace('refractory: 2m', 'refractory: 4s')
      .replace('calm: 5m', 'calm: 60m')
      .replace('jitter: 10s', 'jitter: 1s')
      .replace('bounds: [5, 50]', 'bounds: [1, 8]')
      .replace('clouds:', `governance: { authorities: [${ci.publicKey} ci] }\n\nclouds:`),
  );
  const seeded = await garden.cell('seed', '--yes');
  expect(seeded.code, seeded.stderr).toBe(0);
  invitation = (await garden.cell('invite')).stdout.trim();
}, TIMEOUT);

afterAll(async () => {
  await load?.stop();
  await garden.close();
}, 60_000);

/** Sets `maxCells`, and applies that as a pipeline does. */
async function applied(maxCells: number, ...more: readonly string[]) {
  const file = join(garden.folder, 'genome.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace(/maxCells: \d+/, `maxCells: ${maxCells}`));
  const planned = (await garden.cell('plan')).stdout;
  const home = join(garden.folder, '.ci');
  const env = { ...process.env, NO_COLOR: '1', CELL_HOME: home, CELL_ORGANISM: invitation, CELL_KEY: ci.privatePem };
  const args = [join(import.meta.dirname, '../../bin/cell.js'), 'apply', '--json', '--timeout', '2m', ...more];
  const child = spawn(process.execPath, args, { cwd: garden.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let said = '';
  child.stdout.on('data', (chunk) => (said += chunk));
  child.stderr.on('data', (chunk) => (said += chunk));
  const code = await new Promise((resolve) => child.on('close', resolve));
  const cells = (await garden.status()).cells.map(({ name, why }) => `${name}: ${why}`);
  return { code, said: [said, ...cells].join('\n'), planned };
}

/** Cells and what they may still bring about: every token there is. */
const tokens = ({ cells }: Status) => cells.length + cells.reduce((sum, { budget }) => sum + budget, 0);
const performing = ({ cells }: Status) =>
  cells.filter(({ functions }) => functions.some(({ name, health }) => name === 'web' && health === 'healthy')).length;

test('at its limit under load, it divides once it may', { timeout: TIMEOUT }, async () => {
  load = startLoad({
    domain: 'www.small.test',
    path: '/',
    rate: 60,
    dns: { address: '127.0.0.1', port: garden.dnsPort, ttlMs: 1_000 },
    httpPort: 8080,
    random: Math.random,
  });
  const full = await garden.until(
    'two cells, both with too much to do and no budget',
    (status) => performing(status) === 2 && status.cells.every(({ why }) => /no budget is left|in all|divid/.test(why)),
    120_000,
  );
  expect(tokens(full)).toBe(2);
  const { code, said, planned } = await applied(3, '--raise-limits');
  expect(planned).toMatch(/gets a budget of 1 more once every cell runs it: up to 3 cells/);
  expect(code, said).toBe(0);
  expect(said).toContain('There may be 3 cells');
  const grown = await garden.until('three cells', (status) => performing(status) === 3, 120_000);
  expect(tokens(grown)).toBe(3);
  expect(load.report().failed, load.report().failures.join('\n')).toBe(0);
});

test('lowered again it ends none and makes none; raised to what it was, nothing is counted twice', {
  timeout: TIMEOUT,
}, async () => {
  const lowered = await applied(2);
  expect(lowered.planned).toMatch(/maxCells is 2, and there are 3: none divides, and none has to go/);
  expect(lowered.code, lowered.said).toBe(0);
  const again = await applied(4, '--raise-limits');
  expect(again.code, again.said).toBe(0);
  const grown = await garden.until('four cells', (status) => performing(status) === 4, 120_000);
  expect(tokens(grown)).toBe(4);
  expect(load.report().failed, load.report().failures.join('\n')).toBe(0);
});
