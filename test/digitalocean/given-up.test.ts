/**
 * A birth that is given up while its machine is not listed yet: the cell looks for it again by itself, from its ticks, and
 * destroys it where it appears. Through the real Pulumi CLI.
 */
import { describe, expect, test } from 'vitest';
import { PAID_MS, SOUGHT_MS } from '../../src/decide/seeking.ts';
import { fence } from '../../src/fence.ts';
import { lineageOf, say } from '../../src/here.ts';
import type { Cell, Deed } from '../../src/model.ts';
import { cellDonor, parentOf } from '../../src/parent.ts';
import type { Apoptosis } from '../../src/saga.ts';
import { seekBirth } from '../../src/seek.ts';
import { bury } from '../../src/steps/take-in.ts';
import { birthOf, member, sync, tempDir } from '../memory/support.ts';
import type { Asked, Given } from '../stacks/credentials/server.support.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';
import { aCloud } from './bench.ts';
import { type Ticking, tickingAt } from './cell.support.ts';
import { leftIn } from './cloud.support.ts';

const NEVER = 1e9;
const isCreate = ({ method, path }: Asked) => method === 'POST' && path === '/v2/droplets';

withPulumi('a birth given up before its machine was listed, by a real Pulumi CLI', () => {
  const at = aCloud();
  const open = async ({ cell, sagas }: Ticking) => {
    const { attempts, budget } = await cell();
    return { attempts: attempts.length, budget, sagas: (await sagas()).map(({ kind, step }) => `${kind} ${step}`) };
  };
  const looking = { attempts: 1, budget: 2, sagas: ['seek look'] };

  /** The plugin asks again five times after the first; it does not after the second. */
  const LOST: Given = { status: 0, cut: true };
  const NONSENSE: Given = { status: 200, body: '<html>Welcome to our proxy</html>' };

  /** Each create takes effect, is answered so, and nothing is listed; after three attempts it is given up. */
  async function givenUp(
    answer: Given,
    last: (cell: Ticking) => Promise<unknown> = (cell) => cell.tick(),
  ): Promise<Ticking> {
    await at.begin({ unlistedMs: NEVER });
    at.cloud.trouble = (asked, then) => {
      if (!isCreate(asked)) return null;
      then();
      return answer;
    };
    const cell = await tickingAt(at.cloud);
    await cell.divide();
    cell.pass(60_000);
    await cell.tick();
    cell.pass(60_000);
    await last(cell);
    at.cloud.trouble = null;
    return cell;
  }
  /** Calls of the cloud from here on. */
  function counted(): string[] {
    const calls: string[] = [];
    at.cloud.trouble = ({ method, path }) => {
      calls.push(`${method} ${path}`);
      return null;
    };
    return calls;
  }
  /** A droplet that is there: of a birth, asked for by a cell. */
  function drop(id: number, birth: string, parent: string): void {
    const tags = ['cell-organism:garden', `cell-birth:${birth}`, `cell-parent:${parent}`];
    const what = { name: `garden-${birth}`, region: 'ams3', size: 's-1vcpu-1gb', image: 'debian-13-x64' };
    const made = { ...what, userData: '', keys: [], createdAt: '2026-01-01T00:00:00Z', networks: null };
    at.cloud.droplets.set(id, { id, tags, listedFrom: 0, ...made });
  }
  const appear = () => {
    for (const droplet of at.cloud.droplets.values()) droplet.listedFrom = 0;
  };

  test('is looked for until it appears, destroyed, paid back, and in the end forgotten', {
    timeout: 2 * PULUMI_WITHIN,
  }, async () => {
    const cell = await givenUp(LOST);
    const { size: stray } = at.cloud.droplets;
    expect(stray).toBeGreaterThan(0);
    expect(await open(cell)).toEqual(looking);
    expect(cell.said.join('\n')).toContain('taken back at body');
    const calls = counted();
    // Not due yet: nobody is asked.
    await cell.tick();
    expect(calls).toEqual([]);
    cell.pass(20_000);
    await cell.tick();
    expect(calls).toEqual(['GET /v2/droplets']);
    expect(at.cloud.droplets.size).toBe(stray);
    appear();
    cell.pass(60_000);
    await cell.tick();
    expect(leftIn(at.cloud)).toEqual([]);
    expect(cell.said.join('\n')).toMatch(/that nobody knew of appeared and was destroyed/);
    // Another might come: the attempt still costs what it cost.
    expect(await open(cell)).toEqual(looking);
    cell.pass(PAID_MS);
    await cell.tick();
    expect(await open(cell)).toEqual({ attempts: 0, budget: 3, sagas: ['seek look'] });
    cell.pass(SOUGHT_MS);
    await cell.tick();
    expect(await open(cell)).toEqual({ attempts: 0, budget: 3, sagas: [] });
    calls.length = 0;
    cell.pass(SOUGHT_MS);
    await cell.tick();
    expect(calls).toEqual([]);
  });

  test('survives that its cell is killed as it gives up, and as it looks', {
    timeout: 2 * PULUMI_WITHIN,
  }, async () => {
    const cell = await givenUp(NONSENSE, async (one) => expect(await one.tickIn('kill-in:takeBack')).toBe('SIGKILL'));
    expect(await open(cell)).toEqual({ ...looking, sagas: ['divide takeBack', 'seek look'] });
    await cell.tick();
    expect(await open(cell)).toEqual(looking);
    appear();
    expect(await cell.tickIn('kill-in:look')).toBe('SIGKILL');
    expect(leftIn(at.cloud)).toEqual([]);
    expect(await open(cell)).toEqual(looking);
    cell.pass(SOUGHT_MS);
    expect(await cell.tickIn('kill-after:look')).not.toBeUndefined();
    await cell.tick();
    expect(await open(cell)).toEqual({ attempts: 0, budget: 3, sagas: [] });
  });

  test('is looked for again after the cloud would not say', { timeout: 2 * PULUMI_WITHIN }, async () => {
    const cell = await givenUp(NONSENSE);
    appear();
    at.cloud.trouble = () => ({ status: 503, body: { id: 'server_error', message: 'down' } });
    cell.pass(20_000);
    await cell.tick();
    await cell.tick();
    expect((await cell.status()).join('\n')).toMatch(/what was given up is looked for again in .*DigitalOcean/);
    expect(await open(cell)).toEqual(looking);
    at.cloud.trouble = null;
    cell.pass(60_000);
    await cell.tick();
    expect(leftIn(at.cloud)).toEqual([]);
  });

  describe('what a child asked for that is gone', () => {
    const PARTED = { kind: 'farewell' } as const;
    const appears = (birth: string, parent: string) => drop(at.cloud.droplets.size + 1, birth, parent);
    const names = () => [...at.cloud.droplets.values()].map(({ name }) => name);

    /** A cell and its child, which gave an attempt up, and what the child would say next is heard. */
    async function family(last: Deed | null): Promise<{ readonly cell: Ticking; readonly child: Cell }> {
      const cell = await tickingAt(at.cloud);
      const parent = cell.here.identity.id;
      const one = member(tempDir(), (await lineageOf(cell.here)).seeder.id);
      const { id, publicKey: key } = one.identity;
      const reserve = (birth: string): Deed => ({
        ...{ kind: 'reserve', birth, stack: `garden-${birth}-body`, function: null, mode: 'delegate', why: '' },
      });
      await say(cell.here, reserve('b000000000c'));
      await say(cell.here, { kind: 'birth', child: birthOf(one, 'b000000000c'), budget: 1, why: '' });
      await sync({ ...one, ...cell.here, say: one.say }, one);
      await one.say({ kind: 'born', birth: 'b000000000c', parent, key });
      await one.say(reserve('b000000000d'));
      await one.say({ kind: 'abandon', birth: 'b000000000d', why: 'its cloud did not answer' });
      if (last !== null) await one.say(last);
      await sync({ ...one, ...cell.here, say: one.say }, one);
      return { cell, child: (await lineageOf(cell.here)).cells[id] as Cell };
    }

    test.each<[string, Deed | null, (cell: Ticking, child: Cell) => Promise<unknown>]>([
      ['died', null, ({ here, genome }, { id }) => fence(here, genome, id, 'it was silent')],
      [
        'went',
        PARTED,
        async ({ here, genome }, { id }) => {
          const parent = await parentOf(here, genome, cellDonor(here, genome));
          await bury(parent, { child: id } as Apoptosis);
        },
      ],
    ])('and %s, is looked for by its parent', async (_, last, end) => {
      const { cell, child } = await family(last);
      await end(cell, child);
      expect((await cell.cell()).budget).toBe(3);
      // One that it gave up, one that it told nobody of; and one that is meant to be there, for the parent's birth is known.
      for (const birth of ['b000000000d', 'b000000000e', (await cell.cell()).birth]) appears(birth, child.id);
      appears('b000000000f', 'somebody-else');
      cell.pass(20_000);
      await cell.tick();
      expect(names()).toEqual([`garden-${(await cell.cell()).birth}`, 'garden-b000000000f']);
      cell.pass(SOUGHT_MS);
      await cell.tick();
      expect(await cell.sagas()).toEqual([]);
    });
  });

  test('beside a machine that a birth has, what was made before it goes when it appears', async () => {
    const cell = await tickingAt(at.cloud);
    const { birth, id } = await cell.cell();
    await seekBirth(cell.here, birth, 'its machine is there', '2');
    for (const one of [1, 2]) drop(one, birth, id);
    cell.pass(20_000);
    await cell.tick();
    expect([...at.cloud.droplets.keys()]).toEqual([2]);
    cell.pass(SOUGHT_MS);
    await cell.tick();
    expect([...at.cloud.droplets.keys()]).toEqual([2]);
    expect((await open(cell)).sagas).toEqual([]);
  });

  test('a refusal is no machine: it costs nothing from then on, and is looked for all the same', {
    timeout: 2 * PULUMI_WITHIN,
  }, async () => {
    at.cloud.trouble = (asked) =>
      isCreate(asked) ? { status: 422, body: { id: 'no', message: 'this will exceed your droplet limit' } } : null;
    const cell = await tickingAt(at.cloud, ['near', 'far']);
    await cell.divide();
    expect(await open(cell)).toEqual({ attempts: 0, budget: 3, sagas: ['seek look'] });
    expect(leftIn(at.cloud)).toEqual([]);
  });
});
