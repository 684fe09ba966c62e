/**
 * The first cell of an organism whose clouds are at the stand-in: real keys and feeds, a home, and its real ticks, with the
 * engine and the plugin. It performs nothing itself, so that a division fails, or not, by what the cloud does alone. Time
 * passes when the test says so.
 */
import { spawn } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { onTestFinished } from 'vitest';
import { type Genome, genomeSchema } from '../../genome/schema.ts';
import { divide, type TickReport } from '../../src/divide.ts';
import { createRecipient, recipientOf } from '../../src/effects/age.ts';
import { type Here, keepCredentials, lineageOf, openHome } from '../../src/here.ts';
import type { Saga } from '../../src/journal.ts';
import { layout } from '../../src/layout.ts';
import { newDivision, newMachine } from '../../src/making.ts';
import type { Cell } from '../../src/model.ts';
import { programFile } from '../../src/programs.ts';
import { pulsesOf } from '../../src/pulse.ts';
import { statusOf, statusText } from '../../src/status.ts';
import { birthId as stackBirth } from '../../stacks/names.ts';
import { birthId, birthOf, member, sync, tempDir } from '../memory/support.ts';
import { TOKENS } from './cloud.support.ts';
import type { Cloud } from './cloud.ts';

export interface Ticking {
  readonly here: Here;
  readonly genome: Genome;
  /** ms that its clock is ahead. */
  pass(ms: number): void;
  /** A tick that begins to divide, in its first cloud; later ones go on. */
  divide(): Promise<TickReport>;
  tick(): Promise<TickReport>;
  /** One in a process of its own, which a fault may end. Gives the signal that ended it. */
  tickIn(fault: string): Promise<NodeJS.Signals | null>;
  cell(): Promise<Cell>;
  sagas(): Promise<readonly Saga[]>;
  /** What `cell status` says of it, a line each. */
  status(): Promise<readonly string[]>;
  /** What it logged. */
  readonly said: readonly string[];
}

/** It serves nothing: whatever its service manager is asked is as it should be. */
function noServices(): void {
  const folder = tempDir();
  writeFileSync(join(folder, 'systemctl'), '#!/bin/sh\nexit 0\n', { mode: 0o755 });
  const path = process.env.PATH;
  process.env.PATH = [folder, path].join(delimiter);
  onTestFinished(() => {
    process.env.PATH = path;
  });
}

/** In one cloud, `near`, or in more of these names, which are all at the stand-in. */
export async function tickingAt(cloud: Cloud, clouds: readonly string[] = ['near']): Promise<Ticking> {
  const gene = { provider: 'digitalocean', region: 'ams3', size: 's-1vcpu-1gb', endpoint: cloud.url };
  const genome = genomeSchema.parse({
    organism: 'garden',
    zone: 'garden.example.org',
    body: { maxCells: 4 },
    clouds: Object.fromEntries(clouds.map((name) => [name, { ...gene, credentials: 'env:DIGITALOCEAN_TOKEN' }])),
    dns: { provider: 'local' },
    functions: { web: { run: './web', divide: 'replicate' } },
  });
  const seeder = member(tempDir());
  const one = member(tempDir(), seeder.identity.id);
  const root = tempDir();
  noServices();
  const recipient = await createRecipient(one.home).then(() => recipientOf(one.home));
  const birth = birthId(one.identity.id);
  const { id, publicKey } = one.identity;
  await seeder.say({
    ...{ kind: 'genesis', organism: 'garden', genome: '0'.repeat(64), maxCells: 4, functions: ['web'] },
    ...{ key: seeder.identity.publicKey, recipient },
  });
  await seeder.say({ kind: 'reserve', birth, stack: `${birth}-body`, function: null, mode: 'delegate', why: '' });
  const born = { ...birthOf(one, birth), recipient };
  await seeder.say({
    ...{ kind: 'birth', budget: 3, why: '' },
    child: { ...born, reach: { ...born.reach, root } },
  });
  await sync(seeder, one);
  await one.say({ kind: 'born', birth, parent: seeder.identity.id, key: publicKey });
  await seeder.say({ kind: 'weaned', child: id });
  await sync(seeder, one);
  writeFileSync(join(one.home, 'genome.json'), JSON.stringify(genome));
  const said: string[] = [];
  let ahead = 0;
  const here: Here = {
    ...(await openHome(one.home, (line) => said.push(line))),
    layout: layout(root),
    clock: () => Date.now() + ahead,
  };
  const credential = { token: TOKENS.compute, endpoint: cloud.url };
  await keepCredentials(here, { compute: Object.fromEntries(clouds.map((name) => [name, credential])), dns: null });
  const cell = async () => (await lineageOf(here)).cells[id] as Cell;
  const tick = () => divide(here, { onOutcome: ({ line }) => said.push(line) });
  return {
    here,
    genome,
    said,
    cell,
    pass: (ms) => {
      ahead += ms;
    },
    tick,
    async divide() {
      const next = stackBirth(id, (await lineageOf(here)).folded[id] ?? 0);
      const purpose = { mode: 'replicate', functions: ['web'], budget: 0, why: 'a test' } as const;
      await here.journal.save(newDivision(here.clock(), purpose, newMachine(next, clouds[0] ?? 'near')));
      return tick();
    },
    async tickIn(fault) {
      // Its clock is the computer's.
      for (const saga of await here.journal.open()) await here.journal.save({ ...saga, due: 0 });
      return new Promise((resolve, reject) => {
        const args = [...process.execArgv, programFile('tick'), 'divide', '--home', one.home];
        const env = { ...process.env, CELL_ROOT: root, CELL_FAULT: fault };
        const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'pipe'] });
        child.stderr.on('data', (bytes) => said.push(String(bytes)));
        child.once('error', reject).once('close', (_, signal) => resolve(signal));
      });
    },
    sagas: () => here.journal.open(),
    async status() {
      const lineage = await lineageOf(here);
      const pulses = pulsesOf(here);
      return statusText(statusOf({ lineage, genome, pulses, self: id, now: here.clock() })).split('\n');
    },
  };
}
