/**
 * A cell's records in a zone that takes dynamic updates: put, taken away, seen and listed. What has to change is decided
 * in claims.ts from what the server shows; here it is asked, changed, and looked at again until it is so.
 *
 * An update whose answer is lost may have taken effect. Nothing has to be known about that: the next look shows it.
 */

import { setTimeout as sleep } from 'node:timers/promises';
import type { Answer } from 'dns-packet';
import {
  type AddressRecord,
  type AskedType,
  type PlainRecord,
  type TextRecord,
  textData,
} from '../../src/effects/dns/message.ts';
import {
  isUnclear,
  type Primary,
  type PrimaryCredential,
  type PrimaryOptions,
  withPrimary,
} from '../../src/effects/dns/primary.ts';
import { CellError } from '../../src/errors.ts';
import { plainAddress } from '../address.ts';
import type { Json } from '../stack.ts';
import {
  addressType,
  claimsIn,
  heldBy,
  indexed,
  isForeign,
  planPut,
  planTake,
  type Seen,
  type Step,
  type Wanted,
} from './claims.ts';
import { type Place, placeId } from './place.ts';
import { ownershipName, type TaggedRecord } from './record.ts';

/** How often an update is sent whose answers are lost. */
const LOST_ANSWERS = 3;
/** How long cells that take records away at once wait for each other; a hundred of them need a few seconds. */
const CONTENTION_MS = 60_000;
const FIRST_PAUSE_MS = 10;
const LONGEST_PAUSE_MS = 1_000;

export interface ClientOptions extends PrimaryOptions {
  /** In [0, 1). */
  readonly random?: () => number;
}

export function primaryCredential(credential: Json | undefined): PrimaryCredential {
  const given = credential as Partial<PrimaryCredential> | null | undefined;
  if (typeof given?.server !== 'string' || typeof given.tsig?.secret !== 'string') {
    throw new CellError('NOT_ALLOWED', 'This cell has no credential for DNS', {
      suggestion: 'Let a cell that has one do this, or the computer that seeded.',
    });
  }
  return given as PrimaryCredential;
}

const textsIn = (name: string, answers: readonly Answer[]): TextRecord[] =>
  answers.flatMap((answer) => {
    if (answer.type !== 'TXT' || answer.name.toLowerCase() !== name) return [];
    return [{ name, type: 'TXT', ttl: answer.ttl ?? 0, data: answer.data as unknown as readonly Buffer[] }];
  });

const addressesIn = (name: string, answers: readonly Answer[]): AddressRecord[] =>
  answers.flatMap((answer) => {
    if ((answer.type !== 'A' && answer.type !== 'AAAA') || answer.name.toLowerCase() !== name) return [];
    return [{ name, type: answer.type, ttl: answer.ttl ?? 0, data: plainAddress(answer.data) }];
  });

/**
 * What the server has under a name. One question after the other: a server that is sent several at once holds back what
 * it answers second until the first is acknowledged, which takes the system here 40 ms.
 */
async function look(primary: Primary, name: string, zone: string): Promise<Seen> {
  const ask = async (asked: string, type: AskedType) => (await primary.ask(asked, type)).answers;
  const [claims, index] = [ownershipName(name), ownershipName(zone)];
  const four = await ask(name, 'A');
  const six = await ask(name, 'AAAA');
  return {
    name,
    zone,
    addresses: [...addressesIn(name, four), ...addressesIn(name, six)],
    alias: four.some((answer) => answer.type === 'CNAME' && answer.name.toLowerCase() === name),
    texts: textsIn(claims, await ask(claims, 'TXT')),
    index: textsIn(index, await ask(index, 'TXT')),
  };
}

/** Looks and updates until `plan` finds nothing to do, or an update was made that `shows`. */
async function settle(
  credential: PrimaryCredential,
  name: string,
  plan: (seen: Seen) => Step,
  shows: (primary: Primary) => Promise<boolean>,
  options: ClientOptions,
): Promise<void> {
  const { now = Date.now, random = Math.random } = options;
  const deadline = now() + CONTENTION_MS;
  let lost = 0;
  let foreign = 0;
  for (let unmet = 0; ; ) {
    try {
      const settled = await withPrimary(
        credential,
        async (primary) => {
          const seen = await look(primary, name, credential.zone);
          // A condition did not hold because another cell was quicker, or because the name is somebody else's, and then it
          // is so each time.
          foreign = unmet > 0 && isForeign(seen) ? foreign + 1 : 0;
          const step = plan(seen);
          if (step.kind === 'there') return true;
          if (step.kind === 'taken') throw taken(seen, step.address);
          if (foreign > 1) throw taken(seen);
          if ((await primary.update(step.update)) === 'unmet') return false;
          if (!(await shows(primary))) throw notShown(credential, name);
          return true;
        },
        options,
      );
      if (settled) return;
    } catch (thrown) {
      lost += 1;
      if (!isUnclear(thrown) || lost >= LOST_ANSWERS) throw thrown;
      continue;
    }
    if (now() > deadline) throw contended(name);
    // Spread, so that those who came at once do not come at once again.
    await sleep(random() * Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** unmet));
    unmet += 1;
  }
}

