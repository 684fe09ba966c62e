/**
 * Credentials over a life, with real keys and feeds, Linode's stand-in and no machines: a seeder, the first cell, and its
 * child, each with a home of its own. The clock is the test's.
 */
import { expect } from 'vitest';
import { type Genome, genomeSchema } from '../genome/schema.ts';
import { createRecipient, recipientOf } from '../src/effects/age.ts';
import { endowFrom, tendCredentials } from '../src/endowments.ts';
import { credentialsOf, type Here, keepCredentials, lineageOf, openHome } from '../src/here.ts';
import type { Cell, Deed } from '../src/model.ts';
import type { Json } from '../stacks/stack.ts';
import { birthId, birthOf, type Member, member, sync, tempDir } from './memory/support.ts';
import { type LinodeStandIn, startLinode } from './stacks/credentials/linode.support.ts';

export const DAY = 86_400_000;
export const START = Date.UTC(2026, 4, 4, 12, 0, 0);
export const SEEDER = 'account:read_write domains:read_write events:read_only firewall:read_write linodes:read_write';

export let linode: LinodeStandIn;
/** Set by `goTo`. */
export let now: number;
export let genome: Genome;
export let seeder: Person;
export let first: Person;
export let child: Person;

export interface Person {
  readonly member: Member;
  readonly here: Here;
  readonly said: string[];
}

/** Dials nobody: what is asked of machines is none of this. */
export async function person(of?: Person): Promise<Person> {
  const one = member(tempDir(), of?.member.identity.id);
  await createRecipient(one.home);
  const said: string[] = [];
  const opened = await openHome(one.home, (line) => said.push(line));
  return { member: one, here: { ...opened, memory: one.memory, clock: () => now }, said };
}

export const cellOf = async ({ member: one }: Person, seen: Person = seeder): Promise<Cell> =>
  (await lineageOf(seen.here)).cells[one.identity.id] as Cell;
export const tokenIn = (json: Json | undefined) => (json as { readonly token: string } | undefined)?.token ?? '';
export const tokenOf = async ({ here }: Person) => {
  const { compute, dns } = await credentialsOf(here);
  return tokenIn(compute?.far ?? dns?.dns);
};
export const tokens = () => linode.tokens.filter(({ label }) => label.startsWith('cell.')).map(({ label }) => label);
export const works = async (token: string, path: string) => {
  const answer = await fetch(`${linode.url}/v4${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  return answer.status;
};
export const tend = ({ here }: Person) => tendCredentials(here, genome);

/** Says a deed and lets everybody hear it. */
export async function say({ member: one }: Person, deed: Deed): Promise<void> {
  await one.say(deed);
  await everybody();
}
export async function everybody(): Promise<void> {
  for (const [one, other] of [
    [seeder, first],
    [first, child],
    [seeder, first],
  ] as const) {
    await sync(one.member, other.member);
  }
}

/** Its birth, with credentials as a division hands them over; functions come after it. */
export async function bear(parent: Person, one: Person, budget: number, functions: readonly string[]): Promise<void> {
  const birth = birthId(one.member.identity.id);
  const born = { ...birthOf(one.member, birth), recipient: await recipientOf(one.member.home), cloud: 'far' };
  await parent.member.say({
    kind: 'reserve',
    birth,
    stack: `${birth}-body`,
    function: null,
    mode: 'delegate',
    why: '',
  });
  await keepCredentials(
    one.here,
    await endowFrom(parent.here, genome, {
      birth,
      portion: { functions, tokens: budget },
      owner: parent === seeder,
      generation: 1,
      sources: [],
    }),
  );
  await parent.member.say({ kind: 'birth', child: born, budget, why: '' });
  await sync(parent.member, one.member);
  await one.member.say({ kind: 'born', birth, parent: parent.member.identity.id, key: one.member.identity.publicKey });
  const to = one.member.identity.id;
  for (const name of functions) await parent.member.say({ kind: 'give', function: name, to, mode: 'replicate' });
  await parent.member.say({ kind: 'weaned', child: to });
  await everybody();
}

/** A seeder, the first cell with everything, and a child of it with one function; in `far` tokens are minted, in `near` not. */
export async function begin(): Promise<void> {
  now = START;
  linode = await startLinode(START);
  genome = genomeSchema.parse({
    organism: 'garden',
    zone: 'garden.example',
    clouds: {
      far: { provider: 'linode', region: 'eu-central', size: 'g6-nanode-1', credentials: 'env:LINODE' },
      near: { provider: 'digitalocean', region: 'ams3', size: 's-1vcpu-1gb', credentials: 'env:OCEAN' },
    },
    dns: { provider: 'linode', credentials: 'env:LINODE' },
    functions: { web: { run: './web', domain: 'www.garden.example' }, db: { run: './db' } },
  });
  seeder = await person();
  first = await person(seeder);
  child = await person(seeder);
  await seeder.member.say({
    kind: 'genesis',
    organism: 'garden',
    genome: '0'.repeat(64),
    maxCells: 4,
    functions: ['db', 'web'],
    key: seeder.member.identity.publicKey,
    recipient: await recipientOf(seeder.member.home),
  });
  const own = { token: linode.grant(SEEDER), endpoint: `${linode.url}/v4` };
  await keepCredentials(seeder.here, {
    compute: { far: own, near: { token: 'dop_v1_shared' } },
    dns: { dns: { ...own, zone: 'garden.example', domainId: 7 } },
  });
  await bear(seeder, first, 3, ['db', 'web']);
  await bear(first, child, 1, ['web']);
}

/** Sets every clock. */
export function goTo(at: number): void {
  now = at;
  linode.now = at;
}

export const labels = async (one: Person, generation: number, ...purposes: readonly string[]) => {
  const { birth } = await cellOf(one);
  return purposes.map((purpose) => `cell.garden.${birth}.${purpose}.${generation}`);
};
export const scopes = async (one: Person, purpose: string) => {
  const [label] = await labels(one, 1, purpose);
  return linode.tokens.find((token) => token.label === label)?.scopes;
};
export const settled = async (...people: readonly Person[]) => {
  for (const one of people) expect(await tend(one)).toEqual([]);
};
