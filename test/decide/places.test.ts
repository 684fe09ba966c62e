import { describe, expect, test } from 'vitest';
import { fold } from '../../src/decide/lineage.ts';
import { routes, type Traffics } from '../../src/decide/routes.ts';
import { whereAbouts } from '../../src/decide/where.ts';
import type { Pulse } from '../../src/model.ts';
import { feeds, SEEDER } from './feeds.ts';
import { genome, MIN, NOW, pulse } from './view.ts';

/** A has api and db, B and C replicas of api; C one of db too. */
const LIFE = `
  S genesis 5 api,db
  S reserve a; S birth A 4; S give api A; S give db A; A born S
  A reserve b; A birth B 0; B born A; A replicate api B
  A reserve c; A birth C 0; C born A; A replicate api C; A replicate db C`;
const lineage = fold(feeds(LIFE), SEEDER);

function seen(need: 'own' | 'shared', self: string, pulses: Readonly<Record<string, Pulse>>) {
  const genes = genome({ api: { domain: 'api.o.test', port: 7001, needs: { db: need } }, db: { port: 7002 } });
  return whereAbouts({ lineage, genome: genes, pulses, self, now: NOW });
}
const PULSES = {
  A: pulse('A', 1, { api: 'two', db: 'one' }),
  B: pulse('B', 1, { api: 'none' }),
  C: pulse('C', 1, { api: 'one', db: 'none' }),
};
const order = (need: 'own' | 'shared', self: string, name: string, pulses: Readonly<Record<string, Pulse>> = PULSES) =>
  seen(need, self, pulses).functions[name]?.map((place) => place.cell);

describe('where', () => {
  test('a place says all that is needed to go there', () => {
    const abouts = seen('own', 'A', PULSES);
    expect(abouts).toMatchObject({ v: 1, organism: 'o', cell: 'A' });
    expect(abouts.functions.api?.[0]).toEqual({
      cell: 'A',
      id: 'A',
      birth: 'a',
      address: '127.0.0.65',
      port: 7001,
      url: 'http://127.0.0.65:8080',
      domain: 'api.o.test',
      healthy: true,
      stale: false,
      level: 'two',
      own: true,
      parent: false,
    });
    expect(abouts.functions.db?.[0]).toMatchObject({ url: 'http://127.0.0.65:7002', domain: null, port: 7002 });
  });

  test("best first: the own one, or for what is shared the parent's, then the lower pressure", () => {
    expect(order('own', 'C', 'db')).toEqual(['C', 'A']);
    expect(order('shared', 'C', 'db')).toEqual(['A', 'C']);
    expect(order('own', 'B', 'api')).toEqual(['B', 'C', 'A']);
    expect(order('own', 'X', 'api')).toEqual(['B', 'C', 'A']);
  });

  test('what is unhealthy comes after, what was not heard of last', () => {
    const api = PULSES.C.functions.api;
    if (api === undefined) throw new Error('no api');
    const sick = { ...PULSES.C, functions: { ...PULSES.C.functions, api: { ...api, health: 'unhealthy' as const } } };
    expect(order('own', 'C', 'api', { ...PULSES, C: sick })).toEqual(['B', 'A', 'C']);
    const old = { ...PULSES.B, at: NOW - 4 * MIN };
    expect(order('own', 'C', 'api', { ...PULSES, C: sick, B: old })).toEqual(['A', 'C', 'B']);
    expect(seen('own', 'C', { ...PULSES, B: old }).functions.api?.at(-1)).toMatchObject({
      cell: 'B',
      stale: true,
      healthy: false,
    });
  });

  test('before the first cell there is nowhere to go', () => {
    const early = fold(feeds('S genesis 5 api,db'), SEEDER);
    expect(
      whereAbouts({ lineage: early, genome: genome({ api: {}, db: {} }), pulses: {}, self: 'S', now: NOW }).functions,
    ).toEqual({ api: [], db: [] });
  });
});

describe('routes', () => {
  const base: Traffics = {
    genome: genome({ api: { domain: 'api.o.test', port: 7001 }, db: { port: 7002 }, quiet: {} }),
    lineage,
    self: 'A',
    host: '127.0.0.1',
    ports: { api: 20_001, db: 20_002, quiet: 20_003 },
    running: ['db', 'api', 'quiet'],
    holding: new Set(),
    forwarding: [],
    tryForMs: 10_000,
    now: NOW,
  };
  const here = (port: number) => [{ address: '127.0.0.1', port }];

  test('to the programs here, by domain and by port', () => {
    expect(routes(base)).toEqual([
      { domain: 'api.o.test', function: 'api', upstreams: here(20_001), tryFor: 10_000 },
      { port: 7001, function: 'api', upstreams: here(20_001), tryFor: 10_000 },
      { port: 7002, function: 'db', upstreams: here(20_002), tryFor: 10_000 },
    ]);
  });

  test('into waiting while a function moves, also when it runs nowhere here any more', () => {
    const upstreams = (traffic: Traffics) =>
      routes(traffic)
        .filter((route) => route.function === 'db')
        .map((route) => route.upstreams);
    expect(upstreams({ ...base, holding: new Set(['db']) })).toEqual([[]]);
    expect(upstreams({ ...base, running: ['api'], holding: new Set(['db']) })).toEqual([[]]);
    expect(upstreams({ ...base, ports: {} })).toEqual([[]]);
    expect(upstreams({ ...base, running: [] })).toEqual([]);
  });

  test("on to the new home's ingress, until it is over", () => {
    const forwarding = [{ function: 'api', to: 'B', until: NOW + 1 }];
    const away = { ...base, running: [], forwarding };
    expect(routes(away)).toEqual([
      { domain: 'api.o.test', function: 'api', upstreams: [{ address: '127.0.0.66', port: 8080 }], tryFor: 10_000 },
      { port: 7001, function: 'api', upstreams: [{ address: '127.0.0.66', port: 7001 }], tryFor: 10_000 },
    ]);
    expect(routes({ ...away, now: NOW + 1 })).toEqual([]);
    expect(routes({ ...away, running: ['api'] })[0]?.upstreams).toEqual(here(20_001));
    expect(routes({ ...away, holding: new Set(['api']) })[0]?.upstreams).toEqual([]);
    expect(routes({ ...away, forwarding: [{ function: 'api', to: 'nobody', until: NOW + 1 }] })[0]?.upstreams).toEqual(
      [],
    );
  });
});
