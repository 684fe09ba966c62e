/** What a drill's organism stands on in the lab: machines of a box on this computer, and Knot for its zone. */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { machineId, tagOf } from '../../src/box/words.ts';
import type { Ground } from '../courses/ground.ts';
import { MAX_CELLS, ORGANISM, run } from '../courses/organism.ts';
import { type BoxOptions, type LabBox, startBox } from './box.ts';
import { type NameServer, newKey, startKnot } from './nameservers.ts';

export interface LabGround extends Ground {
  readonly box: LabBox;
  readonly knot: NameServer;
  /** A machine's id on the box. */
  idOf(machine: { readonly birth: string }): string;
}

/** The genome's `clouds` and `dns` for an organism on a box with its own name server. */
export interface Settled {
  readonly box: LabBox;
  readonly knot: NameServer;
  readonly places: (ttlMs: number) => string;
}

/** A box and a name server for one organism; files that hold its keys go into `folder`. */
export async function settleDown(
  octet: number,
  organism: string,
  quota: number,
  folder: string,
  image: Pick<BoxOptions, 'suite' | 'packages'> = {},
): Promise<Settled> {
  const address = `10.${octet}.0.1`;
  const box = await startBox({ octet, dns: address, ...image });
  const key = newKey(organism);
  const knot = await startKnot({ zone: `${organism}.test`, address, port: 53, keys: [key] });
  const { cloud } = await box.allow(organism, quota);
  const secret = join(folder, 'tsig');
  writeFileSync(secret, key.secret, { mode: 0o600 });
  return {
    box,
    knot,
    places: (ttlMs) => `clouds: { box: ${cloud} }
dns: { provider: rfc2136, server: ${address}, key: ${key.name}, credentials: "file:${secret}", ttl: ${ttlMs}ms }`,
  };
}

/**
 * @param quota how many machines the box makes for it.
 * @param image what they are made from; that of the other tests when left out.
 */
export async function labGround(
  octet: number,
  quota = MAX_CELLS,
  image: Pick<BoxOptions, 'suite' | 'packages'> = {},
): Promise<LabGround> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-lab-'));
  const { box, knot, places } = await settleDown(octet, ORGANISM, quota, folder, image);
  const machines = join(box.dir, 'machines');
  const idOf = ({ birth }: { readonly birth: string }) => machineId(ORGANISM, birth);
  return {
    folder,
    box,
    knot,
    places,
    dns: { address: knot.address, port: knot.port },
    httpPort: 80,
    patience: 4,
    env: {},
    // Machines share nothing that a program could meet itself at; whether it runs twice is told by their processes.
    meeting: { aloneAt: '', trace: '', sick: '' },
    rootOf: (machine) => box.rootOf(idOf(machine)),
    owns: ({ pid, line }) => line.includes(machines) || isOn(machines, pid),
    listening: () => readdirSync(`/sys/class/net/${box.bridge}/brif`),
    keeps: ['machines', 'addresses', 'layers'].map((name) => join(box.dir, name)),
    // Only what the zone had before: its name server.
    astray: async () => (await knot.dump()).filter((record) => !/\sNS\s|^ns\./.test(record)),
    idOf,
    async cutPower(machine) {
      const { id, address } = box.machines().find((one) => one.id === idOf(machine)) ?? {};
      if (id === undefined || address === undefined) throw new Error(`the box has no machine ${idOf(machine)}`);
      await box.powerOff(id);
      await forget(box, address);
    },
    async remove() {
      await Promise.all([box.stop(), knot.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/**
 * The other machines, and this computer, ask anew who has this address. A kernel that has just heard of its holder sends there for eight
 * seconds without an answer before it asks; then three tell it that nobody is there, as they do from then on anyway.
 */
async function forget(box: LabBox, address: string): Promise<void> {
  await run('ip', ['neigh', 'flush', 'to', address, 'dev', box.bridge], process.env);
  for (const { id } of box.machines()) {
    const [leader] = leadersOf(box, id);
    if (leader === undefined) continue;
    await run('nsenter', ['-t', leader, '-n', 'ip', 'neigh', 'flush', 'to', address], process.env);
  }
}

/** Process 1 of a machine as this computer numbers it: what its nspawn has started. */
function leadersOf({ dir }: LabBox, id: string): readonly string[] {
  const name = `--machine=${tagOf(dir, id)}`;
  return readdirSync('/proc').flatMap((pid) => {
    try {
      if (!readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').includes(name)) return [];
      return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean);
    } catch {
      return []; // It ended meanwhile, or is no process.
    }
  });
}

/**
 * Whether a process runs on a machine below this folder: the root that it sees is laid over files there. Other boxes on this
 * computer may have an organism of the same name, and what is ours is ended without asking. This computer's own processes
 * see the same overlay, but not as their root.
 */
function isOn(machines: string, pid: number): boolean {
  try {
    const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
    return mounts.some((mount) => mount.split(' ')[4] === '/' && mount.includes(`upperdir=${machines}/`));
  } catch {
    return false;
  }
}
