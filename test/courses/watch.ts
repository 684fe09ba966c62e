/**
 * What must hold at every moment of a drill, looked at all the time: a function that is moved never runs twice, and no
 * name is ever without an address.
 */
import { Resolver } from 'node:dns/promises';
import { setTimeout as sleep } from 'node:timers/promises';
import { ORGANISM, type Organism } from './organism.ts';

export interface Watch {
  /** What was seen until now that must not be, and of that, functions that ran twice. */
  seen(): readonly string[];
  twice(): readonly string[];
  /** Ends it and gives what was seen. */
  stop(): Promise<readonly string[]>;
}

const TWICE = 'runs on';
const DNS_EVERY_MS = 25;
const PROCESSES_EVERY_MS = 60;

export function watch(organism: Organism): Watch {
  const seen: string[] = [];
  const began = Date.now();
  const resolver = new Resolver({ timeout: 2_000, tries: 2 });
  resolver.setServers([`${organism.ground.dns.address}:${organism.ground.dns.port}`]);
  let on = true;
  const note = (what: string) => seen.push(`${((Date.now() - began) / 1000).toFixed(2)} s: ${what}`);

  async function names(): Promise<void> {
    while (on) {
      for (const name of ['web', 'api']) {
        await resolver.resolve4(`${name}.${ORGANISM}.test`).catch((error) => on && note(`${name}: ${error.code}`));
      }
      await sleep(DNS_EVERY_MS);
    }
  }

  async function processes(): Promise<void> {
    while (on) {
      const where = organism.running('web');
      if (where.length > 1) note(`web ${TWICE} ${where.join(' and ')}`);
      await sleep(PROCESSES_EVERY_MS);
    }
  }

  const looking = Promise.all([names(), processes()]);
  return {
    seen: () => [...seen],
    twice: () => seen.filter((what) => what.includes(TWICE)),
    async stop() {
      on = false;
      await looking;
      const trace = organism.trace();
      return trace === '' ? seen : [...seen, trace];
    },
  };
}
