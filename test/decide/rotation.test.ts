import { describe, expect, test } from 'vitest';
import { fold } from '../../src/decide/lineage.ts';
import { closedBy, closedFor, dueAt, type Errand, errands, type Grant, type Keys } from '../../src/decide/rotation.ts';
import { feeds, SEEDER } from './feeds.ts';
import { DIVIDED, MIN, NOW, SEEDED } from './view.ts';

const HOUR = 60 * MIN;
const DAY = 24 * HOUR;
const BEAT = MIN;

const grant = (more: Partial<Grant> = {}): Grant => ({
  generation: 1,
  mintedAt: NOW,
  until: NOW + 7 * DAY,
  retired: 1,
  sources: [],
  shared: 'same',
  ...more,
});
const keys = (more: Partial<Keys> = {}): Keys => ({
  own: [],
  generation: 1,
  grants: { b: grant() },
  owed: [],
  mints: () => true,
  shared: () => 'same',
  purposes: () => [],
  refused: null,
  ...more,
});
const ask = (life: string, me: string, more: Partial<Keys>, at = NOW): readonly Errand[] =>
  errands(fold(feeds(life), SEEDER), me, keys(more), at, BEAT);
const kinds = (found: readonly Errand[]) => found.map(({ kind }) => kind);

test('two thirds of its life are used; some beats are always left', () => {
  expect(dueAt(NOW, NOW + 9 * DAY, BEAT)).toBe(NOW + 6 * DAY);
  expect(dueAt(NOW, NOW + HOUR, 15 * MIN)).toBe(NOW + 15 * MIN);
  expect(dueAt(NOW, null, BEAT)).toBeNull();
});

describe('a parent', () => {
  test('leaves its child what it has until two thirds are over', () => {
    expect(ask(DIVIDED, 'A', {})).toEqual([]);
    const due = NOW + (7 * DAY * 2) / 3;
    expect(ask(DIVIDED, 'A', {}, due - 1)).toEqual([]);
    expect(ask(DIVIDED, 'A', {}, due)).toEqual([
      { kind: 'endow', cell: 'B', generation: 2, why: 'B: its credentials end in 56 h' },
    ]);
    expect(ask(DIVIDED, 'A', {}, NOW + 8 * DAY)[0]?.why).toBe('B: its credentials have ended');
  });

  test('mints again for one that says it lacks them, once', () => {
    expect(ask(`${DIVIDED}; B lack`, 'A', {})).toEqual([
      { kind: 'endow', cell: 'B', generation: 2, why: 'B: it says that it was revoked' },
    ]);
    const given = { grants: { b: grant({ generation: 2 }) } };
    expect(ask(`${DIVIDED}; B lack; A endow B 2`, 'A', given)).toEqual([]);
    expect(kinds(ask(`${DIVIDED}; B lack; A endow B 2; B endowed 2`, 'A', given))).toEqual(['retire']);
    const retired = { grants: { b: grant({ generation: 2, retired: 2 }) } };
    expect(ask(`${DIVIDED}; B lack; A endow B 2; B endowed 2`, 'A', retired)).toEqual([]);
    expect(kinds(ask(`${DIVIDED}; B lack; A endow B 2; B endowed 2; B lack`, 'A', retired))).toEqual(['endow']);
  });

  test('revokes nothing before the child says that it uses the new ones', () => {
    const given = { grants: { b: grant({ generation: 2 }) } };
    expect(ask(`${DIVIDED}; A endow B 2`, 'A', given)).toEqual([]);
    expect(ask(`${DIVIDED}; A endow B 2; B endowed 2`, 'A', given)).toEqual([
      { kind: 'retire', cell: 'B', generation: 2, why: 'B has others' },
    ]);
  });

  test('mints again where it does not know what was given: as an heir, or killed before it noted it', () => {
    expect(kinds(ask(DIVIDED, 'A', { grants: {} }))).toEqual(['endow']);
    expect(ask(DIVIDED, 'A', { grants: {}, mints: () => false })).toEqual([]);
    expect(ask(`${DIVIDED}; A endow B 2`, 'A', {})).toEqual([
      { kind: 'endow', cell: 'B', generation: 3, why: 'B: nobody here knows when its credentials end' },
    ]);
  });

  test('hands on anew what is another now', () => {
    const shared = { grants: { b: grant({ until: null }) }, mints: () => false };
    expect(ask(DIVIDED, 'A', shared)).toEqual([]);
    expect(ask(DIVIDED, 'A', { ...shared, shared: () => 'other' })[0]?.why).toBe(
      'B: what was handed on to it is another now',
    );
  });

  test('does nothing for a child that is being made, goes, or is gone', () => {
    const due = NOW + 8 * DAY;
    const unweaned = `${SEEDED}; A reserve b; A birth B 1; B born A; A give web B`;
    expect(ask(unweaned, 'A', {}, due)).toEqual([]);
    const going = `${DIVIDED}; B return web A; B wilt; B farewell`;
    expect(ask(going, 'A', {}, due)).toEqual([]);
    expect(ask(`${going}; A bury B`, 'A', {}, due)).toEqual([]);
  });

  test('takes back later what it could not take back at once', () => {
    expect(ask(DIVIDED, 'A', { owed: ['b0123456789'] })).toEqual([
      { kind: 'revoke', birth: 'b0123456789', why: 'it could not be done when it ended' },
    ]);
  });

  test('goes on with all of it while the organism is frozen', () => {
    expect(kinds(ask(`${DIVIDED}; S freeze`, 'A', {}, NOW + 8 * DAY))).toEqual(['endow']);
  });
});

