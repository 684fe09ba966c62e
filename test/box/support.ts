/** A box in a temporary folder whose operating system only takes notes: nothing is mounted, booted or killed. */
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { writeBox } from '../../src/box/files.ts';
import type { Boot, Host } from '../../src/box/host.ts';
import type { Box } from '../../src/box/machines.ts';
import type { MachineOrder } from '../../src/box/words.ts';
import { generateHostKey } from '../../src/effects/keys.ts';

export interface Yard extends Box {
  readonly running: Map<string, Boot>;
  /** Every call of the host, in order. */
  readonly calls: string[];
  /** The next call whose note begins so fails. */
  failAt: string | null;
  order(birth: string, more?: object): MachineOrder;
  close(): void;
}

const KEYS = { hostKey: generateHostKey().privatePem, imprintKey: generateHostKey().publicKey };

export function openYard(network = '10.77.0.1/24'): Yard {
  const dir = join(mkdtempSync(join(tmpdir(), 'cell-box-')), 'box');
  mkdirSync(join(dir, 'images', 'debian-13'), { recursive: true });
  mkdirSync(join(dir, 'machines'));
  writeBox(dir, { v: 1, bridge: 'cellbr0', network, dns: null });
  const running = new Map<string, Boot>();
  const calls: string[] = [];
  const note = (what: string) => {
    calls.push(what);
    if (yard.failAt === null || !what.startsWith(yard.failAt)) return;
    yard.failAt = null;
    throw new Error(`failed at ${what}`);
  };
  const host: Host = {
    overlay: async (lower, upper, work, root) => {
      note(`overlay ${root}`);
      for (const folder of [...lower, upper, work, root]) if (!existsSync(folder)) throw new Error(`no ${folder}`);
    },
    unmount: async (folder) => note(`unmount ${folder}`),
    remove: async (folder) => {
      note(`remove ${folder}`);
      rmSync(folder, { recursive: true, force: true });
    },
    boot: async (boot) => {
      note(`boot ${boot.id}`);
      if (running.has(boot.tag)) throw new Error(`${boot.id} runs already`);
      running.set(boot.tag, boot);
    },
    alive: (tag) => running.has(tag),
    limit: async (tag, limits) => {
      note(`limit ${JSON.stringify(limits)}`);
      running.set(tag, { ...running.get(tag)!, ...limits });
    },
    cut: async (tag) => {
      note(`cut ${tag}`);
      running.delete(tag);
    },
    limits: () => ({ cpus: 'enforced', memory: 'enforced' }),
  };
  const yard: Yard = {
    ...{ dir, host, running, calls, failAt: null },
    order: (birth, more = {}) => ({ birth, parent: 'seed', cloud: 'near', image: 'debian-13', ...KEYS, ...more }),
    close: () => rmSync(dirname(dir), { recursive: true, force: true }),
  };
  return yard;
}
