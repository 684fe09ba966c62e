/** A living organism's genome is changed from a pipeline's home: by stages, everywhere, and not when it does not hold. */
import { spawn } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { generateHostKey } from '../../src/effects/keys.ts';
import type { ProposalsReport } from '../../src/proposals.ts';
import { type Garden, plant } from './garden.ts';

const TIMEOUT = 300_000;
const ci = generateHostKey();
const stranger = generateHostKey();
let garden: Garden;
let invitation: string;

/** The organism of these tests: quick, and with a key of a pipeline that may propose. */
function quick(text: string): string {
  return text
    .replace('maxCells: 2', 'maxCells: 4')
    .replace('maxMonthlyCost: 10 USD', 'maxMonthlyCost: 40 USD')
    .replace('heartbeat: 15s', 'heartbeat: 2s')
    .replace('refractory: 2m', 'refractory: 1s')
    .replace('calm: 5m', 'calm: 60m')
    .replace('within: 15s', 'within: 6s')
    .replace('clouds:', `governance: { authorities: [${ci.publicKey} ci] }\n\nclouds:`);
}

const genomeFile = () => join(garden.folder, 'genome.yaml');
const edit = (change: (text: string) => string) =>
  writeFileSync(genomeFile(), change(readFileSync(genomeFile(), 'utf8')));

interface Ran {
  readonly code: number;
  readonly events: readonly { readonly event: string; readonly text?: string; readonly outcome?: string }[];
  readonly stderr: string;
}

/** `cell apply` as a pipeline runs it: nothing there but the repository, an invitation and a key. */
async function applied(key = ci.privatePem, more: Readonly<Record<string, string>> = {}): Promise<Ran> {
  const home = join(garden.folder, '.ci');
  rmSync(home, { recursive: true, force: true });
  const env = { ...process.env, NO_COLOR: '1', CELL_HOME: home, CELL_ORGANISM: invitation, CELL_KEY: key, ...more };
  const program = join(import.meta.dirname, '../../bin/cell.js');
  const args = [program, 'apply', '--json', '--timeout', '2m'];
  const child = spawn(process.execPath, args, { cwd: garden.folder, env, stdio: ['ignore', 'pipe', 'pipe'] });
  let [stdout, stderr] = ['', ''];
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const code = await new Promise<number>((resolve) => child.on('close', (ended) => resolve(ended ?? 1)));
  const events = stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Ran['events'][number]);
  return { code, events, stderr };
}

beforeAll(async () => {
  garden = await plant('small', 'genome.yaml', quick);
  const seeded = await garden.cell('seed', '--yes');
  expect(seeded.stderr, seeded.stdout).not.toContain('Error');
  for (let cells = 1; cells < 3; cells++) {
    const [first] = (await garden.status()).cells;
    await garden.cell('ssh', first?.name ?? '', '--', '$CELL_ROOT/opt/cell/bin/cell divide --now web');
    await garden.until(
      `${cells + 1} cells`,
      (status) => status.cells.filter((cell) => cell.state === 'living').length === cells + 1,
      90_000,
    );
  }
  invitation = (await garden.cell('invite')).stdout.trim();
}, TIMEOUT);

afterAll(() => garden.close(), 60_000);

