/**
 * What stays between ticks: processes of a machine that are neither the machine itself, which stands for the operating
 * system, nor of a function. (Its guardian, and the DNS server that stands for a provider, are not on the machine.)
 */
import { readFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { readMachine } from '../src/local/host.ts';
import { machinePid } from '../src/local/power.ts';
import { MACHINE, processesWith } from '../src/local/processes.ts';
import type { Garden } from './garden.ts';
import { atMost, type Measure } from './measure.ts';

const LOOKS = 10;

export async function measureResident({ first, cell }: Garden): Promise<readonly Measure[]> {
  const folder = dirname(first.reach.root);
  const machine = readMachine(folder);
  if (machine === null) throw new Error(`no machine in ${folder}`);
  await cell('ssh', first.name, '--', '$CELL_ROOT/opt/cell/bin/cell divide');
  let most = 0;
  for (let look = 0; look < LOOKS; look++) {
    // Whoever only ends has a moment for it.
    await sleep(100);
    const all = processesWith({ [MACHINE]: machine.marker });
    if (all.length < 4) throw new Error('the machine and its three functions do not run');
    const others = all.filter((pid) => pid !== machinePid(folder) && !isFunction(pid));
    most = Math.max(most, others.length);
  }
  return [atMost('resident between ticks, besides functions', 'processes', most, 0)];
}

function isFunction(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/environ`, 'utf8')
      .split('\0')
      .some((line) => line.startsWith('CELL_FUNCTION='));
  } catch {
    return true; // it ended meanwhile
  }
}
