/** Credentials that are refused, end in the middle of something, or belong to cells that are gone. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { endowFirst, endowFrom, unmint } from '../src/endowments.ts';
import { CellError } from '../src/errors.ts';
import { grantsOf, noteRefusal } from '../src/grants.ts';
import { credentialsOf, lineageOf } from '../src/here.ts';
import { run } from '../src/journal.ts';
import { newDivision, newMachine } from '../src/making.ts';
import { takingBack } from '../src/mitosis.ts';
import type { Deed } from '../src/model.ts';
import type { Mitosis, Parent } from '../src/saga.ts';
import { endow } from '../src/steps/endow.ts';
import { refusedCredential } from '../stacks/rest.ts';
import {
  begin,
  cellOf,
  child,
  DAY,
  everybody,
  first,
  genome,
  goTo,
  labels,
  linode,
  now,
  START,
  say,
  seeder,
  settled,
  tend,
  tokenIn,
  tokenOf,
  tokens,
  works,
} from './endowments.support.ts';

beforeEach(begin);
afterEach(() => linode.close());

describe('a credential that is refused', () => {
  const revokeByHand = (token: string) => {
    linode.tokens.splice(
      linode.tokens.findIndex((one) => one.token === token),
      1,
    );
  };

  test('is said in the feed with the reason, and the parent mints another', async () => {
    const old = await tokenOf(child);
    revokeByHand(old);
    await noteRefusal(child.here, refusedCredential('Linode', 'Invalid Token'));
    await settled(child);
    await everybody();
    expect((await cellOf(child)).endowment?.lacks).toMatch(/Linode does not take this credential: it was revoked/);
    await settled(first);
    await everybody();
    await settled(child);
    await everybody();
    expect((await cellOf(child)).endowment).toEqual({ given: 2, taken: 2, lacks: null });
    expect(await works(await tokenOf(child), '/linode/instances')).toBe(200);
    await settled(child, first);
  });

  test('of the first cell is brought by the seeder', async () => {
    for (const { token } of [...linode.tokens].filter(({ label }) => label.startsWith('cell.'))) revokeByHand(token);
    goTo(START + 5 * DAY);
    // In the middle of minting it hears that it is nobody: every tick says why, and what to do.
    expect((await tend(first)).join()).toMatch(/Linode does not take this credential/);
    expect((await tend(first)).join()).toMatch(/run `cell seed` again/);
    await everybody();
    await endowFirst(seeder.here, genome, await cellOf(first));
    await everybody();
    for (let beats = 0; beats < 3; beats++) {
      await tend(first);
      await everybody();
      await tend(child);
      await everybody();
    }
    await settled(first, child);
    for (const one of [first, child]) expect(await works(await tokenOf(one), '/linode/instances')).toBe(200);
  });

  test('says nothing of what only broke on the way', async () => {
    await noteRefusal(child.here, new CellError('PROVIDER_REFUSED', 'Linode does not answer'));
    await noteRefusal(child.here, new CellError('STACK_FAILED', 'no room', { why: 'region eu-central is full' }));
    expect((await grantsOf(child.here)).refused).toBeNull();
    const plugin = new CellError('STACK_FAILED', 'b-body: up failed', { why: 'linodego: [401] Invalid Token' });
    await noteRefusal(child.here, plugin);
    expect((await grantsOf(child.here)).refused?.why).toMatch(/401/);
  });
});

describe('a credential that ends in the middle of a division', () => {
  /** The division stands before `endow`: a machine is there, and its child has no credentials yet. */
  async function dividing() {
    const birth = 'b00000000aa';
    const stack = `garden-${birth}-body`;
    await say(first, { kind: 'reserve', birth, stack, function: 'web', mode: 'replicate', why: 'a test' });
    const purpose = { mode: 'replicate', functions: ['web'], budget: 0, why: 'a test' } as const;
    const saga = { ...newDivision(now, purpose, newMachine(birth, 'far')), step: 'endow' };
    const machines = new Set([birth]);
    const parent = {
      id: first.member.identity.id,
      genome,
      donor: { runs: true, resume: async () => {}, speak: async () => {} },
      lineage: () => lineageOf(first.here),
      say: (deed: Deed) => first.member.say(deed),
      endow: (taker: Parameters<Parent['endow']>[0]) => endowFrom(first.here, genome, taker),
      unmake: async () => {
        machines.clear();
        await unmint(first.here, genome, birth);
      },
      seek: async () => {},
    } as unknown as Parent;
    const context = { journal: first.here.journal, now: () => now };
    const forward = () => run<Mitosis>(saga, [['endow', (one) => endow(parent, one)]], context);
    const back = () => run<Mitosis>(Object.assign(saga, { step: 'takeBack' }), takingBack(parent), context);
    return { birth, saga, machines, forward, back };
  }

  test('gives a clear reason, and what was begun is taken back with nothing left', async () => {
    const { saga, machines, forward, back } = await dividing();
    const dns = tokenIn((await credentialsOf(first.here)).dns?.dns);
    const minter = linode.tokens.find(({ token }) => token === dns)!;
    linode.tokens.splice(linode.tokens.indexOf(minter), 1);
    const before = tokens();
    const outcome = await forward();
    expect(outcome).toMatchObject({ kind: 'failed', step: 'endow' });
    expect(saga.lastFailure).toBe(
      'Linode does not take this credential: it was revoked, has run out, or never was one (Invalid Token). ' +
        'A cell gets another from its parent; where there is none, run `cell seed` again with a good one.',
    );
    expect(JSON.stringify(saga)).not.toContain(dns);
    expect(await back()).toEqual({ kind: 'done' });
    expect(machines.size).toBe(0);
    expect((await cellOf(first, first)).attempts).toEqual([]);
    expect(tokens()).toEqual(before);
    expect(await first.here.journal.open()).toEqual([]);
  });

  test('goes on where it was once there is another', async () => {
    const { birth, saga, forward } = await dividing();
    linode.trouble = ({ method }) =>
      method === 'POST' ? { status: 401, body: { errors: [{ reason: 'Invalid Token' }] } } : null;
    expect((await forward()).kind).toBe('failed');
    linode.trouble = null;
    expect(await forward()).toEqual({ kind: 'done' });
    expect(saga.endowment?.dns?.dns).toMatchObject({ zone: 'garden.example' });
    expect(tokens().filter((label) => label.includes(birth))).toEqual([`cell.garden.${birth}.dns-dns.1`]);
  });
});

describe('when a cell has gone', () => {
  test('what it had is revoked at once', async () => {
    const old = await tokenOf(child);
    await unmint(first.here, genome, (await cellOf(child)).birth);
    expect(await works(old, '/linode/instances')).toBe(401);
    expect(tokens()).toEqual(await labels(first, 1, 'compute-far', 'dns-dns'));
  });

  test('while the provider is down it is owed, and the next tick pays', async () => {
    const old = await tokenOf(child);
    const { birth } = await cellOf(child);
    linode.trouble = () => ({ status: 0, cut: true });
    await unmint(first.here, genome, birth);
    expect((await grantsOf(first.here)).owed).toEqual([birth]);
    expect(await works(old, '/linode/instances').catch(() => 'cut')).toBe('cut');
    linode.trouble = null;
    await tend(first);
    expect(await works(old, '/linode/instances')).toBe(401);
    expect((await grantsOf(first.here)).owed).toEqual([]);
  }, 30_000);
});
