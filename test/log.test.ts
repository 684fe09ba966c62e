/** Lines as a journal takes them and as people read them. */
import fc from 'fast-check';
import { expect, it, test } from 'vitest';
import { type Level, logTo, onJournal, withFields, withPriority } from '../src/log.ts';

test.each([
  [{}, 'done'],
  [{ saga: 'b12', ms: 812 }, 'done saga=b12 ms=812'],
  [{ function: undefined, why: 'no end' }, 'done why="no end"'],
  [{ why: '' }, 'done why=""'],
  [{ path: '/srv/cell/web', to: 'a"b\nc' }, 'done path=/srv/cell/web to="a\\"b\\nc"'],
])('%j', (fields, line) => {
  expect(withFields('done', fields)).toBe(line);
});

it('stays on one line, and can be taken apart again', () => {
  const key = fc.stringMatching(/^[a-z]{1,8}$/);
  fc.assert(
    fc.property(fc.dictionary(key, fc.oneof(fc.string({ unit: 'binary' }), fc.integer())), (fields) => {
      const line = withFields('', fields);
      expect(line).not.toContain('\n');
      const read = [...line.matchAll(/ ([a-z]+)=("(?:[^"\\]|\\.)*"|\S+)/g)].map(([, name = '', text = '']) => [
        name,
        text.startsWith('"') ? JSON.parse(text) : text,
      ]);
      expect(Object.fromEntries(read)).toEqual(
        Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, String(value)])),
      );
    }),
  );
});

test.each<[Level, string]>([
  ['err', '<3>'],
  ['warning', '<4>'],
  ['notice', '<5>'],
  ['info', '<6>'],
  ['debug', '<7>'],
])('%s is %s on a journal, on each line', (level, before) => {
  expect(withPriority('one\ntwo', level)).toBe(`${before}one\n${before}two`);
  const said: string[] = [];
  logTo((text) => said.push(text), true)('x', level, { ms: 1 });
  logTo((text) => said.push(text), false)('x', level, { ms: 1 });
  expect(said).toEqual([`${before}x ms=1\n`, 'x ms=1\n']);
});

test('a stream that is not ours is no journal', () => {
  expect(onJournal(undefined)).toBe(false);
  expect(onJournal('0:0')).toBe(false);
});
