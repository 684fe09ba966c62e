/** Creates of real local machines that are killed half-way, and what the embedded engine then does about them. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { claim } from '../../../src/local/claims.ts';
import { readMachine, sharedTmp } from '../../../src/local/host.ts';
import { processesWith } from '../../../src/local/processes.ts';
import { engine } from '../../../stacks/engines/index.ts';
import { machineHandler } from '../../../stacks/machines/local.handler.ts';
import type { StackPlan } from '../../../stacks/stack.ts';
import { openYard, until, type Yard } from '../../local/machine.support.ts';
import type { Call } from '../engines/support/call.main.ts';

const WITHIN = 60_000;
const CALL = join(import.meta.dirname, '../engines/support/call.main.ts');
/** As ours, but for a create that fails. */
const NEVER_MAKES = join(import.meta.dirname, 'never-makes.handler.ts');

let yard: Yard;
let child: ChildProcess | null;
beforeEach(() => {
  yard = openYard('127.81.6.0/24');
  child = null;
});
afterEach(async () => {
  child?.kill('SIGKILL');
  await (await open()).destroy('cut').catch(() => {});
  await yard.close();
}, WITHIN);

const folder = () => join(yard.credential.dir, 'yard-cut');
const home = () => join(yard.dir, 'home');
const credentials = () => ({ local: yard.credential });
const open = (handlers = '') => engine('embedded', { home: home(), credentials: credentials(), handlers });
const plan = (more: object = {}): StackPlan => ({
  name: 'cut',
  kind: 'body',
  cell: 'cut',
  engine: 'embedded',
  resources: [{ type: machineHandler.type, name: 'machine', inputs: { ...yard.inputs('cut'), ...more } }],
});
const claims = () => {
  const all = join(sharedTmp(), `cell-${process.getuid?.()}`, 'claims');
  return existsSync(all) ? readdirSync(all).filter((address) => address.startsWith('127.81.6.')) : [];
};

/** Runs `up` in a process of its own, and kills that as soon as the condition holds. */
async function killedWhen(what: string, holds: () => boolean): Promise<void> {
  const call: Call = {
    engine: 'embedded',
    home: home(),
    credentials: credentials(),
    handlers: '',
    plan: plan(),
    bindings: {},
  };
  child = spawn(process.execPath, [CALL, JSON.stringify(call)], { stdio: 'ignore' });
  const ended = once(child, 'exit');
  await until(what, holds);
  child.kill('SIGKILL');
  await ended;
}

const written = () => readMachine(folder()) !== null;

test.each([
  ['its folder was made', () => existsSync(folder())],
  ['its address was claimed', () => claims().length > 0],
  ['its file was written', written],
  ['its process ran', () => existsSync(join(folder(), 'host/machine.pid'))],
])('killed when %s: destroy takes away what is there, and makes nothing', { timeout: WITHIN }, async (what, holds) => {
  await killedWhen(what, holds);
  const marker = readMachine(folder())?.marker;
  await (await open(NEVER_MAKES)).destroy('cut');
  expect(existsSync(folder())).toBe(false);
  expect(claims()).toEqual([]);
  if (marker !== undefined) expect(processesWith({ CELL_MACHINE: marker })).toEqual([]);
  expect(await (await open()).list()).toEqual([]);
});

test('killed half-way and wanted with another tag, it is finished and then changed', { timeout: WITHIN }, async () => {
  await killedWhen('its file was written', written);
  const { outputs } = await (await open()).up(plan({ parent: 'other' }), {});
  expect(readMachine(folder())?.parent).toBe('other');
  expect(outputs.machine?.address).toMatch(/^127\.81\.6\.\d+$/);
  const machine = await yard.make('cut', { parent: 'other' });
  expect((await machine.ssh('true')).code).toBe(0);
  expect(existsSync(join(folder(), 'host/settled'))).toBe(true);
});

test('killed half-way and wanted elsewhere, it is replaced', { timeout: WITHIN }, async () => {
  await killedWhen('its process ran', () => existsSync(join(folder(), 'host/machine.pid')));
  const before = readMachine(folder())?.marker;
  await (await open()).up(plan({ httpPort: 8081 }), {});
  expect(readMachine(folder())).toMatchObject({ httpPort: 8081 });
  expect(readMachine(folder())?.marker).not.toBe(before);
  expect(claims()).toHaveLength(1);
});

test('what is found makes nothing, and says what there is', { timeout: WITHIN }, async () => {
  const inputs = yard.inputs('cut');
  const find = () => machineHandler.find?.(inputs, { credential: yard.credential });
  expect(await find()).toBeNull();
  expect(existsSync(yard.credential.dir)).toBe(false);
  mkdirSync(folder(), { recursive: true });
  expect(claim(sharedTmp(), '127.81.6.9', folder())).toBe(true);
  expect(await find()).toMatchObject({ id: 'yard-cut', outputs: { address: '', birth: 'cut' } });
  expect(readdirSync(folder())).toEqual([]);
  await machineHandler.delete('yard-cut', inputs, { credential: yard.credential });
  expect(claims()).toEqual([]);
  const { live } = await yard.make('cut');
  expect(await find()).toEqual(live);
});
