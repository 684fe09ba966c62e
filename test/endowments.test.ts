/** What cells have of credentials over a life without mishaps, and killed anywhere in it. */
import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { unseal } from '../src/effects/age.ts';
import { endowFirst, endowFrom, tendCredentials } from '../src/endowments.ts';
import { CellError } from '../src/errors.ts';
import { changeGrants, grantsOf } from '../src/grants.ts';
import { credentialsOf, keepCredentials } from '../src/here.ts';
import { removeStrays, strays } from '../src/sweep.ts';
import {
  begin,
  cellOf,
  child,
  DAY,
  everybody,
  first,
  genome,
  goTo,
  labels,
  linode,
  now,
  SEEDER,
  START,
  say,
  scopes,
  seeder,
  settled,
  tend,
  tokenIn,
  tokenOf,
  tokens,
  works,
} from './endowments.support.ts';

beforeEach(begin);
afterEach(() => linode.close());

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
    goTo(START + 4 * DAY);
    await settled(first, child);
    expect(linode.asked.length).toBe(before);
  });
});

describe('before they end', () => {
  test('a parent mints others for its child, which takes them; what was before is revoked then', async () => {
    const old = await tokenOf(child);
    goTo(START + 5 * DAY);
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
    goTo(START + 5 * DAY);
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
    goTo(START + 5 * DAY);
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
    goTo(START + 5 * DAY);
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
    goTo(START + 5 * DAY);
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
    goTo(START + 5 * DAY);
    const append = first.here.memory.append;
    const mute = async () => {
      throw new CellError('FEED_REFUSED', 'killed here');
    };
    const broken = { ...first.here, memory: { ...first.here.memory, append: mute } };
    expect((await tendCredentials(broken, genome)).join()).toMatch(/killed here/);
    expect(first.here.memory.append).toBe(append);
    for (let beats = 0; beats < 3; beats++) {
      await settled(first);
      goTo(now + 60_000);
      expect(await works(await tokenOf(first), '/linode/instances')).toBe(200);
    }
    goTo(now + 5 * DAY);
    await tend(first);
    expect(await works(await tokenOf(first), '/linode/instances')).toBe(200);
  });
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

test('a cloud that the genome has new comes down the line from where it was seeded, minted where it can be', async () => {
  const { far } = genome.clouds;
  if (far === undefined) throw new Error('there is a cloud');
  const wider = { ...genome, clouds: { ...genome.clouds, third: far } };
  // Nobody has anything for it, so nothing is done about it.
  expect(await tendCredentials(first.here, wider)).toEqual([]);
  expect((await credentialsOf(first.here)).compute).not.toHaveProperty('third');
  const own = await credentialsOf(seeder.here);
  const token = linode.grant(SEEDER);
  const third = { token, endpoint: `${linode.url}/v4` };
  await keepCredentials(seeder.here, { ...own, compute: { ...own.compute, third } });
  await endowFirst(seeder.here, wider, await cellOf(first));
  for (let beats = 0; beats < 4; beats++) {
    await everybody();
    expect(await tendCredentials(first.here, wider)).toEqual([]);
    await everybody();
    expect(await tendCredentials(child.here, wider)).toEqual([]);
  }
  for (const one of [first, child]) {
    const given = tokenIn((await credentialsOf(one.here)).compute?.third);
    expect(given).not.toBe(token);
    expect(await works(given, '/linode/instances')).toBe(200);
    expect(await works(given, '/domains')).toBe(403);
  }
  // Once: what is there is not minted again.
  const before = tokens();
  await endowFirst(seeder.here, wider, await cellOf(first));
  await tendCredentials(first.here, wider);
  expect(tokens()).toEqual(before);
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
