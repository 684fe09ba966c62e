/** docs/commands/organism.md, on an organism with a network and a DNS port of its own. `UPDATE_TRANSCRIPTS=1` writes it anew. */
import { execFileSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../src/effects/services.ts';
import { play, stageEnvironment } from '../docs/transcript.ts';

const ROOT = join(import.meta.dirname, '../..');
const FILE = join(ROOT, 'docs/commands/organism.md');

let folder: string;
let env: NodeJS.ProcessEnv;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'cell-docs-'));
  env = stageEnvironment(join(folder, 'bin'), join(ROOT, 'bin/cell.js'));
  execFileSync(join(folder, 'bin/cell'), ['init', 'garden'], { cwd: folder, env });
  const genome = join(folder, 'garden/genome.yaml');
  const text = readFileSync(genome, 'utf8')
    .replace('127.70.0.0/16', `127.${randomInt(128, 192)}.${randomInt(1, 255)}.0/24`)
    .replace('port: 5384', `port: ${await freePort('127.0.0.1')}`)
    .replace('heartbeat: 15s', 'heartbeat: 1s')
    .replace('ttl: 5s', 'ttl: 1s')
    .replace('run: node web.js', 'run: echo "web begins"; exec node web.js');
  writeFileSync(genome, text);
});

// Also when a command failed half way.
afterAll(() => {
  try {
    execFileSync(join(folder, 'bin/cell'), ['destroy', '--yes'], { cwd: join(folder, 'garden'), env, stdio: 'ignore' });
  } catch {
    // There is no organism any more: the transcript ends with its destruction.
  }
  rmSync(folder, { recursive: true, force: true });
});

test('docs/commands/organism.md', { timeout: 300_000 }, async () => {
  const before = readFileSync(FILE, 'utf8');
  const { played, markdown } = await play(before, { folder: join(folder, 'garden'), env, names: ['first', 'second'] });
  expect(played.length).toBeGreaterThan(20);
  if (process.env.UPDATE_TRANSCRIPTS === '1') writeFileSync(FILE, markdown);
  else expect(markdown).toBe(before);
});
