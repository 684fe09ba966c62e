/**
 * SIGKILL at each thing that a cell does about a genome, before and after it is written down. One cell without a beat of
 * its own: each tick is the test's.
 */
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ProposalsReport } from '../../src/proposals.ts';
import { type Garden, plant } from './garden.ts';

const TIMEOUT = 180_000;
const KILLED = 137;
let garden: Garden;
let name: string;
let original: string;

beforeAll(async () => {
  garden = await plant('small', 'genome.yaml', (text) =>
    text
      .replace('heartbeat: 15s', 'heartbeat: 6h')
      .replace('within: 15s', 'within: 4s')
      .replace('every: 2s', 'every: 1s')
      .replace('clouds:', 'healing: { suspectAfter: 18h, deadAfter: 36h, aloneAfter: 72h }\n\nclouds:'),
  );
  original = readFileSync(join(garden.folder, 'genome.yaml'), 'utf8');
  const seeded = await garden.cell('seed', '--yes');
  expect(seeded.code, seeded.stderr).toBe(0);
  name = (await garden.status()).cells[0]?.name ?? '';
}, TIMEOUT);

afterAll(() => garden.close(), 60_000);

/** One tick, with a fault or without. */
async function tick(fault = ''): Promise<number> {
  return (await garden.cell('ssh', name, '--', `CELL_FAULT=${fault} $CELL_ROOT/opt/cell/bin/cell divide`)).code;
}

async function proposals(): Promise<ProposalsReport> {
  return JSON.parse((await garden.cell('proposals', '--json')).stdout) as ProposalsReport;
}

/** A genome with a colour, and with a second function or not. */
async function propose(colour: string, second: boolean, health = '/health'): Promise<void> {
  const more = `  second:\n    run: node web.js\n    source: ./functions\n    health: { http: /health, within: 4s }\n`;
  const text = original
    .replace('    divide: replicate', `    env: { COLOUR: ${colour} }\n    divide: replicate`)
    .replace('http: /health', `http: ${health}`);
  writeFileSync(join(garden.folder, 'genome.yaml'), second ? text + more : text);
  const said = await garden.cell('propose');
  expect(said.code, said.stderr).toBe(0);
}

/** Ticks with a fault until it strikes. */
async function struck(fault: string): Promise<void> {
  for (let ticks = 0; ticks < 6; ticks++) if ((await tick(fault)) === KILLED) return;
  throw new Error(`${fault} did not strike in six ticks: ${JSON.stringify(await proposals())}`);
}

/** Ticks until the newest proposal came to its end. */
async function settled(state: 'current' | 'failed'): Promise<void> {
  for (let ticks = 0; ticks < 6; ticks++) {
    expect(await tick()).toBe(0);
    if ((await proposals()).proposals[0]?.state === state) return;
  }
  throw new Error(`not ${state} in six ticks: ${JSON.stringify(await proposals())}`);
}

async function colour(): Promise<string> {
  return (await garden.cell('exec', 'web', '--', 'sh', '-c', 'echo $COLOUR')).stdout.trim();
}

const functionsHere = async () => (await garden.status()).cells[0]?.functions.map((one) => one.name);
const programs = () => garden.processes().filter((line) => /node web\.js/.test(line) && !/sh -c/.test(line)).length;

test.each([
  ['after:vote', true],
  ['after:accept', false],
  ['after:begin', true],
  ['in:place', false],
  ['after:place', true],
  ['in:change', false],
  ['after:change', true],
  ['in:stop', false],
  ['in:fresh', true],
  ['after:stop', false],
  ['after:fresh', true],
  ['after:end', false],
  ['in:turn', true],
  ['after:turn', false],
  ['after:took', true],
])('killed %s, it goes on', { timeout: TIMEOUT }, async (fault, second) => {
  const wanted = fault.replace(':', '');
  await propose(wanted, second);
  await struck(`kill-${fault}`);
  await settled('current');
  // What the genome has no more ends once every cell has it: in the tick after.
  expect(await tick()).toBe(0);
  expect(await colour()).toBe(wanted);
  expect(await functionsHere()).toEqual(second ? ['second', 'web'] : ['web']);
  expect(programs()).toBe(second ? 2 : 1);
});

test('killed when it had said that there may be more cells, it counts them once', { timeout: TIMEOUT }, async () => {
  const before = (await garden.status()).cells[0]?.budget ?? 0;
  const file = join(garden.folder, 'genome.yaml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('maxCells: 2', 'maxCells: 5'));
  const said = await garden.cell('propose', '--raise-limits');
  expect(said.code, said.stderr).toBe(0);
  await struck('kill-after:grant');
  await settled('current');
  expect(await tick()).toBe(0);
  expect((await garden.status()).cells[0]?.budget).toBe(before + 3);
  original = original.replace('maxCells: 2', 'maxCells: 5');
});

test.each(['after:fail', 'after:back', 'in:place', 'after:turn'])(
  'killed %s while it is taken back, it goes on',
  { timeout: TIMEOUT },
  async (fault) => {
    const before = await colour();
    await propose('never', true, '/nowhere');
    await struck('kill-after:fail');
    if (fault !== 'after:fail') await struck(`kill-${fault}`);
    await settled('failed');
    expect(await tick()).toBe(0);
    expect(await colour()).toBe(before);
    expect(await functionsHere()).toEqual(['second', 'web']);
  },
);

test('killed while it takes a secret in, it has it; taken back, it has the one from before', {
  timeout: TIMEOUT,
}, async () => {
  Object.assign(process.env, { KILLS_ONE: 'one', KILLS_TWO: 'two' });
  const token = async () => (await garden.cell('exec', 'web', '--', 'sh', '-c', 'echo $TOKEN')).stdout.trim();
  const kept = original;
  const asking = (source: string) =>
    kept.replace('    divide: replicate', `    secrets: { TOKEN: env:${source} }\n    divide: replicate`);
  original = asking('KILLS_ONE');
  await propose('secret', true);
  await struck('kill-in:place');
  await settled('current');
  expect(await token()).toBe('one');
  // What is there is not asked for again.
  delete process.env.KILLS_ONE;
  original = asking('KILLS_TWO');
  await propose('never', true, '/nowhere');
  await struck('kill-in:place');
  await settled('failed');
  expect(await tick()).toBe(0);
  expect(await token()).toBe('one');
  original = asking('KILLS_ONE');
  await propose('unasked', true);
  await settled('current');
  expect([await colour(), await token()]).toEqual(['unasked', 'one']);
});
