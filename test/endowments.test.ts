/**
 * Credentials over a life, with real keys and feeds, Linode's stand-in and no machines: a seeder, the first cell, and its
 * child, each with a home of its own. The clock is the test's.
 */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Genome, genomeSchema } from '../genome/schema.ts';
import { createRecipient, recipientOf, unseal } from '../src/effects/age.ts';
import { endowFirst, endowFrom, tendCredentials, unmint } from '../src/endowments.ts';
import { CellError } from '../src/errors.ts';
import { changeGrants, grantsOf, noteRefusal } from '../src/grants.ts';
import { credentialsOf, type Here, keepCredentials, lineageOf, openHome } from '../src/here.ts';
import { run } from '../src/journal.ts';
import { newDivision, newMachine } from '../src/making.ts';
import { takingBack } from '../src/mitosis.ts';
import type { Cell, Deed } from '../src/model.ts';
import type { Mitosis, Parent } from '../src/saga.ts';
import { endow } from '../src/steps/endow.ts';
import { removeStrays, strays } from '../src/sweep.ts';
import { refusedCredential } from '../stacks/rest.ts';
import type { Json } from '../stacks/stack.ts';
import { birthId, birthOf, type Member, member, sync, tempDir } from './memory/support.ts';
import { type LinodeStandIn, startLinode } from './stacks/credentials/linode.support.ts';

const DAY = 86_400_000;
const START = Date.UTC(2026, 4, 4, 12, 0, 0);
const SEEDER = 'account:read_write domains:read_write events:read_only firewall:read_write linodes:read_write';

let linode: LinodeStandIn;
let now: number;
let genome: Genome;
let seeder: Person;
let first: Person;
let child: Person;

interface Person {
  readonly member: Member;
  readonly here: Here;
  readonly said: string[];
}

/** Dials nobody: what is asked of machines is none of this. */
async function person(of?: Person): Promise<Person> {
  const one = member(tempDir(), of?.member.identity.id);
  await createRecipient(one.home);
  const said: string[] = [];
  const opened = await openHome(one.home, (line) => said.push(line));
  return { member: one, here: { ...opened, memory: one.memory, clock: () => now }, said };
}

const cellOf = async ({ member: one }: Person, seen: Person = seeder): Promise<Cell> =>
  (await lineageOf(seen.here)).cells[one.identity.id] as Cell;
const tokenIn = (json: Json | undefined) => (json as { readonly token: string } | undefined)?.token ?? '';
const tokenOf = async ({ here }: Person) => {
  const { compute, dns } = await credentialsOf(here);
  return tokenIn(compute?.far ?? dns?.dns);
};
const tokens = () => linode.tokens.filter(({ label }) => label.startsWith('cell.')).map(({ label }) => label);
const works = async (token: string, path: string) => {
  const answer = await fetch(`${linode.url}/v4${path}`, {
    method: 'POST',
    headers: { authorization: `Bearer ${token}` },
  });
  return answer.status;
};
const tend = ({ here }: Person) => tendCredentials(here, genome);

/** Says a deed and lets everybody hear it. */
async function say({ member: one }: Person, deed: Deed): Promise<void> {
  await one.say(deed);
  await everybody();
}
async function everybody(): Promise<void> {
  for (const [one, other] of [
    [seeder, first],
    [first, child],
    [seeder, first],
  ] as const) {
    await sync(one.member, other.member);
  }
}

