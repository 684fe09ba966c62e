/**
 * What stays between ticks: processes on a machine that are neither the machine itself, which stands for the operating
 * system, nor of a function. (Its guardian, and the DNS server that stands for a provider, are not on the machine.)
 *
 * Told by the kernel, not by the program: everything on a machine has its root in its environment.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Garden } from './garden.ts';
import { atMost, type Measure } from './measure.ts';

const LOOKS = 10;
/** The machine itself, and a program for each of the three functions. */
const LEAST = 4;

export async function measureResident({ first, cell }: Garden): Promise<readonly Measure[]> {
  await cell('ssh', first.name, '--', '$CELL_ROOT/opt/cell/bin/cell divide');
  let most = 0;
  for (let look = 0; look < LOOKS; look++) {
    // Whoever only ends has a moment for it.
    await sleep(100);
    const all = processesOn(first.reach.root);
    if (all.length < LEAST) throw new Error('the machine and its functions do not run');
    const others = all.filter(({ line, variables }) => {
      return !/\/host\/machine\.js\0/.test(line) && !variables.some((one) => one.startsWith('CELL_FUNCTION='));
    });
    most = Math.max(most, others.length);
  }
  return [atMost('resident between ticks, besides functions', 'processes', most, 0)];
}

function processesOn(root: string): readonly { readonly line: string; readonly variables: readonly string[] }[] {
  return readdirSync('/proc').flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const variables = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
      const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8');
      return variables.includes(`CELL_ROOT=${root}`) ? [{ line, variables }] : [];
    } catch {
      return []; // it ended meanwhile, or is another user's
    }
  });
}
