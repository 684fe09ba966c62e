import fc from 'fast-check';
import { expect, test } from 'vitest';
import { CellError } from '../../src/errors.ts';
import { declared, holeOf, holesIn } from '../../stacks/holes.ts';
import type { Bindings, Json, StackPlan } from '../../stacks/stack.ts';

const plan = (resources: Readonly<Record<string, Json>> | readonly StackPlan['resources'][number][]): StackPlan => ({
  name: 'garden',
  kind: 'body',
  cell: 'birth-1',
  engine: 'embedded',
  resources: Array.isArray(resources)
    ? resources
    : Object.entries(resources).map(([name, input]) => ({ type: 'cell:x:Thing', name, inputs: { input } as never })),
});

test.each<[Json, ReturnType<typeof holeOf>]>([
  [{ $secret: 'a' }, { kind: 'secret', name: 'a' }],
  [{ $value: 'a' }, { kind: 'value', name: 'a' }],
  [{ $ref: 'm.address' }, { kind: 'ref', resource: 'm', output: 'address' }],
  [{ $ref: 'www.x.test.id' }, { kind: 'ref', resource: 'www.x.test', output: 'id' }],
  [{ $ref: 'm' }, { kind: 'ref', resource: '', output: 'm' }],
  [{ $secret: 'a', more: 1 }, null],
  [{ $secret: 1 }, null],
  [{ other: 'a' }, null],
  [['$secret', 'a'], null],
  ['$secret', null],
  [null, null],
])('%j is the hole %j', (value, hole) => expect(holeOf(value)).toEqual(hole));

test('finds holes at any depth', () => {
  const value = { a: [{ b: { $value: 'x' } }, { $ref: 'm.y' }], c: { $secret: 'z' } };
  expect(holesIn(value).map(({ kind }) => kind)).toEqual(['value', 'ref', 'secret']);
});

test.each<[string, StackPlan, Bindings, RegExp]>([
  ['a secret that is not bound', plan({ a: { $secret: 's' } }), { values: { s: 1 } }, /no secret called s/],
  ['a value that is not bound', plan({ a: [{ $value: 'v' }] }), {}, /no value called v/],
  ['an inherited name', plan({ a: { $value: 'toString' } }), { values: {} }, /no value called toString/],
  ['a reference to nothing', plan({ a: { $ref: 'b.x' } }), {}, /b\.x/],
  ['a reference without an output', plan({ a: { $ref: 'a' } }), {}, /refers to/],
  ['references that go round', plan({ a: { $ref: 'b.x' }, b: { $ref: 'a.x' } }), {}, /circle/],
  [
    'a name used twice',
    plan([
      { type: 'cell:x:Thing', name: 'a', inputs: {} },
      { type: 'cell:x:Other', name: 'a', inputs: {} },
    ]),
    {},
    /two resources are called a/,
  ],
])('refuses %s', (_title, wanted, bindings, why) => {
  const refuse = () => declared(wanted, bindings);
  expect(refuse).toThrow(CellError);
  try {
    refuse();
  } catch (thrown) {
    const error = thrown as CellError;
    expect(error.code).toBe('STACK_FAILED');
    expect(error.why).toMatch(why);
    expect(error.fields.stack).toBe('garden');
  }
});

test('every reference points back, whatever the order of the plan; nothing is lost', () => {
  const graphs = fc.integer({ min: 1, max: 12 }).chain((count) =>
    fc.record({
      // Resource i may take from those with a lower number: no circles.
      taken: fc.tuple(...Array.from({ length: count }, (_, i) => fc.subarray(Array.from({ length: i }, (_, j) => j)))),
      order: fc.shuffledSubarray(
        Array.from({ length: count }, (_, i) => i),
        { minLength: count },
      ),
    }),
  );
  fc.assert(
    fc.property(graphs, ({ taken, order }) => {
      const resources = order.map((i) => ({
        type: 'cell:x:Thing',
        name: `r${i}`,
        inputs: { from: taken[i]!.map((j) => ({ $ref: `r${j}.out` })) },
      }));
      const sorted = declared(plan(resources), {});
      const names = sorted.map(({ name }) => name);
      expect([...names].sort()).toEqual(resources.map(({ name }) => name).sort());
      for (const { name, inputs } of sorted) {
        for (const hole of holesIn(inputs)) {
          if (hole.kind !== 'ref') continue;
          expect(names.indexOf(hole.resource)).toBeLessThan(names.indexOf(name));
          expect(sorted.find((one) => one.name === hole.resource)?.taken).toContain('out');
        }
      }
    }),
  );
});
