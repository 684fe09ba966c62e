/** Conformance of the engines, third part: secrets, and a checkpoint on its way to another cell. */
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { CellError } from '../../../../src/errors.ts';
import type { EngineName } from '../../../../stacks/stack.ts';
import { things } from '../support/folder.handler.ts';
import { failure, filesBelow, openBench, type Resource, SECRET, short, TOKEN, texts } from './bench.ts';

export function carrying(engineName: EngineName, timeoutMs: number): void {
  const bench = openBench(engineName, timeoutMs);
  const { check, name, open, plan, told, up } = bench;

  check('keeps secrets out of the home, of errors and of what it tells', async () => {
    const wanted: readonly Resource[] = [
      ['a', { password: { $secret: 'login' }, note: { deep: [{ $secret: 'login' }] } }],
      ['b', { from: { $ref: 'a.url' }, password: 'plain-but-secret' }],
    ];
    const bindings = { secrets: { login: SECRET } };
    const { outputs } = await up(wanted, bindings);
    expect(outputs.a).toMatchObject({ password: SECRET, note: { deep: [SECRET] }, url: `folder://${SECRET}@a` });
    expect(things(bench.folder).b).toMatchObject({ from: `folder://${SECRET}@a` });
    expect(short((await up(wanted, bindings)).changes)).toEqual(['same a', 'same b']);
    const preview = await (await open()).preview(plan(wanted), { secrets: { login: 'another secret' } });
    expect(short(preview.changes)[0]).toBe('update a note password');
    writeFileSync(join(bench.folder, 'fail-update-a'), '');
    const changed: readonly Resource[] = [['a', { ...wanted[0]![1], size: 3 }], wanted[1]!];
    const error = await failure(up(changed, bindings));
    writeFileSync(join(bench.folder, 'fail-create-c'), '');
    const other = await failure(up([...wanted, ['c', { password: { $secret: 'login' } }]], bindings));
    await (await open()).refresh('garden');
    const portable = await (await open()).export('garden');
    const said = [error, other].flatMap((one) => everythingIn(one));
    const secrets = [SECRET, JSON.stringify(SECRET).slice(1, -1), 'plain-but-secret', 'another secret', TOKEN];
    expect(error.why).toContain('told to fail');
    for (const text of [...texts(bench.home), ...said, JSON.stringify(told), JSON.stringify(portable)]) {
      for (const secret of secrets) expect(text).not.toContain(secret);
    }
  });

  check('gives each cloud of one provider its own credential', async () => {
    const wanted = (size: number): readonly Resource[] => [
      ['a', { size, cloud: 'near' }],
      ['b', { size, cloud: 'far' }],
    ];
    const there = () => [things(bench.folder), things(bench.far)].map((all) => Object.keys(all));
    await up(wanted(1));
    expect(there()).toEqual([['a'], ['b']]);
    await up(wanted(2));
    expect(things(bench.far).b).toMatchObject({ size: 2 });
    await (await open()).refresh('garden');
    expect(short((await up(wanted(2))).changes)).toEqual(['same a', 'same b']);
    await (await open()).destroy('garden');
    expect(there()).toEqual([[], []]);
  });

  check('carries a checkpoint to another home', async () => {
    const wanted: readonly Resource[] = [
      ['a', { password: { $secret: 'login' } }],
      ['b', { from: { $ref: 'a.url' } }],
    ];
    const bindings = { secrets: { login: SECRET } };
    await up(wanted, bindings);
    const portable = await (await open()).export('garden');
    const there = join(bench.base, 'there');
    const other = await open(there);
    await other.import('garden', JSON.parse(JSON.stringify(portable)));
    expect(short((await other.up(plan(wanted), bindings)).changes)).toEqual(['same a', 'same b']);
    for (const text of texts(there)) expect(text).not.toContain(SECRET);
    await (await open()).forget('garden');
    expect(filesBelow(bench.home)).toEqual([]);
    expect(Object.keys(things(bench.folder)).sort()).toEqual(['a', 'b']);
    await (await open()).forget('garden');
    await other.import('garden', portable!);
    await other.destroy('garden');
    expect(things(bench.folder)).toEqual({});
    const foreign = { ...portable!, engine: name === 'pulumi' ? ('embedded' as const) : ('pulumi' as const) };
    expect((await failure(other.import('garden', foreign))).code).toBe('CHECKPOINT_CORRUPT');
  });
}

/** Everything that `--debug` and `--json` could print of an error. */
function everythingIn(thrown: unknown): readonly string[] {
  if (!(thrown instanceof Error)) return thrown === undefined ? [] : [String(thrown)];
  const more =
    thrown instanceof CellError ? [thrown.why ?? '', thrown.suggestion ?? '', JSON.stringify(thrown.fields)] : [];
  return [thrown.message, thrown.stack ?? '', ...more, ...everythingIn(thrown.cause)];
}