function taken({ name, alias, addresses }: Seen, one?: string): CellError {
  const what = one ?? (alias ? 'an alias' : addresses.map((record) => record.data).join(', '));
  return new CellError('PROVIDER_REFUSED', `${name} belongs to somebody else`, {
    why: `it has ${what}, and no TXT at ${ownershipName(name)} says that a cell put it there`,
    suggestion: 'Remove that record if it is not needed, or give the function another domain.',
    fields: { name },
  });
}

function contended(name: string): CellError {
  return new CellError('PROVIDER_REFUSED', `The records of ${name} keep changing`, {
    why: `others changed them for ${CONTENTION_MS / 1000} s each time before this could`,
    suggestion: 'Run the same command again.',
    fields: { name },
  });
}

function notShown({ server, port }: PrimaryCredential, name: string): CellError {
  return new CellError('PROVIDER_REFUSED', `The DNS server at ${server} port ${port} does not show what it took`, {
    why: `it accepted an update of ${name} and answers as before, or somebody undid it`,
    suggestion: `See whether ${name} lies below another zone (an NS record between), and look into the server's log.`,
    fields: { name },
  });
}

/** Makes a cell's records under a name what they should be. */
export async function put(credential: PrimaryCredential, want: Wanted, options: ClientOptions = {}): Promise<void> {
  await settle(
    { ...credential, zone: want.zone },
    want.name,
    (seen) => planPut(seen, want),
    async (primary) => {
      const [first = ''] = want.values;
      const { answers } = await primary.ask(want.name, addressType(first));
      return addressesIn(want.name, answers).some((record) => record.data === plainAddress(first));
    },
    options,
  );
}

/** Takes a cell's records under a name away. Gone already is fine. */
export async function take(credential: PrimaryCredential, held: Place, options: ClientOptions = {}): Promise<void> {
  await settle(
    { ...credential, zone: held.zone },
    held.name,
    (seen) => planTake(seen, held),
    async (primary) => {
      const name = ownershipName(held.name);
      const claims = claimsIn(textsIn(name, (await primary.ask(name, 'TXT')).answers));
      return !claims.some((claim) => claim.organism === held.organism && claim.birth === held.birth);
    },
    options,
  );
}

/** What a cell has under a name, or null. */
export async function held(
  credential: PrimaryCredential,
  owner: Place,
): Promise<{ readonly values: readonly string[]; readonly ttl: number } | null> {
  const at = { ...credential, zone: owner.zone };
  return withPrimary(at, async (primary) => heldBy(await look(primary, owner.name, owner.zone), owner));
}

/**
 * Whether the server would take a cell's records under a name: takes away what nobody ever adds, which changes nothing and
 * is judged by the server's policy all the same.
 */
export async function rehearse(
  credential: PrimaryCredential,
  organism: string,
  names: readonly string[],
): Promise<void> {
  const text = (name: string): TextRecord => ({
    name: ownershipName(name),
    type: 'TXT',
    ttl: 0,
    data: textData(`v=cell1 organism=${organism} rehearsal`),
  });
  await withPrimary(credential, async (primary) => {
    for (const name of names) {
      const records: readonly PlainRecord[] = [
        { name, type: 'A', ttl: 0, data: '0.0.0.0' },
        { name, type: 'AAAA', ttl: 0, data: '::' },
        text(name),
        text(credential.zone),
      ];
      await primary.update({ conditions: [], changes: records.map((record) => ({ kind: 'remove', record })) });
    }
  });
}

/** Every claim of the organism in its zone, found by the index. */
export async function listed(credential: PrimaryCredential, organism: string): Promise<readonly TaggedRecord[]> {
  const { zone } = credential;
  return withPrimary(credential, async (primary) => {
    const entries = textsIn(ownershipName(zone), (await primary.ask(ownershipName(zone), 'TXT')).answers);
    const found = await Promise.all(
      indexed(organism, entries).map(async (name) => {
        const texts = textsIn(ownershipName(name), (await primary.ask(ownershipName(name), 'TXT')).answers);
        return claimsIn(texts)
          .filter((claim) => claim.organism === organism)
          .map(({ birth, addresses }) => ({
            id: placeId({ organism, birth, zone, name }),
            birth,
            name,
            type: [...new Set(addresses.map((address) => (address.includes(':') ? 'AAAA' : 'A')))].join(' and '),
            values: addresses,
          }));
      }),
    );
    return found.flat();
  });
}