describe('a cell', () => {
  const own = (more: Partial<Keys['own'][number]> = {}) => [
    { purpose: 'dns-dns', mintedAt: NOW, until: NOW + 7 * DAY, ...more },
  ];
  const leaf = { grants: {} };

  test('takes what its parent gave, and says so once', () => {
    expect(ask(`${DIVIDED}; A endow B 2`, 'B', leaf)).toEqual([
      { kind: 'take', generation: 2, why: 'its parent minted others' },
    ]);
    expect(ask(`${DIVIDED}; A endow B 2; B endowed 2`, 'B', leaf)).toEqual([]);
  });

  test('does not mint for itself what its parent minted', () => {
    expect(ask(DIVIDED, 'B', { ...leaf, own: own() }, NOW + 8 * DAY)).toEqual([]);
  });

  test('renews by itself what lasts too shortly for anybody else', () => {
    const session = own({ purpose: 'compute-near', lapses: NOW + HOUR });
    expect(ask(DIVIDED, 'B', { ...leaf, own: session }, NOW + 39 * MIN)).toEqual([]);
    expect(ask(DIVIDED, 'B', { ...leaf, own: session }, NOW + 40 * MIN)).toEqual([
      { kind: 'renew', purpose: 'compute-near', why: 'compute-near ends in 20 min' },
    ]);
    const renewed = own({ purpose: 'compute-near', lapses: NOW + 100 * MIN, renewedAt: NOW + 40 * MIN });
    expect(ask(DIVIDED, 'B', { ...leaf, own: renewed }, NOW + 79 * MIN)).toEqual([]);
    expect(kinds(ask(DIVIDED, 'B', { ...leaf, own: renewed }, NOW + 80 * MIN))).toEqual(['renew']);
  });

  test('says that it lacks what was refused, once, and not when that is long ago', () => {
    const refused = { ...leaf, refused: { why: 'it was revoked', at: NOW } };
    expect(ask(DIVIDED, 'B', refused)).toEqual([{ kind: 'lack', why: 'it was revoked' }]);
    expect(ask(`${DIVIDED}; B lack`, 'B', refused)).toEqual([]);
    expect(ask(DIVIDED, 'B', refused, NOW + HOUR)).toEqual([]);
    expect(kinds(ask(`${DIVIDED}; A endow B 2`, 'B', refused))).toEqual(['take']);
  });

  test('that is the first mints for itself, and retires what it had', () => {
    const first = { grants: {}, own: own() };
    expect(ask(SEEDED, 'A', first)).toEqual([]);
    expect(ask(SEEDED, 'A', first, NOW + 5 * DAY)).toEqual([
      { kind: 'endow', cell: 'A', generation: 2, why: 'its own end in 48 h' },
    ]);
    const fresh = { ...first, generation: 2, own: own({ mintedAt: NOW + 5 * DAY, until: NOW + 12 * DAY }) };
    expect(kinds(ask(`${SEEDED}; A endowed 2`, 'A', fresh, NOW + 5 * DAY))).toEqual(['retire']);
    // Killed before it said so: what it has says it, and nothing is minted under a name that is in use.
    expect(kinds(ask(SEEDED, 'A', fresh, NOW + 5 * DAY))).toEqual(['retire']);
    expect(ask(SEEDED, 'A', fresh, NOW + 10 * DAY)).toMatchObject([{ kind: 'endow', generation: 3 }]);
    const done = { ...fresh, grants: { a: grant({ generation: 2, retired: 2 }) } };
    expect(ask(`${SEEDED}; A endowed 2`, 'A', done, NOW + 5 * DAY)).toEqual([]);
  });

  test('that has none does nothing', () => {
    expect(ask(SEEDED, 'A', { grants: {} }, NOW + 99 * DAY)).toEqual([]);
  });
});

test('a cloud that the genome has new comes down the line, to who needs it and had nothing for it', () => {
  const given = { b: grant({ purposes: ['compute-near'] }) };
  expect(ask(DIVIDED, 'A', { grants: given, purposes: () => ['compute-near'] })).toEqual([]);
  expect(ask(DIVIDED, 'A', { grants: given, purposes: () => ['compute-far', 'compute-near'] })).toEqual([
    { kind: 'endow', cell: 'B', generation: 2, why: 'B: it has none for compute-far yet' },
  ]);
  expect(ask(DIVIDED, 'A', { grants: given, purposes: () => [] })).toEqual([]);
  // What an earlier version wrote says nothing about that.
  expect(ask(DIVIDED, 'A', { purposes: () => ['compute-far'] })).toEqual([]);
});

test('nothing is begun in a cloud for which there is no credential', () => {
  const far = { provider: 'linode', credentials: 'env:X' };
  const clouds = { near: { provider: 'local' }, far } as unknown as Parameters<typeof closedFor>[0];
  expect(closedFor(clouds, { near: null })).toEqual({ far: 'no credential for it came here yet' });
  expect(closedFor(clouds, { near: null, far: 'x' })).toEqual({});
  expect(closedFor(clouds, null)).toEqual({});
});

test('nothing is begun in a cloud whose credential ends before it would be done', () => {
  const own = (more: Partial<Keys['own'][number]>) => [
    { purpose: 'compute-near', mintedAt: NOW, until: null, ...more },
  ];
  expect(closedBy(own({}), NOW)).toEqual({});
  expect(closedBy(own({ until: NOW + 10 * MIN }), NOW)).toEqual({});
  expect(closedBy(own({ until: NOW + 9 * MIN }), NOW)).toEqual({ near: 'its credential ends in 9 min' });
  expect(closedBy(own({ until: NOW + DAY, lapses: NOW }), NOW)).toEqual({ near: 'its credential has ended' });
  expect(closedBy(own({ purpose: 'dns-near', until: NOW }), NOW)).toEqual({});
});
