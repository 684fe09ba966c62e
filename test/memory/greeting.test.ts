/** The line before a session, in Node and in the shell. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { describe, expect, it, onTestFinished } from 'vitest';
import { shim } from '../../src/effects/artefacts.ts';
import { firstLine } from '../../src/memory/greeting.ts';

describe('the first line', () => {
  it('is what stands before the line end, and the rest stays in the stream', async () => {
    const stream = new PassThrough();
    const line = firstLine(stream);
    stream.write('ab');
    stream.write('c\nrest');
    expect(await line).toBe('abc');
    stream.end('!');
    const rest: Buffer[] = [];
    for await (const chunk of stream) rest.push(chunk as Buffer);
    expect(Buffer.concat(rest).toString()).toBe('rest!');
  });

  it('is refused when it never ends, and when the stream does', async () => {
    const endless = new PassThrough();
    endless.end('x'.repeat(200));
    await expect(firstLine(endless)).rejects.toMatchObject({ code: 'SYNC_FAILED' });
    const short = new PassThrough();
    short.end('abc');
    await expect(firstLine(short)).rejects.toMatchObject({ code: 'SYNC_FAILED' });
  });
});

describe('the command behind the door', () => {
  const [ONE, OTHER] = ['1'.repeat(64), '2'.repeat(64)];
  function door(digest: string | null) {
    const folder = mkdtempSync(join(tmpdir(), 'cell-greeting-'));
    onTestFinished(() => rmSync(folder, { recursive: true, force: true }));
    const bin = join(folder, 'opt/cell/store/abc/bin');
    spawnSync('mkdir', ['-p', bin, join(folder, 'var/lib/cell/door')]);
    // Stands for the CLI: says how it was called and what was left to read.
    writeFileSync(
      join(bin, 'cell.js'),
      `process.stdout.write(process.argv.slice(2).join(' ') + '|');process.stdin.pipe(process.stdout);`,
    );
    if (digest !== null) writeFileSync(join(folder, 'var/lib/cell/door/digest'), `${digest}\n`);
    const file = join(folder, 'cell');
    writeFileSync(file, shim('abc', null), { mode: 0o755 });
    return (args: readonly string[], input: string): Promise<string> =>
      new Promise((resolve) => {
        const child = spawn(file, [...args], { env: { ...process.env, CELL_ROOT: folder, CELL_HOME: '' } });
        let said = '';
        child.stdout.on('data', (chunk) => {
          said += chunk;
        });
        child.stdin.on('error', () => {});
        child.on('close', () => resolve(said));
        child.stdin.end(input);
      });
  }
  const serve = ['sync', '--serve', '--peer', 'abc'];

  it('answers a peer that knows the same from the shell', async () => {
    expect(await door(ONE)(serve, `${ONE}\n`)).toBe('same\n');
  });

  it.each([
    ['another digest', ONE, `${OTHER}\nframes`],
    ['no digest here', null, `${OTHER}\nframes`],
    ['an empty one here', '', `${OTHER}\nframes`],
    ['a line that does not end', ONE, `${'a'.repeat(65)}frames`],
    ['what a shell would take for its own', ONE, `${`"; $(id) \`id\` '\0\n`.repeat(9).slice(0, 65)}frames`],
  ])('hands %s on to the session with everything that follows the line', async (_, ours, said) => {
    expect(await door(ours)(serve, said)).toBe('more\nsync --serve --peer abc --greeted|frames');
  });

  it('starts nothing for a peer that says nothing', async () => {
    expect(await door(ONE)(serve, '')).toBe('');
  });

  it('hands every other call on as it is', async () => {
    expect(await door(ONE)(['divide'], 'input')).toBe('divide|input');
  });
});
