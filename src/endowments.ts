/**
 * The errands of credentials on this home, as decide/rotation.ts asks for them: what the parent sealed is taken into use,
 * what ends soon is minted anew and brought to whom it is for, what nobody uses any more is revoked. Part of every tick,
 * also while the organism is frozen, for it changes nothing but who may go on doing what it does.
 *
 * Each may be killed anywhere and is found again by the next tick: the lineage says which generation was given and taken,
 * the label of what is minted says whose and which it is.
 */
import type { Genome } from '../genome/schema.ts';
import { attenuatorOf } from '../stacks/credentials/index.ts';
import { sourcesOf } from '../stacks/credentials/sources.ts';
import { dnsOf } from './decide/dns.ts';
import { portionOf } from './decide/needs.ts';
import { type Errand, endowmentOf, errands, forChild, type Grant, isRefused, type Keys } from './decide/rotation.ts';
import { ownAddresses } from './effects/addresses.ts';
import { unseal } from './effects/age.ts';
import { encrypt } from './effects/vault.ts';
import { endOf, endow, mintsFor, purposesFor, revoke, sharedDigest, type Taker } from './endow.ts';
import { advise, CellError, explain } from './errors.ts';
import { changeGrants, grantsOf, noteGrant, noteRefusal } from './grants.ts';
import { type Credentials, credentialsOf, type Here, keepCredentials, lineageOf, ownKeys, say } from './here.ts';
import type { BirthId, Cell, CellId, Lineage } from './model.ts';

/** What travels sealed from a parent to its child. */
interface Sealed {
  readonly v: 1;
  readonly generation: number;
  readonly credentials: Credentials;
}

const fileFor = ({ birth }: Pick<Cell, 'birth'>) => `endowments/${birth}.age`;

/** Mints what a newborn needs out of what this home has, and notes what it was given. */
export async function endowFrom(here: Here, genome: Genome, taker: Taker): Promise<Credentials> {
  const credentials = await credentialsOf(here);
  const now = here.clock();
  const given = await endow({ genome, credentials, now }, taker);
  await noteGrant(here, taker.birth, grantOf(genome, credentials, taker, given, now));
  return given;
}

function grantOf(
  genome: Genome,
  own: Credentials,
  taker: Taker,
  given: Credentials,
  now: number,
  before?: Grant,
): Grant {
  return {
    generation: taker.generation,
    mintedAt: now,
    until: endOf(given),
    // What an heir knows nothing of may be there.
    retired: before?.retired ?? (taker.generation === 1 ? 1 : 0),
    sources: taker.sources,
    shared: sharedDigest(genome, own, taker.portion),
    purposes: purposesFor(genome, own, taker.portion),
  };
}

/** Does what is due. Gives what went wrong, in words; the next tick tries it again. */
export async function tendCredentials(
  here: Here,
  genome: Genome,
  goesOn: () => boolean = () => true,
): Promise<readonly string[]> {
  const lineage = await lineageOf(here);
  const keys = await keysOf(here, genome, lineage);
  const due = errands(lineage, here.identity.id, keys, here.clock(), genome.body.heartbeat);
  const troubles: string[] = [];
  const self = lineage.cells[here.identity.id];
  if (self?.parent === lineage.seeder.id && keys.refused !== null && isRefused(keys, here.clock())) {
    troubles.push(`credentials: ${keys.refused.why}; run \`cell seed\` again where the organism was seeded`);
  }
  for (const errand of due) {
    // Providers may take long to answer; whoever took this tick's lock over goes on with the rest.
    if (!goesOn()) break;
    try {
      await perform(here, genome, errand);
      here.log(`credentials: ${errand.kind}: ${errand.why}`, 'notice');
    } catch (error) {
      await noteRefusal(here, error);
      troubles.push(`credentials: ${errand.kind} failed (${errand.why}): ${advise(error)}`);
    }
  }
  for (const trouble of troubles) here.log(trouble, 'warning');
  return troubles;
}

/**
 * For a seeder: the first cell's, where it says that it lacks them, or the seeder's own are others now. Everything else the
 * first cell does for itself.
 */
export async function endowFirst(here: Here, genome: Genome, first: Cell): Promise<void> {
  const keys = await keysOf(here, genome, await lineageOf(here));
  for (const errand of forChild(first, keys, here.clock(), genome.body.heartbeat)) await perform(here, genome, errand);
}

async function keysOf(here: Here, genome: Genome, lineage: Lineage): Promise<Keys> {
  const [credentials, { given, owed, refused }] = await Promise.all([credentialsOf(here), grantsOf(here)]);
  const { generation = 1 } = credentials;
  return {
    generation,
    own: ownKeys(credentials),
    grants: given,
    owed,
    refused,
    mints: (child) => mintsFor(genome, portionOf(lineage, child.id)),
    shared: (child) => sharedDigest(genome, credentials, portionOf(lineage, child.id)),
    purposes: (child) => purposesFor(genome, credentials, portionOf(lineage, child.id)),
  };
}

async function perform(here: Here, genome: Genome, errand: Errand): Promise<void> {
  switch (errand.kind) {
    case 'take':
      return take(here);
    case 'renew':
      return renew(here, genome, errand.purpose);
    case 'endow':
      return errand.cell === here.identity.id
        ? endowItself(here, genome, errand.generation)
        : endowChild(here, genome, errand.cell, errand.generation);
    case 'retire':
      return retire(here, genome, errand.cell, errand.generation);
    case 'revoke':
      await revoke(genome, await credentialsOf(here), new Set([errand.birth]));
      return changeGrants(here, (before) => ({
        ...before,
        owed: before.owed.filter((birth) => birth !== errand.birth),
      }));
    case 'lack':
      await say(here, { kind: 'lack', why: errand.why });
      return;
    default:
      return errand satisfies never;
  }
}

