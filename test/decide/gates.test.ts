import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type CaddySettings, caddyConfig, socketOf } from '../../src/decide/caddy.ts';
import { frontOf, HTTPS_PORT } from '../../src/decide/front.ts';
import { gates } from '../../src/decide/gates.ts';
import { fold } from '../../src/decide/lineage.ts';
import type { Traffics } from '../../src/decide/routes.ts';
import { type Pressed, spare } from '../../src/decide/spare.ts';
import type { Level, Pulse } from '../../src/model.ts';
import { feeds, SEEDER } from './feeds.ts';
import { genome, MIN, NOW, pulse } from './view.ts';

/** A, with api and db, is parent of B and C, which are homes of api too; D is C's child and none of A's business. */
const LIFE = `
  S genesis 6 api,db
  S reserve a; S birth A 5; S give api A; S give db A; A born S
  A reserve b; A birth B 0; B born A; A replicate api B
  A reserve c; A birth C 1; C born A; A replicate api C
  C reserve d; C birth D 0; D born C`;
const lineage = fold(feeds(LIFE), SEEDER);
const genes = genome({ api: { domain: 'api.o.test', port: 7001 }, db: { port: 7002 } });
const base: Traffics & Pressed = {
  genome: genes,
  lineage,
  self: 'A',
  host: '127.0.0.1',
  ports: { api: 20_001, db: 20_002 },
  running: ['api', 'db'],
  holding: new Set(),
  forwarding: [],
  tryForMs: 10_000,
  pulses: {},
  freshFor: 3 * MIN,
  now: NOW,
};
const leads = (traffic: Partial<typeof base>, name: string) =>
  gates({ ...base, ...traffic }, null).find((gate) => gate.name === name)?.leads;

describe('gates', () => {
  test('each domain and each port has one, with all the ways that it may need', () => {
    const found = gates(base, null);
    expect(found.map(({ name, match }) => [name, match])).toEqual([
      ['api.d', { domain: 'api.o.test' }],
      ['api.p', { port: 7001 }],
      ['db.p', { port: 7002 }],
    ]);
    expect(found[0]?.ways.map(({ key }) => key)).toEqual(['here', 'b', 'c', '4.b', '2.b', '4.c', '2.c']);
    expect(found[1]?.ways).toEqual([
      { kind: 'program', key: 'here', dial: '127.0.0.1:20001' },
      { kind: 'cell', key: 'b', dial: '127.0.0.66:7001', tls: null },
      { kind: 'cell', key: 'c', dial: '127.0.0.67:7001', tls: null },
    ]);
    expect(gates(base, HTTPS_PORT)[0]?.ways[1]).toEqual({
      kind: 'cell',
      key: 'b',
      dial: '127.0.0.66:443',
      tls: 'api.o.test',
    });
  });

  test('lead to the program, into waiting, or to another cell', () => {
    expect(leads({}, 'api.d')).toBe('here');
    expect(leads({ holding: new Set(['api']) }, 'api.d')).toBeNull();
    const forwarding = [{ function: 'api', to: 'B', until: NOW + 1 }];
    expect(leads({ running: ['db'], forwarding }, 'api.d')).toBe('b');
    expect(leads({ running: ['db'], forwarding }, 'api.p')).toBe('b');
    expect(leads({ running: ['db'], forwarding, now: NOW + 1 }, 'api.d')).toBeNull();
    // Prepared, and not started yet: shut, and there.
    expect(leads({ running: [] }, 'db.p')).toBeNull();
    expect(leads({ running: [], ports: {} }, 'db.p')).toBeUndefined();
  });

  test('whichever way they lead, what Caddy loads is the same', () => {
    const text = (traffic: Partial<typeof base>) =>
      JSON.stringify(caddyConfig(gates({ ...base, ...traffic }, null), settings()));
    const forwarding = [{ function: 'api', to: 'B', until: NOW + 1 }];
    expect(text({ holding: new Set(['api']) })).toBe(text({}));
    const dumped = genome({ api: { domain: 'api.o.test', handover: { dump: './dump', within: '10m' } } });
    expect(text({ genome: dumped, holding: new Set(['api']) })).toBe(text({ genome: dumped }));
    expect(text({ running: ['db'], forwarding })).toBe(text({}));
    expect(text({ pulses: PRESSED })).toBe(text({}));
    expect(text({ ports: { db: 20_002 }, running: ['db'] })).not.toBe(text({}));
  });

  test('sockets fit into the address of a Unix socket', () => {
    const long = 'f'.repeat(32);
    const traffic = { ...base, genome: genome({ [long]: { domain: 'x.o.test' } }), ports: { [long]: 20_003 } };
    for (const gate of gates({ ...traffic, running: [long] }, null)) {
      for (const { key } of gate.ways) expect(socketOf(settings(), gate, key).length).toBeLessThan(100);
    }
  });
});

const PRESSED = {
  A: pulse('A', 1, { api: 'many' }),
  B: pulse('B', 1, { api: 'one' }),
  C: pulse('C', 1, { api: 'two' }),
};

