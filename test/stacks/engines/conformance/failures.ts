/** Conformance of the engines, second part: what fails, what is killed half-way, and who has to wait. */
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import type { EngineName } from '../../../../stacks/stack.ts';
import { calls, things } from '../support/folder.handler.ts';
import { failure, openBench, type Resource, short } from './bench.ts';

export function failures(engineName: EngineName, timeoutMs: number): void {
  const bench = openBench(engineName, timeoutMs);
  const { answer, check, hanging, kill, killed, open, plan, start, up } = bench;

  check('keeps what was done before a failure, and goes on from there', async () => {
    const wanted: readonly Resource[] = [
      ['a'],
      ['b', { from: { $ref: 'a.address' } }],
      ['c', { from: { $ref: 'b.address' } }],
    ];
    writeFileSync(join(bench.folder, 'fail-create-b'), '');
    const error = await failure(up(wanted));
    expect(error.code).toBe('STACK_FAILED');
    expect(error.fields).toMatchObject({ stack: 'garden', resource: 'b' });
    expect(error.why).toContain('told to fail');
    expect(calls(bench.folder)).not.toContain('create c');
    rmSync(join(bench.folder, 'fail-create-b'));
    await up(wanted);
    expect(Object.keys(things(bench.folder)).sort()).toEqual(['a', 'b', 'c']);
    expect(calls(bench.folder).filter((line) => line === 'create a')).toHaveLength(1);
    expect(short((await up(wanted)).changes)).toEqual(['same a', 'same b', 'same c']);
  });

  check('destroys what a failed create left behind', async () => {
    writeFileSync(join(bench.folder, 'fail-create-a'), '');
    await failure(up([['a']]));
    expect(Object.keys(things(bench.folder))).toEqual(['a']);
    await (await open()).destroy('garden');
    expect(things(bench.folder)).toEqual({});
  });

  check('does again an update that failed', async () => {
    await up([['a', { size: 1 }]]);
    writeFileSync(join(bench.folder, 'fail-update-a'), '');
    expect((await failure(up([['a', { size: 2 }]]))).fields).toMatchObject({ resource: 'a' });
    rmSync(join(bench.folder, 'fail-update-a'));
    await up([['a', { size: 2 }]]);
    expect(things(bench.folder).a).toMatchObject({ size: 2 });
  });

  for (const type of ['cell:folder:Thing', 'cell:folder:Plain']) {
    check(`killed in a create of ${type}, makes no second one`, async () => {
      const wanted: readonly Resource[] = [['a', { size: 1 }, type]];
      await killed('create', wanted);
      expect(Object.keys(things(bench.folder))).toEqual(['a']);
      await up(wanted);
      expect(Object.keys(things(bench.folder))).toEqual(['a']);
      expect(short((await up(wanted)).changes)).toEqual(['same a']);
      await (await open()).destroy('garden');
      expect(things(bench.folder)).toEqual({});
    });

    check(`killed in a create of ${type} that is then not wanted, takes it back`, async () => {
      await killed('create', [['a', {}, type]]);
      await up([['b']]);
      expect(Object.keys(things(bench.folder))).toEqual(['b']);
    });
  }

  check('killed in a create, destroys it', async () => {
    await killed('create', [['a']]);
    await (await open()).destroy('garden');
    expect(things(bench.folder)).toEqual({});
    expect(await (await open()).list()).toEqual([]);
  });

  check('killed in an update and in a delete, ends both', async () => {
    await up([['a', { size: 1 }], ['b']]);
    await killed('update', [['a', { size: 2 }], ['b']]);
    await up([['a', { size: 2 }], ['b']]);
    expect(things(bench.folder).a).toMatchObject({ size: 2 });
    await killed('delete', [['b']]);
    await up([['b']]);
    expect(Object.keys(things(bench.folder))).toEqual(['b']);
  });

  check('lets one of two processes work on a stack', async () => {
    writeFileSync(join(bench.folder, 'hang-create-a'), '');
    const first = start(plan([['a']]));
    await hanging('create');
    const second = await answer(start(plan([['a']])));
    expect(second.code).toBe('STACK_LOCKED');
    const error = await failure((await open()).destroy('garden'));
    expect(error.code).toBe('STACK_LOCKED');
    expect(error.why).toContain(String(first.pid));
    await kill(first);
    expect(short((await up([['a']])).changes)).not.toEqual([]);
    expect(Object.keys(things(bench.folder))).toEqual(['a']);
  });

  check('stops when it is told to', async () => {
    const error = await failure((await open(bench.home, AbortSignal.abort())).up(plan([['a']]), {}));
    expect(error.code).toBe('INTERRUPTED');
    expect(calls(bench.folder)).toEqual([]);
  });

  check('killed in a create that is then wanted otherwise, changes what it left', async () => {
    await killed('create', [['a', { size: 1 }]]);
    await up([['a', { size: 2 }]]);
    expect(things(bench.folder)).toMatchObject({ a: { size: 2 } });
    await killed('update', [['a', { size: 3 }]]);
    await up([['a', { kind: 'new' }]]);
    expect(things(bench.folder).a).toMatchObject({ kind: 'new' });
  });

  check('killed while it takes a create back, goes on with that', async () => {
    await killed('create', [['a']]);
    writeFileSync(join(bench.folder, 'fail-delete-a'), '');
    await failure(up([['b']]));
    rmSync(join(bench.folder, 'fail-delete-a'));
    await up([['b']]);
    expect(Object.keys(things(bench.folder))).toEqual(['b']);
  });
}
