/** What mitosis and apoptosis need of a parent, for a cell and for a seeder: the same but for what runs here. */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Genome } from '../genome/schema.ts';
import { carryOut } from './carry.ts';
import { letIn } from './doors.ts';
import { type Alive, aliveDuring, dump, holdWithDump } from './dumps.ts';
import { recipientOf } from './effects/age.ts';
import { packagesArtefact } from './effects/packages.ts';
import { forgetMove, ownSide } from './effects/room.ts';
import { dial, type Remote } from './effects/ssh.ts';
import { endowFrom } from './endowments.ts';
import { CellError } from './errors.ts';
import * as functions from './functions.ts';
import { credentialsOf, engineOf, type Here, lineageOf, say, secretsOf } from './here.ts';
import { BOOT_POLL_MS, BOOT_TIMEOUT_MS } from './limits.ts';
import { syncWith } from './memory/sync.ts';
import type { Birth } from './model.ts';
import { receiver } from './receive.ts';
import type { Absorber, Donor, Mitosis, Parent, Stem } from './saga.ts';
import { securityOf } from './security.ts';
import { gaveUp, seekBirth, seekOf } from './seek.ts';
import { provideFor, saying } from './tools.ts';
import { direct, hush } from './traffic.ts';
import { unmake } from './unmake.ts';
import { speak } from './voice.ts';

type Both = Parent & Absorber & { readonly hangUp: () => void };
export type Progress = Parent['onProgress'];

/** A parent that runs on a cell or on a laptop; `hangUp` closes what connections it opened. */
export async function parentOf(
  here: Here,
  genome: Genome,
  donor: Donor,
  onProgress: Progress = () => {},
  alive: Alive = () => {},
): Promise<Both> {
  const open = new Map<string, Remote>();
  const { seeder } = await lineageOf(here);
  const own = await recipientOf(here.home);

  const childIn = (saga: Mitosis | Stem) => (saga.kind === 'divide' ? saga.child : null);

  async function knock(saga: Mitosis | Stem): Promise<Remote> {
    if (saga.reach === null) throw new Error(`saga ${saga.id} has no machine yet`);
    const child = childIn(saga);
    const first = saga.ownHostKey ?? saga.firstHostKey.publicKey;
    const hostKeys = [first, ...(child === null ? [] : [child.hostKey])];
    return dial(saga.reach, { privateKey: saga.imprintKey.privateKey, hostKeys });
  }

  /** A machine that was just made may not answer yet. */
  async function knockUntilItOpens(saga: Mitosis | Stem): Promise<Remote> {
    // Counted from when it was made, not from each attempt: what has not booted by then will not.
    const { reserve = 0, body = 0 } = saga.phases;
    const deadline = saga.startedAt + reserve + body + BOOT_TIMEOUT_MS;
    // A stem cell has booted long before it is taken or looked at again.
    const fresh = saga.kind === 'divide' ? saga.stem !== true : saga.step !== 'keep';
    for (;;) {
      try {
        return await knock(saga);
      } catch (error) {
        const booting =
          error instanceof CellError && error.code === 'MACHINE_UNREACHABLE' && fresh && childIn(saga) === null;
        if (!booting || here.clock() > deadline) throw error;
        alive('waits for its boot');
        await sleep(BOOT_POLL_MS);
      }
    }
  }

  async function kept(key: string, open_: () => Promise<Remote>): Promise<Remote> {
    const known = open.get(key);
    if (known !== undefined) return known;
    const remote = await open_();
    open.set(key, remote);
    return remote;
  }

  return {
    id: here.identity.id,
    home: here.home,
    genome,
    recipients: [...new Set([own, seeder.recipient])],
    now: here.clock,
    log: here.log,
    onProgress,
    alive,
    donor,
    recipient: receiver(here, genome, alive),
    lineage: () => lineageOf(here),
    say: async (deed, files) => {
      await say(here, deed, files);
      // A birth opens a door, a burial closes one.
      await letIn(here);
    },
    async engine(plan) {
      await aliveDuring(alive, 'fetches the engine', provideFor(plan, saying(here.log)));
      return engineOf(here, plan.engine, genome);
    },
    unmake: (birth) => unmake(here, genome, birth),
    seek: (birth, why, kept) => seekBirth(here, birth, why, kept),
    async seekFor(child) {
      if (await gaveUp(here, child.id)) await seekOf(here, genome, child, `${child.name} has gone`);
    },
    credentials: () => credentialsOf(here),
    endow: async (taker) => endowFrom(here, genome, taker),
    secrets: () => secretsOf(here),
    packages: (cloud) => packagesArtefact(here, cloud),
    reachChild: (saga) => kept(saga.id, () => knockUntilItOpens(saga)),
    enter: (child) =>
      kept(child.id, () => dial(child.reach, { privateKey: here.identity.privatePem, hostKeys: [child.hostKey] })),
    async opens(saga) {
      try {
        (await knock(saga)).close();
        return true;
      } catch (error) {
        if (error instanceof CellError && error.code === 'NOT_ALLOWED') return false;
        throw error;
      }
    },
    async sync(child: Birth) {
      await syncWith({ reach: child.reach, hostKey: child.hostKey }, { home: here.home, identity: here.identity });
    },
    hangUp() {
      for (const remote of open.values()) remote.close();
      open.clear();
    },
  };
}

/** A cell gives what it runs. */
export function cellDonor(here: Here, genome: Genome, alive: Alive = () => {}): Donor {
  return {
    runs: true,
    certificates: (names) => securityOf(here, names),
    async ready() {
      await direct(here, genome, await lineageOf(here));
    },
    dump: (name) => aliveDuring(alive, `dumps ${name}`, dump(here, genome, name)),
    copy: (name, remote, last) =>
      carryOut({ here, genome, name, remote, last, onBytes: () => alive(`copies ${name}`) }),
    hold: (name) => holdWithDump(here, genome, name, alive),
    tidy: (name) => forgetMove(ownSide(here.layout, name)),
    resume: (name) => functions.resume(here, name),
    forward: (name, to, until) => functions.forward(here, name, to, until),
    forget: (name) => functions.forget(here, name),
    async speak(gone = []) {
      if (gone.length > 0) await hush(here, gone);
      await speak(here);
    },
  };
}

/** A seeder runs nothing and has no records of its own. */
export const seederDonor: Donor = {
  runs: false,
  certificates: async () => ({}),
  ready: async () => {},
  dump: async () => {},
  copy: async () => ({ bytes: 0, ms: 0 }),
  hold: async () => false,
  tidy: async () => {},
  resume: async () => {},
  forward: async () => {},
  forget: async () => {},
  speak: async () => {},
};
