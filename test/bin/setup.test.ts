/** bin/setup.js as a process: what it passes through, and its lock between processes. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const ROOT = dirname(dirname(import.meta.dirname));
const SETUP = join(ROOT, 'bin/setup.js');
const LOCK = join(ROOT, 'bin/setup-lock.js');
let folder: string;

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cell-setup-'));
});
afterEach(async () => {
  await rm(folder, { recursive: true, force: true });
});

/** Starts Node on a file; `onLine` sees what it prints while it runs. */
function start(args: readonly string[], onLine: (line: string, pid: number) => void = () => {}) {
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk;
    onLine(String(chunk), child.pid!);
  });
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk;
  });
  return new Promise<{ code: number | null; stdout: string; stderr: string }>((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code) => resolve({ code, stdout, stderr }));
  });
}

describe('exec', () => {
  test('passes arguments, output and the exit code through', async () => {
    const file = join(folder, 'program.mjs');
    await writeFile(file, 'console.log(JSON.stringify(process.argv.slice(2))); process.exitCode = 7;');
    const { code, stdout } = await start([SETUP, 'exec', file, '--flag', 'two words']);
    expect(code).toBe(7);
    expect(JSON.parse(stdout)).toEqual(['--flag', 'two words']);
  });

  test('runs programs by name on the Node that runs it', async () => {
    const file = join(folder, 'program.mjs');
    await writeFile(
      file,
      "import { execFileSync } from 'node:child_process';\nconsole.log(process.version, String(execFileSync('node', ['--version'])).trim());",
    );
    const [own, byName] = (await start([SETUP, 'exec', file])).stdout.trim().split(' ');
    expect(byName).toBe(own);
  });

  test.each([
    { signal: 'SIGTERM', handled: 3 },
    { signal: 'SIGHUP', handled: 3 },
  ] as const)('passes $signal on and waits for the end', async ({ signal, handled }) => {
    const file = join(folder, 'program.mjs');
    await writeFile(
      file,
      `process.on('${signal}', () => { console.log('heard'); process.exit(${handled}); });\nsetInterval(() => {}, 1000);\nconsole.log('up');`,
    );
    const ended = await start([SETUP, 'exec', file], (line, pid) => {
      if (line.includes('up')) process.kill(pid, signal);
    });
    expect(ended).toMatchObject({ code: handled, stdout: 'up\nheard\n' });
  });

  test('dies as a shell would say when its program is killed', async () => {
    const file = join(folder, 'program.mjs');
    await writeFile(file, "process.kill(process.pid, 'SIGKILL'); setInterval(() => {}, 1000);");
    expect((await start([SETUP, 'exec', file])).code).toBe(128 + 9);
  });

  test.each([[[]], [['run']], [['walk', 'bin/cell.js']]])('%j is wrong usage', async (args) => {
    expect(await start([SETUP, ...args])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('the lock', () => {
  /** A program that takes the lock, notes that it is in, lingers for `ms`, notes that it is out. */
  async function holder(ms: number, end = ''): Promise<string> {
    const file = join(folder, `holder-${ms}.mjs`);
    await writeFile(
      file,
      `import { appendFileSync } from 'node:fs';
import { withLock } from ${JSON.stringify(LOCK)};
await withLock(${JSON.stringify(join(folder, 'lock'))}, console.error, async () => {
  appendFileSync(${JSON.stringify(join(folder, 'notes'))}, 'in ');
  await new Promise((resolve) => setTimeout(resolve, ${ms}));
  ${end}
  appendFileSync(${JSON.stringify(join(folder, 'notes'))}, 'out ');
});`,
    );
    return file;
  }
  const left = async () => (await readdir(folder)).filter((name) => name.startsWith('lock'));

  test('is held by one at a time', async () => {
    const file = await holder(50);
    const ended = await Promise.all(Array.from({ length: 4 }, () => start([file])));
    expect(ended.map(({ code }) => code)).toEqual([0, 0, 0, 0]);
    expect(await readFile(join(folder, 'notes'), 'utf8')).toBe('in out '.repeat(4));
    expect(await left()).toEqual([]);
  });

  test('of a killed process is taken over by one', async () => {
    expect((await start([await holder(1, "process.kill(process.pid, 'SIGKILL');")])).code).toBeNull();
    expect(await left()).toEqual(['lock']);
    const file = await holder(50);
    await Promise.all(Array.from({ length: 3 }, () => start([file])));
    expect(await readFile(join(folder, 'notes'), 'utf8')).toBe(`in ${'in out '.repeat(3)}`);
    expect(await left()).toEqual([]);
  });

  test('that lost its holder before the holder was named is taken over', async () => {
    mkdirSync(join(folder, 'lock'));
    expect((await start([await holder(1)])).code).toBe(0);
  });

  test('is let go of when the work fails', async () => {
    expect((await start([await holder(1, "throw new Error('no');")])).code).toBe(1);
    expect(await left()).toEqual([]);
  });
});
