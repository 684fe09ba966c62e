/** What becomes of a division whose cloud says no: which refusals end it at once, what is remembered of them, and by whom. */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, describe, expect, onTestFinished, test, vi } from 'vitest';
import { type Genome, genomeSchema } from '../genome/schema.ts';
import { REFUSED_MS } from '../src/decide/placement.ts';
import { CellError } from '../src/errors.ts';
import type { Here } from '../src/here.ts';
import { journalIn } from '../src/journal.ts';
import { perform } from '../src/perform.ts';

const NOW = 1_700_000_000_000;
/** What the cloud answers to a machine that is asked for, and what was done. */
const world = vi.hoisted(() => ({ answer: (): Error => new Error('none yet'), did: [] as string[] }));

vi.mock('../src/parent.ts', async () => {
  const { lineageOf } = await import('../src/here.ts');
  return {
    cellDonor: () => ({ resume: async () => {}, speak: async () => {} }),
    parentOf: async (here: Here, genome: object) => ({
      ...{ id: here.identity.id, genome, now: here.clock, log: () => {}, hangUp: () => {} },
      donor: { resume: async (name: string) => void world.did.push(`resume ${name}`), speak: async () => {} },
      lineage: () => lineageOf(here),
      say: async ({ kind, ...deed }: { kind: string; why?: string }) =>
        void world.did.push(`${kind}: ${deed.why ?? ''}`),
      engine: async () => ({
        up: async () => {
          world.did.push('up');
          throw world.answer();
        },
      }),
      unmake: async () => void world.did.push('unmake'),
    }),
  };
});

let home: string;
let now: number;
beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), 'cell-perform-'));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  now = NOW;
  world.did.length = 0;
});

const here = (): Here => {
  const cell = {
    id: 'c1',
    birth: 'b0',
    parent: 'seed',
    cloud: 'near',
    state: 'living',
    functions: ['web'],
    attempts: [],
  };
  // As a lineage is that has heard of the reservation, whichever birth it is of.
  const owners = new Proxy({}, { get: () => 'c1' });
  const lineage = { cells: { c1: cell }, homes: { web: ['c1'] }, owners, folded: { c1: 4 }, seederAttempts: [] };
  return {
    ...{ home, identity: { id: 'c1' }, journal: journalIn(home), clock: () => now, random: () => 0, log: () => {} },
    memory: { recall: async () => ({ lineage }) },
  } as never;
};
/** Of clouds by name, each of them on this computer: what is asked of them is answered by the test. */
function genomeOf(clouds: readonly string[]): Genome {
  return genomeSchema.parse({
    organism: 'garden',
    zone: 'garden.test',
    clouds: Object.fromEntries(clouds.map((name) => [name, { provider: 'local' }])),
    dns: { provider: 'local' },
    functions: { web: { run: './web' } },
  });
}

const divide = {
  kind: 'divide',
  function: 'web',
  along: [],
  mode: 'delegate',
  budget: 0,
  cloud: 'near',
  why: 'x',
} as const;
const ask = async (clouds: readonly string[]) => {
  const action = { ...divide, birth: 'unused' };
  const genome = genomeOf(clouds);
  const [open] = await journalIn(home).open();
  const outcome = await perform(
    here(),
    genome,
    open === undefined ? action : { kind: 'resume', saga: open.id, why: '' },
    {},
  );
  now += 60_000;
  return outcome;
};
const remembered = () => JSON.parse(readFileSync(join(home, 'beat.json'), 'utf8')).tick;
const ups = () => world.did.filter((one) => one === 'up').length;
const failed = (text: string) => () =>
  new CellError('STACK_FAILED', 'the stack failed', { why: text, fields: { resource: 'machine' } });

describe('a refusal that asking again does not change', () => {
  test.each([
    ['quota', 'creating this would exceed your droplet limit'],
    ['capacity', 'InsufficientInstanceCapacity: no capacity in this zone'],
    ['credential', 'Unable to authenticate you'],
  ])('ends the division at its first word: %s', async (kind, text) => {
    world.answer = failed(text);
    const outcome = await ask(['near', 'far']);
    expect(ups()).toBe(1);
    expect(outcome.line).toContain('taken back at body');
    // The machine first, then what stood still here; the reservation was never heard of, so nothing is abandoned.
    expect(world.did.slice(1)).toEqual(['up', 'unmake', 'resume web']);
    expect(await journalIn(home).open()).toEqual([]);
    const { refused, breaker } = remembered();
    expect(refused.near).toMatchObject({ failures: 1, until: NOW + REFUSED_MS });
    expect(refused.near.why).toMatch(new RegExp(`^${kind}: `));
    // The other cloud is asked without the wait that a failed birth costs.
    expect(breaker.failures).toBe(0);
    expect(JSON.parse(readFileSync(join(home, 'last-division.json'), 'utf8'))).toMatchObject({ ok: false });
  });

  test('is a failed birth, after the usual attempts, where there is no other cloud to ask', async () => {
    world.answer = failed('creating this would exceed your droplet limit');
    for (const _ of [1, 2]) {
      expect((await ask(['near'])).line).toContain('failed at body');
      expect(world.did).not.toContain('unmake');
    }
    expect((await ask(['near'])).line).toContain('taken back at body');
    expect(ups()).toBe(3);
    expect(remembered().refused?.near).toBeUndefined();
    expect(remembered().breaker.failures).toBe(1);
  });
});

test('an outage is asked again three times, and is then remembered as a refusal', async () => {
  world.answer = failed('503 Service Unavailable');
  await ask(['near', 'far']);
  await ask(['near', 'far']);
  expect(world.did).not.toContain('unmake');
  await ask(['near', 'far']);
  expect(ups()).toBe(3);
  expect(remembered().refused.near.why).toMatch(/^outage: /);
  expect(remembered().breaker.failures).toBe(0);
});

test('what is not the cloud, such as an engine that is missing, closes no cloud', async () => {
  world.answer = () => new CellError('ENGINE_MISSING', 'there is no Pulumi CLI');
  for (const _ of [1, 2, 3]) await ask(['near', 'far']);
  expect(ups()).toBe(3);
  expect(remembered().refused?.near).toBeUndefined();
  expect(remembered().breaker).toMatchObject({ failures: 1 });
});

test('each refusal in a row doubles how long the cloud is left alone', async () => {
  world.answer = failed('quota exceeded');
  await ask(['near', 'far']);
  const again = now;
  await ask(['near', 'far']);
  expect(remembered().refused.near).toMatchObject({ failures: 2, until: again + 2 * REFUSED_MS });
});