/** Its birth, with credentials as a division hands them over; functions come after it. */
async function bear(parent: Person, one: Person, budget: number, functions: readonly string[]): Promise<void> {
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

beforeEach(async () => {
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
});
afterEach(() => linode.close());

const labels = async (one: Person, generation: number, ...purposes: readonly string[]) => {
  const { birth } = await cellOf(one);
  return purposes.map((purpose) => `cell.garden.${birth}.${purpose}.${generation}`);
};
const scopes = async (one: Person, purpose: string) => {
  const [label] = await labels(one, 1, purpose);
  return linode.tokens.find((token) => token.label === label)?.scopes;
};
const settled = async (...people: readonly Person[]) => {
  for (const one of people) expect(await tend(one)).toEqual([]);
};

describe('a line of descent', () => {
  test('has less and less: minted where it can be, handed on where not, nothing where nothing is to be done', async () => {
    expect(tokens()).toEqual([
      ...(await labels(first, 1, 'compute-far', 'dns-dns')),
      ...(await labels(child, 1, 'compute-far', 'dns-dns')),
    ]);
    expect(await scopes(first, 'compute-far')).toContain('account:read_write');
    // One more cell of its own, which will make no machines: only records are to be minted for.
    expect(await scopes(child, 'compute-far')).toBe('events:read_only firewall:read_write linodes:read_write');
    expect(await scopes(child, 'dns-dns')).toBe('account:read_write domains:read_write');
    const own = await credentialsOf(child.here);
    expect(own.compute?.near).toEqual({ token: 'dop_v1_shared' });
    expect(own.dns?.dns).toMatchObject({ zone: 'garden.example', domainId: 7 });
    expect(await works(tokenIn(own.compute?.far), '/linode/instances')).toBe(200);
    expect(await works(tokenIn(own.compute?.far), '/domains')).toBe(403);

    const leaf = { birth: 'b0000000001', owner: false, generation: 1, sources: [] };
    const silent = await endowFrom(child.here, genome, { ...leaf, portion: { functions: ['db'], tokens: 0 } });
    expect(silent).toEqual({ compute: null, dns: null });
    const speaking = await endowFrom(child.here, genome, { ...leaf, portion: { functions: ['web'], tokens: 0 } });
    expect(speaking.compute).toBeNull();
    expect(await works(tokenIn(speaking.dns?.dns), '/domains')).toBe(200);
    expect(await works(tokenIn(speaking.dns?.dns), '/profile/tokens')).toBe(403);
  });

  test('gives nobody what was minted for itself alone', async () => {
    const more = {
      birth: 'b0000000001',
      owner: false,
      generation: 1,
      sources: [],
      portion: { functions: [], tokens: 1 },
    };
    const error = await endowFrom(child.here, genome, more).catch((thrown: unknown) => thrown);
    expect(error).toMatchObject({ code: 'NOT_ALLOWED' });
    expect(tokens().some((label) => label.includes('b0000000001'))).toBe(false);
  });

  test('does nothing while nothing is due, and asks nobody', async () => {
    const before = linode.asked.length;
    await settled(first, child);
    now = START + 4 * DAY;
    await settled(first, child);
    expect(linode.asked.length).toBe(before);
  });
});

describe('before they end', () => {
  test('a parent mints others for its child, which takes them; what was before is revoked then', async () => {
    const old = await tokenOf(child);
    now = linode.now = START + 5 * DAY;
    await settled(first);
    await everybody();
    expect((await cellOf(child)).endowment).toEqual({ given: 2, taken: 1, lacks: null });
    expect(await works(old, '/linode/instances')).toBe(200);
    await settled(child);
    await everybody();
    expect((await cellOf(child)).endowment).toEqual({ given: 2, taken: 2, lacks: null });
    const fresh = await tokenOf(child);
    expect(fresh).not.toBe(old);
    await settled(first);
    expect(await works(old, '/linode/instances')).toBe(401);
    expect(await works(fresh, '/linode/instances')).toBe(200);
    expect(tokens().sort()).toEqual(
      [
        ...(await labels(first, 2, 'compute-far', 'dns-dns')),
        ...(await labels(child, 2, 'compute-far', 'dns-dns')),
      ].sort(),
    );
    const asked = linode.asked.length;
    await settled(first, child);
    expect(linode.asked.length).toBe(asked);
  });

  test('the first cell mints its own, also while the organism is frozen', async () => {
    await say(seeder, { kind: 'freeze', why: 'a look' });
    const old = await tokenOf(first);
    now = linode.now = START + 5 * DAY;
    await settled(first);
    const fresh = await tokenOf(first);
    expect(fresh).not.toBe(old);
    await settled(first);
    expect(await works(old, '/linode/instances')).toBe(401);
    expect(await works(fresh, '/linode/instances')).toBe(200);
    await everybody();
    expect((await cellOf(first)).endowment).toEqual({ given: 2, taken: 2, lacks: null });
  });

  test('what travels is sealed to the child and the recovery key, and nobody else reads it', async () => {
    now = linode.now = START + 5 * DAY;
    await settled(first);
    await everybody();
    const { birth } = await cellOf(child);
    const sealed = await seeder.here.memory.file(first.member.identity.id, `endowments/${birth}.age`);
    for (const one of [child, seeder]) {
      expect(JSON.parse((await unseal(one.member.home, sealed!)).toString())).toMatchObject({ v: 1, generation: 2 });
    }
    await expect(unseal(first.member.home, sealed!)).rejects.toThrow(CellError);
    for (const { token } of linode.tokens) {
      expect(sealed!.toString('latin1')).not.toContain(token);
      for (const one of [seeder, first, child]) expect(one.said.join('\n')).not.toContain(token);
      expect(JSON.stringify(await first.here.memory.entries(first.member.identity.id))).not.toContain(token);
      expect(readFileSync(join(first.member.home, 'grants.json'), 'utf8')).not.toContain(token);
    }
    expect(statSync(join(child.member.home, 'credentials.json')).mode & 0o777).toBe(0o600);
  });
});

describe('killed', () => {
  /** As if the process had ended when Linode had done what was asked: its answer never comes. */
  function loseTheAnswer(): void {
    linode.trouble = ({ method, body }) => {
      if (method !== 'POST') return null;
      linode.trouble = null;
      const { label = '', scopes: wanted = '' } = body as { label?: string; scopes?: string };
      linode.tokens.push({ ...linode.tokens[0]!, id: 5000, label, scopes: wanted, token: 'nobody has it' });
      return { status: 0, cut: true };
    };
  }

  test('after a token was made and before anybody knew it, the next tick replaces it', async () => {
    now = linode.now = START + 5 * DAY;
    loseTheAnswer();
    expect((await tend(first)).join()).toMatch(/endow failed .*Linode does not answer/);
    await settled(first);
    await everybody();
    await settled(child);
    await everybody();
    await settled(first);
    await settled(first);
    expect(linode.tokens.some(({ token }) => token === 'nobody has it')).toBe(false);
    expect(new Set(tokens()).size).toBe(tokens().length);
    expect(tokens()).toHaveLength(4);
  });

  test('after the child was told and before that was noted, it gets others once more, and none is left', async () => {
    const { birth } = await cellOf(child);
    const before = (await grantsOf(first.here)).given[birth]!;
    now = linode.now = START + 5 * DAY;
    await settled(first);
    await changeGrants(first.here, (all) => ({ ...all, given: { ...all.given, [birth]: before } }));
    for (let beats = 0; beats < 4; beats++) {
      await settled(first);
      await everybody();
      await settled(child);
      await everybody();
    }
    const ours = tokens().filter((label) => label.includes(birth));
    expect(ours).toEqual(await labels(child, 3, 'compute-far', 'dns-dns'));
    expect(await works(await tokenOf(child), '/linode/instances')).toBe(200);
  });

  test('after the first cell took its own and before it said so, it never revokes what it uses', async () => {
    now = linode.now = START + 5 * DAY;
    const append = first.here.memory.append;
    const mute = async () => {
      throw new CellError('FEED_REFUSED', 'killed here');
    };
    const broken = { ...first.here, memory: { ...first.here.memory, append: mute } };
    expect((await tendCredentials(broken, genome)).join()).toMatch(/killed here/);
    expect(first.here.memory.append).toBe(append);
    for (let beats = 0; beats < 3; beats++) {
      await settled(first);
      now = linode.now = now + 60_000;
      expect(await works(await tokenOf(first), '/linode/instances')).toBe(200);
    }
    now = linode.now = now + 5 * DAY;
    await tend(first);
    expect(await works(await tokenOf(first), '/linode/instances')).toBe(200);
  });
});

describe('a credential that is refused', () => {
  const revokeByHand = (token: string) => {
    linode.tokens.splice(
      linode.tokens.findIndex((one) => one.token === token),
      1,
    );
  };

  test('is said in the feed with the reason, and the parent mints another', async () => {
    const old = await tokenOf(child);
    revokeByHand(old);
    await noteRefusal(child.here, refusedCredential('Linode', 'Invalid Token'));
    await settled(child);
    await everybody();
    expect((await cellOf(child)).endowment?.lacks).toMatch(/Linode does not take this credential: it was revoked/);
    await settled(first);
    await everybody();
    await settled(child);
    await everybody();
    expect((await cellOf(child)).endowment).toEqual({ given: 2, taken: 2, lacks: null });
    expect(await works(await tokenOf(child), '/linode/instances')).toBe(200);
    await settled(child, first);
  });

  test('of the first cell is brought by the seeder', async () => {
    for (const { token } of [...linode.tokens].filter(({ label }) => label.startsWith('cell.'))) revokeByHand(token);
    now = linode.now = START + 5 * DAY;
    // In the middle of minting it hears that it is nobody: every tick says why, and what to do.
    expect((await tend(first)).join()).toMatch(/Linode does not take this credential/);
    expect((await tend(first)).join()).toMatch(/run `cell seed` again/);
    await everybody();
    await endowFirst(seeder.here, genome, await cellOf(first));
    await everybody();
    for (let beats = 0; beats < 3; beats++) {
      await tend(first);
      await everybody();
      await tend(child);
      await everybody();
    }
    await settled(first, child);
    for (const one of [first, child]) expect(await works(await tokenOf(one), '/linode/instances')).toBe(200);
  });

  test('says nothing of what only broke on the way', async () => {
    await noteRefusal(child.here, new CellError('PROVIDER_REFUSED', 'Linode does not answer'));
    await noteRefusal(child.here, new CellError('STACK_FAILED', 'no room', { why: 'region eu-central is full' }));
    expect((await grantsOf(child.here)).refused).toBeNull();
    const plugin = new CellError('STACK_FAILED', 'b-body: up failed', { why: 'linodego: [401] Invalid Token' });
    await noteRefusal(child.here, plugin);
    expect((await grantsOf(child.here)).refused?.why).toMatch(/401/);
  });
});

describe('a credential that ends in the middle of a division', () => {
  /** The division stands before `endow`: a machine is there, and its child has no credentials yet. */
  async function dividing() {
    const birth = 'b00000000aa';
    const stack = `garden-${birth}-body`;
    await say(first, { kind: 'reserve', birth, stack, function: 'web', mode: 'replicate', why: 'a test' });
    const purpose = { mode: 'replicate', functions: ['web'], budget: 0, why: 'a test' } as const;
    const saga = { ...newDivision(now, purpose, newMachine(birth, 'far')), step: 'endow' };
    const machines = new Set([birth]);
    const parent = {
      id: first.member.identity.id,
      genome,
      donor: { runs: true, resume: async () => {}, speak: async () => {} },
      lineage: () => lineageOf(first.here),
      say: (deed: Deed) => first.member.say(deed),
      endow: (taker: Parameters<Parent['endow']>[0]) => endowFrom(first.here, genome, taker),
      unmake: async () => {
        machines.clear();
        await unmint(first.here, genome, birth);
      },
    } as unknown as Parent;
    const context = { journal: first.here.journal, now: () => now };
    const forward = () => run<Mitosis>(saga, [['endow', (one) => endow(parent, one)]], context);
    const back = () => run<Mitosis>(Object.assign(saga, { step: 'takeBack' }), takingBack(parent), context);
    return { birth, saga, machines, forward, back };
  }

  test('gives a clear reason, and what was begun is taken back with nothing left', async () => {
    const { saga, machines, forward, back } = await dividing();
    const dns = tokenIn((await credentialsOf(first.here)).dns?.dns);
    const minter = linode.tokens.find(({ token }) => token === dns)!;
    linode.tokens.splice(linode.tokens.indexOf(minter), 1);
    const before = tokens();
    const outcome = await forward();
    expect(outcome).toMatchObject({ kind: 'failed', step: 'endow' });
    expect(saga.lastFailure).toBe(
      'Linode does not take this credential: it was revoked, has run out, or never was one (Invalid Token)',
    );
    expect(JSON.stringify(saga)).not.toContain(dns);
    expect(await back()).toEqual({ kind: 'done' });
    expect(machines.size).toBe(0);
    expect((await cellOf(first, first)).attempts).toEqual([]);
    expect(tokens()).toEqual(before);
    expect(await first.here.journal.open()).toEqual([]);
  });

  test('goes on where it was once there is another', async () => {
    const { birth, saga, forward } = await dividing();
    linode.trouble = ({ method }) =>
      method === 'POST' ? { status: 401, body: { errors: [{ reason: 'Invalid Token' }] } } : null;
    expect((await forward()).kind).toBe('failed');
    linode.trouble = null;
    expect(await forward()).toEqual({ kind: 'done' });
    expect(saga.endowment?.dns?.dns).toMatchObject({ zone: 'garden.example' });
    expect(tokens().filter((label) => label.includes(birth))).toEqual([`cell.garden.${birth}.dns-dns.1`]);
  });
});

describe('when a cell has gone', () => {
  test('what it had is revoked at once', async () => {
    const old = await tokenOf(child);
    await unmint(first.here, genome, (await cellOf(child)).birth);
    expect(await works(old, '/linode/instances')).toBe(401);
    expect(tokens()).toEqual(await labels(first, 1, 'compute-far', 'dns-dns'));
  });

  test('while the provider is down it is owed, and the next tick pays', async () => {
    const old = await tokenOf(child);
    const { birth } = await cellOf(child);
    linode.trouble = () => ({ status: 0, cut: true });
    await unmint(first.here, genome, birth);
    expect((await grantsOf(first.here)).owed).toEqual([birth]);
    expect(await works(old, '/linode/instances').catch(() => 'cut')).toBe('cut');
    linode.trouble = null;
    await tend(first);
    expect(await works(old, '/linode/instances')).toBe(401);
    expect((await grantsOf(first.here)).owed).toEqual([]);
  }, 30_000);
});

test('a token that was changed by hand where it was seeded comes down the line', async () => {
  const own = await credentialsOf(seeder.here);
  await keepCredentials(seeder.here, { ...own, compute: { ...own.compute, near: { token: 'dop_v1_another' } } });
  await endowFirst(seeder.here, genome, await cellOf(first));
  for (let beats = 0; beats < 3; beats++) {
    await everybody();
    await settled(first);
    await everybody();
    await settled(child);
  }
  for (const one of [first, child]) {
    expect((await credentialsOf(one.here)).compute?.near).toEqual({ token: 'dop_v1_another' });
  }
});

test('a sweep finds tokens of births that nobody knows, and removes no other', async () => {
  // Only what is minted is looked at: machines and records have sweeps and tests of their own.
  const nothing = { compute: {}, dns: (await credentialsOf(seeder.here)).dns };
  linode.trouble = ({ path }) =>
    path.startsWith('/v4/domains') ? { status: 200, body: { data: [], page: 1, pages: 1, results: 0 } } : null;
  const known = new Set([(await cellOf(first)).birth]);
  const found = (await strays(genome, nothing, known)).filter(({ kind }) => kind === 'credential');
  expect(found.map(({ what }) => what).sort()).toEqual(['Linode for dns, number 1', 'Linode for far, number 1']);
  await removeStrays(genome, nothing, found);
  expect(tokens()).toEqual(await labels(first, 1, 'compute-far', 'dns-dns'));
});