/** What the parent sealed for this cell replaces what it had. */
async function take(here: Here): Promise<void> {
  const self = await selfIn(here);
  const sealed = await here.memory.file(self.parent, fileFor(self));
  if (sealed === null) throw new CellError('NOT_FOUND', 'The credentials that the parent minted are not here yet');
  const { v, generation, credentials } = JSON.parse((await unseal(here.home, sealed)).toString('utf8')) as Sealed;
  if (v !== 1) throw new CellError('CHECKPOINT_CORRUPT', `The credentials from the parent are of version ${v}`);
  await keepCredentials(here, { ...credentials, generation });
  await changeGrants(here, (before) => ({ ...before, refused: null }));
  if (endowmentOf(self).taken < generation) await say(here, { kind: 'endowed', generation });
}

async function renew(here: Here, genome: Genome, purpose: string): Promise<void> {
  const credentials = await credentialsOf(here);
  const [kind = '', ...rest] = purpose.split('-');
  const place = rest.join('-');
  const gene = kind === 'dns' ? dnsOf(genome).find(({ name }) => name === place)?.gene : genome.clouds[place];
  const own = (kind === 'dns' ? credentials.dns : credentials.compute)?.[place];
  if (gene === undefined || own === undefined) throw new CellError('NOT_FOUND', `The genome has no ${place} any more`);
  const attenuator = await attenuatorOf(gene);
  if (attenuator.renew === undefined) throw new Error(`${attenuator.provider} renews nothing`);
  const now = here.clock();
  const { credential, lapses } = await attenuator.renew(own, now);
  const half = kind === 'dns' ? 'dns' : 'compute';
  const key = credentials.minted?.[purpose];
  await keepCredentials(here, {
    ...credentials,
    [half]: { ...credentials[half], [place]: credential },
    minted: { ...credentials.minted, ...(key === undefined ? {} : { [purpose]: { ...key, lapses, renewedAt: now } }) },
  });
}

/** Sealed to the child, and to the recovery key as all that is sealed in the organism. */
export async function endowChild(here: Here, genome: Genome, id: CellId, generation: number): Promise<void> {
  const lineage = await lineageOf(here);
  const child = lineage.cells[id];
  if (child === undefined) throw new CellError('NOT_FOUND', `There is no cell ${id}`);
  const own = await credentialsOf(here);
  const before = (await grantsOf(here)).given[child.birth];
  const taker: Taker = {
    birth: child.birth,
    portion: portionOf(lineage, id),
    owner: child.parent === lineage.seeder.id,
    generation,
    sources: before?.sources ?? [],
  };
  const now = here.clock();
  const credentials = await endow({ genome, credentials: own, now }, taker);
  const sealed: Sealed = { v: 1, generation, credentials };
  const bytes = await encrypt([child.recipient, lineage.seeder.recipient], Buffer.from(JSON.stringify(sealed)));
  await say(here, { kind: 'endow', child: id, generation }, { [fileFor(child)]: bytes });
  // After the word: killed before it, they are minted again under the same name.
  await noteGrant(here, child.birth, grantOf(genome, own, taker, credentials, now, before));
}

/** The first cell owns its own body, and nobody else would mint for it. */
async function endowItself(here: Here, genome: Genome, generation: number): Promise<void> {
  const lineage = await lineageOf(here);
  const self = await selfIn(here);
  const credentials = await credentialsOf(here);
  const sources = sourcesOf(self.reach.address, ownAddresses());
  const portion = portionOf(lineage, self.id);
  const taker = { birth: self.birth, portion, owner: true, generation, sources };
  const minted = await endow({ genome, credentials, now: here.clock() }, taker);
  await keepCredentials(here, minted);
  await say(here, { kind: 'endowed', generation });
}

/** Nobody uses what came before a generation any more. */
async function retire(here: Here, genome: Genome, id: CellId, generation: number): Promise<void> {
  const birth = (await lineageOf(here)).cells[id]?.birth;
  if (birth === undefined) return;
  await revoke(genome, await credentialsOf(here), new Set([birth]), generation);
  await changeGrants(here, (before) => {
    const known = before.given[birth] ?? { generation, mintedAt: 0, until: null, sources: [], shared: '' };
    return { ...before, given: { ...before.given, [birth]: { ...known, retired: generation } } };
  });
}

/** A cell that is gone has no credentials; what cannot be revoked now is owed, for what runs elsewhere must not wait. */
export async function unmint(here: Here, genome: Genome, birth: BirthId): Promise<void> {
  let owed: readonly BirthId[] = [];
  try {
    await revoke(genome, await credentialsOf(here), new Set([birth]));
  } catch (error) {
    here.log(`credentials of ${birth} are not revoked yet: ${explain(error)}`, 'warning');
    owed = [birth];
  }
  await changeGrants(here, (before) => {
    const { [birth]: _, ...given } = before.given;
    return { ...before, given, owed: [...new Set([...before.owed.filter((one) => one !== birth), ...owed])] };
  });
}

async function selfIn(here: Here): Promise<Cell> {
  const self = (await lineageOf(here)).cells[here.identity.id];
  if (self === undefined) throw new CellError('NOT_ALLOWED', 'This computer is no cell of the organism');
  return self;
}
