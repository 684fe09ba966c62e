import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { names } from '../../src/box/files.ts';
import { createMachine, listMachines } from '../../src/box/machines.ts';
import { OPS } from '../../src/box/requests.ts';
import { answer } from '../../src/box/serve.ts';
import type { Reply } from '../../src/box/words.ts';
import { programFile } from '../../src/programs.ts';
import { openYard, type Yard } from './support.ts';

let yard: Yard;
beforeEach(() => {
  yard = openYard();
});
afterEach(() => yard.close());

const RIGHT = { organism: 'lab', quota: 2 };
const say = (op: string, body: unknown) => answer(yard, RIGHT, op, JSON.stringify(body));
const errorOf = (reply: Reply) => ('error' in reply ? reply.error : null);

describe('what a key may do', () => {
  test('make, find, list, change, switch and remove machines of its organism', async () => {
    expect(await say('info', {})).toMatchObject({ ok: { organism: 'lab', quota: 2, used: 0, images: ['debian-13'] } });
    expect(await say('find', { birth: 'b1' })).toEqual({ ok: null });
    expect(await say('create', yard.order('b1'))).toMatchObject({ ok: { id: 'lab-b1', running: true } });
    expect(await say('change', { birth: 'b1', parent: 'other' })).toMatchObject({ ok: { parent: 'other' } });
    expect(await say('power-off', { birth: 'b1' })).toMatchObject({ ok: { running: false } });
    expect(await say('boot', { birth: 'b1' })).toMatchObject({ ok: { running: true } });
    expect(await say('list', {})).toMatchObject({ ok: [{ id: 'lab-b1' }] });
    expect(await say('remove', { birth: 'b1' })).toEqual({ ok: null });
    expect(await say('remove', { birth: 'b1' })).toEqual({ ok: null });
    expect(await answer(yard, RIGHT, 'list', '')).toEqual({ ok: [] });
  });

  test('and with those of another organism nothing: they cannot even be named', async () => {
    await createMachine(yard, 'other', 9, yard.order('b1'));
    await createMachine(yard, 'lab-other', 9, yard.order('b1'));
    expect(await say('list', {})).toEqual({ ok: [] });
    expect(await say('find', { birth: 'b1' })).toEqual({ ok: null });
    for (const birth of ['b1', 'other-b1', '../other-b1']) await say('remove', { birth });
    expect(errorOf(await say('power-off', { birth: 'b1' }))).toMatchObject({ code: 'NOT_FOUND' });
    expect(listMachines(yard, null).filter(({ running }) => running)).toHaveLength(2);
  });

  test('and no more than its quota', async () => {
    for (const birth of ['b1', 'b2']) expect(errorOf(await say('create', yard.order(birth)))).toBeNull();
    expect(errorOf(await say('create', yard.order('b3')))).toMatchObject({ code: 'NOT_ALLOWED' });
  });
});

describe('what is refused', () => {
  test.each([
    '',
    'sh',
    'bash -i',
    'create; id',
    'list\n',
    'LIST',
    '__proto__',
    'constructor',
    'scp -t /',
    'internal-sftp',
  ])('the command %j', async (command) => {
    expect(errorOf(await answer(yard, RIGHT, command, '{}'))).toMatchObject({ code: 'NOT_ALLOWED' });
  });

  test.each([
    ['a birth with a dash', { birth: 'a-b' }],
    ['a birth that climbs', { birth: '../../etc' }],
    ['an image that climbs', { image: '../../etc' }],
    ['an image by path', { image: '/etc' }],
    ['no image of this box', { image: 'debian-99' }],
    ['a key with options', { imprintKey: 'command="id" ssh-ed25519 AAAA' }],
    ['two keys', { imprintKey: 'ssh-ed25519 AAAA\nssh-ed25519 AAAA' }],
    ['a host key that is none', { hostKey: 'nothing' }],
    ['another organism', { organism: 'other' }],
    ['no number of cores', { cpus: '1; id' }],
    ['too little memory', { memory: 1 }],
    ['a parent with white space', { parent: 'a b' }],
  ])('%s', async (_, more) => {
    const reply = await say('create', yard.order('b1', more));
    expect(errorOf(reply)?.code).toMatch(/^(USAGE|NOT_FOUND)$/);
    expect(JSON.stringify(reply)).not.toContain('PRIVATE KEY');
    expect(readdirSync(join(yard.dir, 'machines'))).toEqual([]);
  });

  test.each(['{', '[]', 'null', '"x"', `{"birth":"${'b'.repeat(40_000)}"}`])('as a request: %.20s', async (text) => {
    expect(errorOf(await answer(yard, RIGHT, 'find', text))).toMatchObject({ code: 'USAGE' });
  });
});