describe('a cell under pressure', () => {
  const others = ['B', 'C']
    .flatMap((id) => lineage.cells[id] ?? [])
    .map((cell) => ({ ...cell, state: 'living' as const }));
  const share = (pulses: Readonly<Record<string, Pulse>>, self = 'A') => {
    const found = spare({ ...base, pulses, self }, 'api', others);
    return found === null ? null : `${found.share} ${found.with.id}`;
  };
  const at = (level: Level) => ({ ...PRESSED, A: pulse('A', 1, { api: level }) });
  const throttled = (one: Pulse, throttle: number): Pulse => {
    const api = one.functions.api;
    if (api === undefined) throw new Error('no api');
    return { ...one, functions: { ...one.functions, api: { ...api, throttle } } };
  };

  test.each([
    ['inside its bounds nothing is passed on', at('one'), null],
    ['over its bound one in four', at('two'), '4 B'],
    ['far over it one in two', at('many'), '2 B'],
    ['held inside its bounds by throttling, one in four', { ...at('one'), A: throttled(at('one').A, 50) }, '4 B'],
    ['nobody has room', { ...PRESSED, B: pulse('B', 1, { api: 'two' }) }, null],
    ['who throttles has none', { ...PRESSED, B: throttled(PRESSED.B, 10) }, null],
    ['who was not heard of lately has none', { ...PRESSED, B: { ...PRESSED.B, at: NOW - 4 * MIN } }, null],
    ['what is not known is not acted on', {}, null],
  ])('%s', (_why, pulses, expected) => {
    expect(share(pulses)).toBe(expected);
  });

  test('cells under pressure lean on the next in the ring, not all on one', () => {
    const roomy = { ...PRESSED, C: pulse('C', 1, { api: 'none' }) };
    expect(share(roomy)).toBe('2 B');
    expect(share({ ...roomy, B: pulse('B', 1, { api: 'many' }) }, 'B')).toBe('2 C');
  });

  test('its gate leads that way', () => {
    expect(leads({ pulses: at('many'), lineage: living() }, 'api.d')).toBe('2.b');
    expect(leads({ pulses: at('many'), lineage: living() }, 'api.p')).toBe('here');
  });

  function living(): typeof lineage {
    const cells = Object.entries(lineage.cells).map(([id, cell]) => [id, { ...cell, state: 'living' as const }]);
    return { ...lineage, cells: Object.fromEntries(cells) };
  }
});

function settings(more: Partial<CaddySettings> = {}): CaddySettings {
  return {
    self: 'a',
    httpPort: 80,
    httpsPort: 443,
    address: '',
    sockets: '/run/cell-ingress',
    gates: '/etc/cell/gates',
    storage: '/var/lib/cell-ingress',
    whereFile: '/srv/cell/.well-known/cell/where.json',
    metricsFile: null,
    acme: null,
    cells: [],
    ...more,
  };
}

describe('what stands in front', () => {
  const acme = { directory: 'https://ca.test/dir' };
  const front = (ingress: object) => {
    const secured = genome({ api: { domain: 'api.o.test', port: 7001 }, db: { port: 7002 } }, { ingress });
    return frontOf({
      genome: secured,
      traffic: base,
      gates: gates(base, HTTPS_PORT),
      published: ['api.o.test', 'gone.o.test'],
      whereFile: '/where',
      metricsFile: '/metrics',
      roots: '/roots',
    });
  };

  test('plain HTTP, and no metrics, unless the genome says so', () => {
    expect(front({})).toEqual({
      self: 'a',
      httpPort: 8080,
      httpsPort: 443,
      address: '',
      whereFile: '/where',
      metricsFile: null,
      acme: null,
      cells: ['127.0.0.66', '127.0.0.67'],
    });
    expect(front({ metrics: true }).metricsFile).toBe('/metrics');
  });

  test('certificates for domains that are published, challenges to the other homes', () => {
    expect(front({ acme }).acme).toEqual({
      directory: 'https://ca.test/dir',
      email: null,
      roots: null,
      domains: ['api.o.test'],
      others: { 'api.o.test': ['127.0.0.66:8080', '127.0.0.67:8080'] },
    });
    expect(front({ acme: { ...acme, roots: 'ca.pem' } }).acme?.roots).toBe('/roots');
  });
});

const hasCaddy = spawnSync('caddy', ['version']).status === 0;

test.skipIf(!hasCaddy)('Caddy takes the configuration (only where `caddy` is on PATH)', () => {
  const dir = mkdtempSync(join(tmpdir(), 'cell-caddy-'));
  try {
    mkdirSync(join(dir, 'run'));
    const places = { sockets: join(dir, 'run'), gates: join(dir, 'gates'), storage: dir };
    const acme = {
      directory: 'https://ca.test/dir',
      email: 'a@o.test',
      roots: null,
      domains: ['api.o.test'],
      others: { 'api.o.test': ['127.0.0.66:80', '127.0.0.67:80'] },
    };
    for (const more of [{}, { acme, metricsFile: '/m', cells: ['127.0.0.66'] }]) {
      const file = join(dir, 'caddy.json');
      const ways = gates(base, 'acme' in more ? HTTPS_PORT : null);
      writeFileSync(file, JSON.stringify(caddyConfig(ways, settings({ ...places, ...more }))));
      const env = { ...process.env, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir };
      execFileSync('caddy', ['validate', '--config', file], { env, stdio: 'pipe' });
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
