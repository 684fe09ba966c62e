/** One machine for one birth, whatever a cloud and its plugin lost on the way: a cloud in memory, and calls that fail. */
import { describe, expect, test } from 'vitest';
import { makeOnce } from '../src/steps/lost.ts';
import type { TaggedMachine } from '../stacks/machines/machine.ts';
import { reachOf } from '../stacks/machines/rented.ts';
import type { Json, Outputs } from '../stacks/stack.ts';

const BIRTH = 'b0123456789';

interface World {
  machines: TaggedMachine[];
  /** The machine that the stack knows. */
  stack: string | null;
  /** What belongs to the birth and would be refused a second time. */
  names: number;
  readonly did: string[];
  /** How many looks a machine that was just made is not listed for. */
  unlisted: number;
}

const machine = (id: string, more: Partial<TaggedMachine> = {}): TaggedMachine => ({
  ...{ id, birth: BIRTH, parent: 'p', address: `192.0.2.${id}`, running: true },
  ...more,
});
const world = (more: Partial<World> = {}): World => ({
  machines: [],
  stack: null,
  names: 0,
  did: [],
  unlisted: 0,
  ...more,
});

/** `up` makes a machine and its names, unless `fails` says how it ends. */
function making(one: World, fails: 'never' | 'before' | 'after' = 'never', failures = 0) {
  const make = async (): Promise<{ outputs: Outputs }> => {
    one.did.push('up');
    if (one.stack !== null) return { outputs: { machine: { id: one.stack, at: `192.0.2.${one.stack}` } } };
    if (one.names > 0) throw new Error('the name is taken');
    one.names = 1;
    if (fails === 'before') throw new Error('no answer');
    const id = String(10 + one.machines.length);
    one.machines.push(machine(id));
    if (fails === 'after') throw new Error('no answer');
    one.stack = id;
    return { outputs: { machine: { id, at: `192.0.2.${id}` } } };
  };
  return makeOnce(
    {
      provider: {
        // The stack's own machine is the newest: nothing that was made before it comes after it.
        list: async () => (one.did.includes('up') && one.unlisted-- > 0 ? [] : one.machines),
        remove: async (id) => {
          one.did.push(`remove ${id}`);
          one.machines = one.machines.filter((other) => other.id !== id);
        },
        reach: ({ machine: { at } = {} }) => reachOf(at),
      },
      lost: {
        reach: ({ address }) => reachOf(address),
        clear: async () => {
          one.did.push('clear');
          one.names = 0;
        },
      },
      engine: {
        destroy: async () => {
          one.did.push('destroy');
          one.stack = null;
          return { changes: [], outputs: {} };
        },
        export: async () =>
          one.stack === null
            ? null
            : ({
                ...{ v: 1, engine: 'pulumi', stack: 's', passphrase: '' },
                checkpoint: {
                  deployment: { resources: [{ urn: 'urn:pulumi:s::cell::t::machine', id: one.stack }] },
                } as Json,
              } as const),
      },
      plan: { name: 's' },
      credential: null,
      make,
      unseen: async (kept) => void one.did.push(`kept ${kept}`),
      pause: async () => undefined,
    },
    { genome: { organism: 'garden' } as never, log: () => undefined },
    { birth: BIRTH, failures },
  );
}

describe('a machine', () => {
  test('is made once, and taken as it is by every further call', async () => {
    const one = world();
    expect(await making(one)).toMatchObject({ address: '192.0.2.10', user: 'root' });
    expect(await making(one)).toMatchObject({ address: '192.0.2.10' });
    expect(one.machines).toHaveLength(1);
    expect(one.did).toEqual(['up', 'up']);
  });

  test('whose create was answered to nobody is adopted', async () => {
    const one = world();
    await expect(making(one, 'after')).rejects.toThrow('no answer');
    expect(await making(one, 'never', 1)).toMatchObject({ address: '192.0.2.10' });
    expect(one.machines.map(({ id }) => id)).toEqual(['10']);
    expect(one.did).toEqual(['up', 'kept 10']);
  });

  test('that was not made leaves no names to the next attempt', async () => {
    const one = world();
    await expect(making(one, 'before')).rejects.toThrow('no answer');
    expect(await making(one, 'never', 1)).toMatchObject({ address: '192.0.2.10' });
    expect(one.did).toEqual(['up', 'destroy', 'clear', 'up']);
  });

  test('that is listed late only is one too many', async () => {
    const one = world({ machines: [machine('90', { birth: 'b-other' })] });
    const late = machine('99');
    const { push } = one.machines;
    one.machines.push = (...more) => push.apply(one.machines, [...more, late]);
    expect(await making(one)).toMatchObject({ address: '192.0.2.11' });
    expect(one.machines.map(({ id }) => id)).toEqual(['90', '11']);
    expect(one.did).toEqual(['up', 'remove 99']);
  });

  test('is looked for until the one that was made after it is listed', async () => {
    const one = world({ unlisted: 5 });
    const lost = machine('99');
    const { push } = one.machines;
    one.machines.push = (...more) => push.apply(one.machines, [lost, ...more]);
    expect(await making(one)).toMatchObject({ address: '192.0.2.10' });
    expect(one.machines.map(({ id }) => id)).toEqual(['10']);
  });

  test('that is never listed is not waited for without end', async () => {
    const one = world({ unlisted: 1_000 });
    expect(await making(one)).toMatchObject({ address: '192.0.2.10' });
    expect(one.unlisted).toBeGreaterThan(900);
    // Others may come later.
    expect(one.did).toEqual(['up', 'kept 10']);
  });

  test('that the stack knows stays, and others go', async () => {
    const one = world({ machines: [machine('5'), machine('7')], stack: '7', names: 1 });
    expect(await making(one)).toMatchObject({ address: '192.0.2.7' });
    expect(one.did).toEqual(['up', 'remove 5']);
  });

  test.each<[string, TaggedMachine[], string]>([
    ['one that runs', [machine('4', { running: false }), machine('5')], '192.0.2.5'],
    ['one with an address', [machine('4', { address: null }), machine('5')], '192.0.2.5'],
    ['always the same', [machine('6'), machine('5')], '192.0.2.5'],
  ])('of several that nobody knows is %s', async (_, machines, address) => {
    const one = world({ machines });
    expect(await making(one)).toMatchObject({ address });
    expect(one.machines).toHaveLength(1);
  });

  test('that has no address yet is waited for', async () => {
    const one = world({ machines: [machine('4', { address: null })] });
    await expect(making(one)).rejects.toMatchObject({ code: 'NOT_FOUND', message: 'the machine has no address yet' });
    expect(one.machines).toHaveLength(1);
    expect(one.did).toEqual(['kept 4']);
  });
});