describe('a pipeline changes the genome', () => {
  test('a changed and a new function are everywhere, one cell after the other', { timeout: TIMEOUT }, async () => {
    edit((text) =>
      text
        .replace('    divide: replicate', '    env: { COLOUR: green }\n    divide: replicate')
        .concat(
          '  second:\n    run: node web.js\n    source: ./functions\n    health: { http: /health, within: 6s }\n',
        ),
    );
    const ran = await applied();
    expect(ran.events.map(({ event }) => event).at(-2), JSON.stringify(ran)).toBe('converged');
    expect(ran.code).toBe(0);
    const order = ran.events.flatMap(({ event }) => (event === 'stage' || event === 'took' ? [event] : []));
    expect(order).toEqual(['stage', 'took', 'stage', 'took', 'stage', 'took']);
    const status = await garden.status();
    expect(new Set(status.cells.map(({ genome }) => genome))).toEqual(new Set([status.genome]));
    expect(status.cells.flatMap((cell) => cell.functions).filter(({ name }) => name === 'second')).toHaveLength(1);
  });

  test('the same again changes nothing', { timeout: TIMEOUT }, async () => {
    const ran = await applied();
    expect([ran.code, ran.events.at(-1)?.outcome], JSON.stringify(ran)).toEqual([0, 'converged']);
  });

  test('one that never gets well stops at the first cell and is taken back', { timeout: TIMEOUT }, async () => {
    const before = await garden.status();
    const kept = readFileSync(genomeFile(), 'utf8');
    edit((text) => text.replace('health: { http: /health, every: 2s', 'health: { http: /nowhere, every: 2s'));
    const ran = await applied();
    expect([ran.code, ran.events.at(-1)?.outcome], JSON.stringify(ran)).toEqual([1, 'takenBack']);
    const far = ran.events.flatMap(({ event }) => (event === 'stage' || event === 'took' ? [event] : []));
    expect(far).toEqual(['stage']);
    const status = await garden.until(
      'all well with the genome before',
      ({ cells }) => cells.every((cell) => cell.functions.every(({ health }) => health === 'healthy')),
      60_000,
    );
    expect(status.genome).toBe(before.genome);
    expect(new Set(status.cells.map(({ genome }) => genome))).toEqual(new Set([before.genome]));
    writeFileSync(genomeFile(), kept);
  });

  test('nobody else may, and limits are raised only when that is signed for', { timeout: TIMEOUT }, async () => {
    const kept = readFileSync(genomeFile(), 'utf8');
    const closed = await applied(stranger.privatePem);
    expect([closed.code, JSON.stringify(closed.events)]).toEqual([1, expect.stringContaining('MACHINE_UNREACHABLE')]);
    edit((text) => text.replace('maxCells: 4', 'maxCells: 5'));
    const refused = await applied();
    expect([refused.code, JSON.stringify(refused.events)]).toEqual([1, expect.stringContaining('--raise-limits')]);
    writeFileSync(genomeFile(), kept);
  });

  test('a secret that no cell has is sent along by who has it, and nobody else can ask for it', {
    timeout: TIMEOUT,
  }, async () => {
    const before = await garden.status();
    const proposals = async () =>
      (JSON.parse((await garden.cell('proposals', '--json')).stdout) as ProposalsReport).proposals.map(({ id }) => id);
    const known = await proposals();
    edit((text) =>
      text.concat(
        '  third:\n    run: node web.js\n    source: ./functions\n    health: { http: /health, within: 6s }\n',
        '    secrets: { TOKEN: env:GARDEN_TOKEN }\n',
      ),
    );
    const without = await applied();
    expect(without.code).toBe(1);
    expect(JSON.stringify(without.events)).toMatch(/NOT_FOUND.*third asks for the secret TOKEN.*env:GARDEN_TOKEN/);
    expect((await garden.status()).genome).toBe(before.genome);
    expect(await proposals()).toEqual(known);

    const ran = await applied(ci.privatePem, { GARDEN_TOKEN: 'a rose' });
    expect([ran.code, ran.events.at(-1)?.outcome], JSON.stringify(ran)).toEqual([0, 'converged']);
    const token = async () => (await garden.cell('exec', 'third', '--', 'sh', '-c', 'echo $TOKEN')).stdout.trim();
    expect(await token()).toBe('a rose');

    edit((text) => text.replace('COLOUR: green', 'COLOUR: blue'));
    const unasked = await applied();
    expect([unasked.code, unasked.events.at(-1)?.outcome], JSON.stringify(unasked)).toEqual([0, 'converged']);
    expect(await token()).toBe('a rose');
  });

  test('a function that the genome has no more goes', { timeout: TIMEOUT }, async () => {
    edit((text) => text.slice(0, text.indexOf('  second:')));
    const ran = await applied();
    expect([ran.code, ran.events.at(-1)?.outcome], JSON.stringify(ran)).toEqual([0, 'converged']);
    await garden.until(
      'no cell has it',
      ({ cells }) => cells.every((cell) => cell.functions.every(({ name }) => name !== 'second')),
      30_000,
    );
  });
});