test('whatever is asked, nothing happens outside of the organism', { timeout: 60_000 }, async () => {
  await createMachine(yard, 'other', 9, yard.order('b1'));
  const nasty = fc.oneof(
    fc.string({ unit: 'binary' }),
    fc.constantFrom(
      'b1',
      'b2',
      '..',
      '../other-b1',
      'other-b1',
      '-b1',
      'debian-13',
      '/etc',
      '$(id)',
      '`id`',
      'a\nb',
      '\0',
    ),
  );
  const body = fc.oneof(
    fc.json(),
    nasty,
    fc.record({ birth: nasty }).map((it) => JSON.stringify(it)),
    // What is meant as it should be, so that there are machines to go wrong with.
    fc.constantFrom('b1', 'b2', 'b3').map((birth) => JSON.stringify(yard.order(birth))),
    fc
      .record({ birth: nasty, parent: nasty, cloud: nasty, image: nasty, imprintKey: nasty, memory: fc.anything() })
      .map((it) => JSON.stringify({ ...yard.order('b1'), ...it })),
    fc
      .record({ birth: fc.constantFrom('b1', 'b2'), hashes: fc.array(fc.oneof(nasty, fc.constant('0'.repeat(64)))) })
      .map((it) => JSON.stringify(it)),
    fc.record({ image: nasty }, { requiredKeys: [] }).map((it) => JSON.stringify({ ...yard.order('b2'), ...it })),
  );
  const command = fc.oneof(
    { weight: 8, arbitrary: fc.constantFrom('create', 'create', ...OPS) },
    { weight: 1, arbitrary: nasty },
  );
  let made = 0;
  await fc.assert(
    fc.asyncProperty(command, body, async (op, text) => {
      const reply = await answer(yard, RIGHT, op, text);
      expect('ok' in reply || typeof reply.error.message === 'string').toBe(true);
      // A mistake of ours would be one of its own code.
      if ('error' in reply) expect(reply.error.code).toMatch(/^(USAGE|NOT_ALLOWED|NOT_FOUND)$/);
      const machines = readdirSync(join(yard.dir, 'machines'));
      made += machines.length > 1 ? 1 : 0;
      expect(machines.filter((name) => !/^(other-b1|lab-[a-z0-9]+)$/.test(name))).toEqual([]);
      expect(listMachines(yard, 'other')).toMatchObject([{ id: 'other-b1', running: true }]);
      expect(listMachines(yard, 'lab').length).toBeLessThanOrEqual(RIGHT.quota);
      const folders = readdirSync(yard.dir).filter((name) => name !== 'layers');
      expect(folders.sort()).toEqual(['addresses', 'box.json', 'images', 'locks', 'machines']);
      expect(names(join(yard.dir, 'layers')).filter((name) => name !== 'lab')).toEqual([]);
      expect(readdirSync(join(yard.dir, 'images'))).toEqual(['debian-13']);
      expect(readdirSync(dirname(yard.dir))).toEqual(['box']);
    }),
    { numRuns: 400 },
  );
  expect(made).toBeGreaterThan(0);
});

describe('the program that sshd starts', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cell-serve-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  async function serve(command: string | undefined, stdin: string, args = ['--organism', 'lab', '--quota', '1']) {
    const env = { ...process.env, ...(command === undefined ? {} : { SSH_ORIGINAL_COMMAND: command }) };
    const child = spawn(process.execPath, [programFile('box'), 'serve', '--dir', dir, ...args], { env });
    let stdout = '';
    child.stdout.on('data', (chunk: Buffer) => {
      stdout += chunk.toString();
    });
    child.stdin.on('error', () => {});
    child.stdin.end(stdin);
    const [code] = (await once(child, 'close')) as [number];
    return { code, stdout };
  }

  test('answers one document and ends by it', async () => {
    const { code, stdout } = await serve('list', '');
    expect({ code, reply: JSON.parse(stdout) }).toEqual({ code: 0, reply: { ok: [] } });
  });

  test('gives no shell to whoever asks for none of its ops', async () => {
    for (const command of [undefined, 'id', 'touch escaped']) {
      const { code, stdout } = await serve(command, 'touch escaped\n');
      expect({ code, error: errorOf(JSON.parse(stdout) as Reply)?.code }).toEqual({ code: 1, error: 'NOT_ALLOWED' });
    }
    expect(existsSync('escaped')).toBe(false);
    expect(readdirSync(dir)).toEqual([]);
  });

  test('stops reading what is too much', async () => {
    const { code, stdout } = await serve('find', `{"birth":"${'b'.repeat(5_000_000)}"}`);
    expect({ code, error: errorOf(JSON.parse(stdout) as Reply)?.code }).toEqual({ code: 1, error: 'USAGE' });
  });

  test('is nothing without an organism and a quota', async () => {
    for (const args of [[], ['--organism', 'Lab', '--quota', '1'], ['--organism', 'lab', '--quota', 'many']]) {
      const { code, stdout } = await serve('list', '', args);
      expect({ code, stdout }).toEqual({ code: 1, stdout: '' });
    }
  });
});
