/** Conformance of the engines, first part: what a change to the program does to what is there. */
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { expect } from 'vitest';
import type { EngineName } from '../../../../stacks/stack.ts';
import { calls, things } from '../support/folder.handler.ts';
import { failure, filesBelow, openBench, type Resource, short, texts } from './bench.ts';

export function changes(engineName: EngineName, timeoutMs: number): void {
  const bench = openBench(engineName, timeoutMs);
  const { check, open, plan, told, up } = bench;

  check('creates, in the order of references, and gives outputs', async () => {
    const { changes, outputs } = await up(
      [
        ['b', { from: { $ref: 'a.address' }, at: { $value: 'place' } }],
        ['a', { size: 1, deep: { list: [1, null, { x: true }] } }],
      ],
      { values: { place: { nested: ['here'] } } },
    );
    expect(short(changes)).toEqual(['create a', 'create b']);
    expect(short(told)).toEqual(['create a', 'create b']);
    expect(calls(bench.folder)).toEqual(['create a', 'create b']);
    expect(things(bench.folder).b).toEqual({ name: 'b', from: 'address-of-a', at: { nested: ['here'] } });
    expect(outputs.a).toMatchObject({
      name: 'a',
      size: 1,
      address: 'address-of-a',
      deep: { list: [1, null, { x: true }] },
    });
    expect(await (await open()).list()).toEqual(['garden']);
  });

  check('changes nothing when nothing changed', async () => {
    await up([['a', { size: 1 }], ['b']]);
    told.length = 0;
    const { changes, outputs } = await up([['a', { size: 1 }], ['b']]);
    expect(short(changes)).toEqual(['same a', 'same b']);
    expect(told).toEqual([]);
    expect(calls(bench.folder)).toEqual(expect.arrayContaining(['create a', 'create b']));
    expect(calls(bench.folder)).toHaveLength(2);
    expect(outputs.b).toMatchObject({ address: 'address-of-b' });
  });

  check('updates in place', async () => {
    const [file] = [(await up([['a', { size: 1, keep: 'x' }]])).outputs.a?.url, things(bench.folder)];
    const { changes, outputs } = await up([['a', { size: 2, keep: 'x' }]]);
    expect(short(changes)).toEqual(['update a size']);
    expect(calls(bench.folder)).toEqual(['create a', 'update a']);
    expect(outputs.a).toMatchObject({ size: 2, url: file });
  });

  check('replaces, the old one first', async () => {
    await up([['a', { kind: 'old', size: 1 }]]);
    told.length = 0;
    const { changes } = await up([['a', { kind: 'new', size: 1 }]]);
    expect(short(changes)).toEqual(['replace a kind']);
    expect(short(told)).toEqual(['replace a kind']);
    expect(calls(bench.folder)).toEqual(['create a', 'delete a', 'create a']);
    expect(things(bench.folder).a).toMatchObject({ kind: 'new' });
  });

  check('deletes what is no longer wanted', async () => {
    await up([['a'], ['b', { from: { $ref: 'a.address' } }], ['c']]);
    const { changes, outputs } = await up([['c']]);
    expect(short(changes)).toEqual(['delete a', 'delete b', 'same c']);
    expect(calls(bench.folder).slice(3)).toEqual(['delete b', 'delete a']);
    expect(Object.keys(outputs)).toEqual(['c']);
  });

  check('refresh forgets what is gone and sees what drifted; up makes it again', async () => {
    await up([['a', { size: 1 }], ['b', { size: 1 }], ['c']]);
    const file = (of: string) =>
      filesBelow(bench.folder).find((path) => readFileSync(path, 'utf8').startsWith(`{"name":"${of}"`))!;
    rmSync(file('a'));
    writeFileSync(file('b'), JSON.stringify({ name: 'b', size: 7 }));
    told.length = 0;
    const { changes, outputs } = await (await open()).refresh('garden');
    expect(short(changes)).toEqual(['delete a', 'same c', 'update b size']);
    expect(short(told)).toEqual(['delete a', 'update b size']);
    expect(outputs.b).toMatchObject({ size: 7 });
    expect(Object.keys(outputs).sort()).toEqual(['b', 'c']);
    expect(short((await up([['a', { size: 1 }], ['b', { size: 1 }], ['c']])).changes)).toContain('create a');
    expect(Object.keys(things(bench.folder)).sort()).toEqual(['a', 'b', 'c']);
  });

  check('destroys everything, dependents first, and leaves no stack', async () => {
    await up([['a'], ['b', { from: { $ref: 'a.address' } }]]);
    const { changes } = await (await open()).destroy('garden');
    expect(short(changes)).toEqual(['delete a', 'delete b']);
    expect(calls(bench.folder).slice(2)).toEqual(['delete b', 'delete a']);
    expect(things(bench.folder)).toEqual({});
    expect(filesBelow(bench.home)).toEqual([]);
    expect(await (await open()).list()).toEqual([]);
    expect((await (await open()).destroy('garden')).changes).toEqual([]);
    expect(await (await open()).export('garden')).toBeNull();
  });

  check('runs two stacks at once in one process', async () => {
    const [one, two] = await Promise.all([open(), open()]);
    const results = await Promise.all([
      one.up(plan([['a'], ['b', { from: { $ref: 'a.address' } }]], 'left'), {}),
      two.up(plan([['c'], ['d', { from: { $ref: 'c.address' } }]], 'right', 'voice'), {}),
    ]);
    expect(results.map(({ outputs }) => Object.keys(outputs).sort())).toEqual([
      ['a', 'b'],
      ['c', 'd'],
    ]);
    expect(things(bench.folder).d).toMatchObject({ from: 'address-of-c' });
    expect(await one.list()).toEqual(['left', 'right']);
  });

  check('previews without changing anything', async () => {
    const wanted: readonly Resource[] = [
      ['a', { size: 1 }],
      ['b', { from: { $ref: 'a.address' } }],
    ];
    const first = await (await open()).preview(plan(wanted), {});
    expect(short(first.changes)).toEqual(['create a', 'create b']);
    expect(existsSync(bench.home) ? filesBelow(bench.home) : []).toEqual([]);
    await up([...wanted, ['c']]);
    told.length = 0;
    const before = texts(bench.folder);
    const { changes } = await (await open()).preview(plan([['a', { size: 2 }], wanted[1]!, ['d']]), {});
    expect(short(changes)).toEqual(['create d', 'delete c', 'update a size', 'update b from']);
    const replaced = await (await open()).preview(plan([['a', { size: 1, kind: 'new' }], wanted[1]!, ['c']]), {});
    expect(short(replaced.changes)).toEqual(['replace a kind', 'same c', 'update b from']);
    expect(texts(bench.folder)).toEqual(before);
    expect(told).toEqual([]);
    expect(short((await up([...wanted, ['c']])).changes)).toEqual(['same a', 'same b', 'same c']);
  });

  check('says which inputs cannot be used, before anything is made', async () => {
    const wanted: readonly Resource[] = [['a', { size: 'large' }]];
    for (const work of [async () => (await open()).preview(plan(wanted), {}), () => up(wanted)]) {
      const error = await failure(work());
      expect(error.code).toBe('STACK_FAILED');
      expect(error.fields.resource).toBe('a');
      expect(error.why).toContain('size');
      expect(error.why).toContain('it is not a number');
    }
    expect(calls(bench.folder)).toEqual([]);
  });
}
