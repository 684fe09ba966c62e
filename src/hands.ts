/**
 * What a cell does when its parent asks over the door it has (hand.ts): each operation may be asked for twice.
 * Run by the hidden command `cell hand OP`; takes the cell's lock, so that no tick works on the same things.
 */
import { mkdir, readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { begin } from './beat.ts';
import { pathsOf } from './carry.ts';
import { runsOf } from './decide/renewal.ts';
import { letIn, letInFirst } from './doors.ts';
import { holdWithDump, restore } from './dumps.ts';
import { ownAddresses } from './effects/addresses.ts';
import { createRecipient, recipientOf, unseal } from './effects/age.ts';
import { mustBeOurs } from './effects/claim.ts';
import { manifest, readIfThere, writeAtomic } from './effects/files.ts';
import { buildHouse } from './effects/house.ts';
import { installIngress } from './effects/ingress-unit.ts';
import { ensureIdentity, generateHostKey } from './effects/keys.ts';
import { remove as unschedule } from './effects/schedule.ts';
import { systemctl } from './effects/systemctl.ts';
import { CellError } from './errors.ts';
import { writeWhere } from './express.ts';
import * as functions from './functions.ts';
import type { HandOp, HandOps } from './hand.ts';
import {
  engineOf,
  genomeOf,
  type Here,
  hasHome,
  keepCredentials,
  keepSecrets,
  lineageOf,
  openHome,
  say,
  secretsOf,
  takeGenome,
} from './here.ts';
import { layout } from './layout.ts';
import { lineOf } from './line.ts';
import { quietly, withLock } from './lock.ts';
import { keepRenewal, renewalOf } from './renewal.ts';
import { secure, securityOf } from './security.ts';
import { tell } from './tell.ts';
import { expected } from './traffic.ts';
import { silence, speak } from './voice.ts';

type Performed<Op extends HandOp> = (here: Here, input: HandOps[Op]['in']) => Promise<HandOps[Op]['out']>;

/** Before there is an organism here: keys, once. Asked again, it answers the same. */
async function awaken(home: string, input: HandOps['awaken']['in']): Promise<HandOps['awaken']['out']> {
  const machine = layout(process.env.CELL_ROOT ?? '');
  await mustBeOurs(machine, input.birth);
  await mkdir(home, { recursive: true, mode: 0o700 });
  await buildHouse(machine);
  const identity = ensureIdentity(home);
  await createRecipient(home);
  const hostKey = input.hostKey ?? (await nextHostKey(home));
  await writeAtomic(
    join(home, 'organism.json'),
    JSON.stringify({ v: 1, organism: input.organism, seeder: input.seeder }),
  );
  return {
    id: identity.id,
    key: identity.publicKey,
    recipient: await recipientOf(home),
    hostKey,
    proof: identity.sign(Buffer.from(input.challenge)).toString('base64'),
    addresses: ownAddresses(),
  };
}

/** The public half of the key that the machine will answer with, made once. */
async function nextHostKey(home: string): Promise<string> {
  const next = join(home, 'hostkey');
  const hostKey = await readFile(next, 'utf8').catch(async () => {
    const fresh = generateHostKey();
    await writeAtomic(`${next}.pub`, fresh.publicKey, 0o644);
    await writeAtomic(next, fresh.privatePem, 0o600);
    return fresh.privatePem;
  });
  if (hostKey === '') throw new CellError('ARTEFACT_CORRUPT', 'The host key is empty');
  return (await readFile(`${next}.pub`, 'utf8')).trim();
}

const settle: Performed<'settle'> = async (here, input) => {
  const { hostKey } = here.layout;
  await mustBeOurs(here.layout, input.birth);
  await writeAtomic(join(here.home, 'cell.json'), JSON.stringify({ v: 1, birth: input.birth }));
  const fresh = await readIfThere(join(here.home, 'hostkey'));
  // None was made where the machine keeps its own.
  if (fresh !== null) {
    await writeAtomic(hostKey, fresh, 0o600);
    await writeAtomic(`${hostKey}.pub`, await readFile(join(here.home, 'hostkey.pub'), 'utf8'), 0o644);
  }
  await writeAtomic(join(here.home, 'imprint.pub'), input.imprintKey);
  await letInFirst(here, { id: input.peer, key: input.peerKey }, input.imprintKey);
  await systemctl('reload', 'ssh');
  await installIngress(here.layout);
  return {};
};

const hatch: Performed<'hatch'> = async (here, { parent, birth, inheritance }) => {
  const lineage = await lineageOf(here);
  const self = lineage.cells[here.identity.id];
  if (self === undefined || self.birth !== birth || self.parent !== parent) {
    throw new CellError('FEED_REFUSED', 'Nobody announced this birth', {
      why: `the lineage here does not know ${birth}`,
    });
  }
  if (self.state === 'born') await say(here, { kind: 'born', birth, parent, key: here.identity.publicKey });
  const { secrets, ...credentials } = inheritance;
  await keepCredentials(here, credentials);
  await keepSecrets(here, { ...(await secretsOf(here)), ...secrets });
  // What its parent runs: a genome that is spreading comes when it is the child's turn.
  const line = await lineOf(here);
  const inherited = runsOf(lineage, parent)?.proposal ?? null;
  const step = line.find(({ proposal }) => proposal === inherited) ?? line[0];
  const genome = await takeGenome(here, step);
  if (step.proposal !== null) {
    await keepRenewal(here, { ...(await renewalOf(here)), runs: step.proposal });
    const { proposal, genome: hash } = step;
    const known = runsOf(await lineageOf(here), here.identity.id)?.proposal === proposal;
    if (!known) await say(here, { kind: 'took', proposal, genome: hash, ok: true, why: 'born with it' });
  }
  await letIn(here);
  await begin(here, genome, self.bornAt);
  return { name: self.name };
};

const prepare: Performed<'prepare'> = async (here, input) => {
  const [genome, lineage] = await Promise.all([genomeOf(here), lineageOf(here)]);
  // Read by programs from their first request on, and no tick may have been here yet.
  await writeWhere(here, genome, lineage);
  for (const name of input.functions) await functions.install(here, name);
  await secure(here, input.certificates);
  // Their routes are loaded now, shut, so that nothing has to be while requests wait.
  await expected(here, genome, input.functions);
  return {};
};

const data: Performed<'data'> = async (here, input) => {
  const paths = pathsOf(await genomeOf(here), input.function);
  const folder = functions.folderOf(here, input.function);
  return { folder, files: await manifest(folder, paths) };
};

const handBack: Performed<'handBack'> = async (here, input) => {
  const lineage = await lineageOf(here);
  // Said as a return for a replica too: two replicas that dropped theirs at once would leave the function nowhere.
  if (lineage.homes[input.function]?.includes(here.identity.id) === true) {
    await say(here, { kind: 'give', function: input.function, to: input.to, mode: 'return' });
  }
  await functions.forward(here, input.function, input.to, input.until);
  return {};
};

const adopt: Performed<'adopt'> = async (here, { stack, from }) => {
  const genome = await genomeOf(here);
  const owner = (await lineageOf(here)).owners[stack];
  if (owner !== here.identity.id)
    throw new CellError('NOT_ALLOWED', `The stack ${stack} is not entrusted to this cell`);
  const sealed = await here.memory.file(from, `stacks/${stack}.age`);
  if (sealed === null) throw new CellError('NOT_FOUND', `No checkpoint of ${stack} came along`);
  const portable = JSON.parse((await unseal(here.home, sealed)).toString('utf8'));
  // A machine that is found by its tags alone has none.
  if (portable === null) return {};
  await (await engineOf(here, portable.engine, genome)).import(stack, portable);
  return {};
};

const farewell: Performed<'farewell'> = async (here) => {
  const lineage = await lineageOf(here);
  if (lineage.cells[here.identity.id]?.state !== 'parted') await say(here, { kind: 'farewell' });
  await unschedule(here.layout);
  return {};
};

const OPERATIONS: { readonly [Op in Exclude<HandOp, 'awaken'>]: Performed<Op> } = {
  settle,
  hatch,
  certificates: async (here, input) => ({ certificates: await securityOf(here, input.functions) }),
  prepare,
  data,
  adopt,
  handBack,
  farewell,
  start: async (here, input) => {
    await functions.start(here, input.functions);
    return {};
  },
  speak: async (here) => {
    // Our functions know where the others are, and others that ours are healthy, before anybody is sent here.
    await tell(here);
    // Done by then, unless it failed: here it is to throw.
    await speak(here);
    return {};
  },
  silence: async (here) => {
    await silence(here);
    return {};
  },
  wean: async (here) => {
    await rm(join(here.home, 'imprint.pub'), { force: true });
    await letIn(here);
    return {};
  },
  hold: async (here, input) => {
    if (input.dump === true) await holdWithDump(here, await genomeOf(here), input.function);
    else await functions.hold(here, input.function);
    return {};
  },
  restore: async (here, input) => {
    await restore(here, await genomeOf(here), input.function);
    return {};
  },
  resume: async (here, input) => {
    await functions.resume(here, input.function);
    return {};
  },
};

/** Performs one operation on the home of this machine. */
export async function perform(home: string, op: string, input: unknown): Promise<object> {
  if (op === 'awaken') return awaken(home, input as HandOps['awaken']['in']);
  if (!Object.hasOwn(OPERATIONS, op)) throw new CellError('USAGE', `There is no hand called ${op}`);
  if (!hasHome(home)) throw new CellError('HOME_MISSING', 'This machine was not awakened yet');
  const here = await openHome(home);
  const operation = OPERATIONS[op as Exclude<HandOp, 'awaken'>] as Performed<HandOp>;
  // Copying looks at files only, and while a tick works on something long (a division) it need not wait for it.
  if (quietly(op)) return operation(here, input as never);
  return withLock(here, () => operation(here, input as never));
}
