import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { stackHome } from '../../../stacks/engines/home.ts';
import { isAlive, startOf } from '../../../stacks/engines/lock.ts';
import { clearLeftovers } from '../../../stacks/engines/pulumi.leftovers.ts';
import { PulumiWorkspace } from '../../../stacks/engines/pulumi.workspace.ts';

let base: string;
let workspace: PulumiWorkspace;

beforeEach(() => {
  base = mkdtempSync(join(tmpdir(), 'cell-workspace-'));
  workspace = new PulumiWorkspace('garden', stackHome(base, 'pulumi', 'garden'), 'pulumi', {
    home: base,
    credentials: {},
  });
});

afterEach(() => rmSync(base, { recursive: true, force: true }));

const state = () => join(workspace.stateFolder, 'stacks', 'cell', 'garden.json');
const write = (file: string, text: string): string => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  return file;
};
const whole = (pending: readonly unknown[]) =>
  JSON.stringify({ version: 3, checkpoint: { stack: 'garden', latest: { pending_operations: pending } } });

test('sees a call that was cut off in the state file', () => {
  expect(workspace.wasCutOff()).toBe(false);
  write(state(), whole([]));
  expect(workspace.wasCutOff()).toBe(false);
  write(state(), whole([{ type: 'creating' }]));
  expect(workspace.wasCutOff()).toBe(true);
});

test.each(['', '{"version": 3, "check', 'null', '[]'])('a spoilt state file, %j, gives way to its copy', (text) => {
  write(state(), text);
  write(`${state()}.bak`, whole([{ type: 'creating' }]));
  expect(workspace.wasCutOff()).toBe(true);
  expect(readFileSync(state(), 'utf8')).toBe(whole([{ type: 'creating' }]));
});

test('a spoilt state file without a copy is told with its path', () => {
  write(state(), '{');
  expect(() => workspace.wasCutOff()).toThrow(expect.objectContaining({ code: 'CHECKPOINT_CORRUPT' }));
  expect(() => workspace.wasCutOff()).toThrow(state());
});

test('lock files of dead CLIs, whole or half written, go away; so do notes of dead plugins', async () => {
  const dead = spawnSync(process.execPath, ['-e', '0']).pid;
  const locks = ['{"pid":', '', `{"pid": ${dead}, "username": "x"}`, `{"pid": ${process.pid}}`].map((text, index) =>
    write(join(workspace.stateFolder, 'locks', 'organization', 'cell', 'garden', `${index}.json`), text),
  );
  const plugin = write(join(workspace.pluginsFolder, String(dead)), '123');
  await clearLeftovers(workspace);
  expect([...locks, plugin].filter((file) => existsSync(file))).toEqual([]);
});

test('waits for a plugin that still runs', async () => {
  const child = spawn(process.execPath, ['-e', 'setTimeout(() => {}, 700)']);
  const pid = child.pid!;
  write(join(workspace.pluginsFolder, String(pid)), startOf(pid) ?? '');
  const ended = once(child, 'exit');
  await clearLeftovers(workspace);
  expect(isAlive(pid, null)).toBe(false);
  const [code] = await ended;
  expect(code).toBe(0); // by itself, not killed
});

/** It notes nothing, and does not see that its CLI is gone. */
test.skipIf(process.platform !== 'linux')("waits for a maker's plugin of this stack, and of no other", async () => {
  const run = (folder: string, ms: number) =>
    spawn(process.execPath, ['-e', `setTimeout(() => {}, ${ms})`], {
      argv0: '/opt/pulumi-resource-digitalocean',
      env: { ...process.env, CELL_PLUGIN_PIDS: folder },
    });
  const [own, other] = [run(workspace.pluginsFolder, 700), run(`${workspace.pluginsFolder}2`, 60_000)];
  const ended = once(other, 'exit');
  await clearLeftovers(workspace);
  expect(isAlive(own.pid!, null)).toBe(false);
  expect(isAlive(other.pid!, null)).toBe(true);
  other.kill();
  await ended;
});
