/** HTTPS of two cells under one name, with certificates of a real ACME server. */
import { readFileSync } from 'node:fs';
import { get } from 'node:http';
import { get as secureGet } from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Acme } from '../../src/decide/caddy.ts';
import type { Gate } from '../../src/decide/gates.ts';
import { certificatesOf, certified, keepCertificates } from '../../src/effects/certificates.ts';
import { until } from '../local/machine.support.ts';
import { type LabCaddy, startCaddy } from './caddy.ts';
import { needs } from './needs.ts';
import { PEBBLE, type Pebble, startPebble } from './pebble.ts';
import { type Program, startProgram } from './programs.ts';
import { steady } from './steady.ts';

const [A, B, C] = ['127.104.1.1', '127.104.1.2', '127.104.1.3'];
const [HTTP, HTTPS] = [8481, 8444];
const [PROGRAM_A, PROGRAM_B] = [20_114, 20_115];
const PATIENCE = 60_000;

describe.skipIf(needs('HTTPS by ACME', PEBBLE))('HTTPS by ACME', () => {
  let pebble: Pebble;
  const caddys: LabCaddy[] = [];
  const programs: Program[] = [];

  beforeAll(async () => {
    pebble = await startPebble(HTTP);
  });
  afterAll(async () => {
    for (const { server } of programs) {
      server.closeAllConnections();
      server.close();
    }
    for (const caddy of caddys) await caddy.stop();
    await pebble?.stop();
  });

  const cell = async (self: string, address: string) => {
    const cells = [A, B, C];
    const started = await startCaddy(self, { address, httpPort: HTTP, httpsPort: HTTPS, cells, ...acme([]) });
    caddys.push(started);
    return started;
  };
  const run = async (name: string, port: number) => {
    const started = await startProgram(name, port);
    programs.push(started);
    return started;
  };
  const acme = (domains: readonly string[], others: Acme['others'] = {}): { acme: Acme } => ({
    acme: { directory: pebble.directory, email: null, roots: pebble.roots, domains, others },
  });
  const at = (address: string) => `${address}:${HTTP}`;
  const gate = (domain: string, program: number, other: string, partner: string, leads: string | null): Gate => ({
    name: `${domain.split('.')[0]}.d`,
    function: 'web',
    match: { domain },
    tryFor: 15_000,
    waitFor: 15_000,
    ways: [
      { kind: 'program', key: 'here', dial: `127.0.0.1:${program}` },
      { kind: 'cell', key: partner, dial: `${other}:${HTTPS}`, tls: domain },
    ],
    leads,
  });

  test('a domain gets its certificate, HTTP sends on to HTTPS, and what cells read stays where it is', async () => {
    const a = await cell('aaa', A);
    pebble.point([A]);
    await run('a', PROGRAM_A);
    await a.apply([gate('www.o.test', PROGRAM_A, B, 'bbb', 'here')], acme(['www.o.test']));
    await until(
      'there is a certificate',
      async () => (await certified(a.settings, ['www.o.test'])).length === 1,
      PATIENCE,
    );
    await until('it is in use', async () => (await secure(A, 'www.o.test').catch(() => '')) === '200 a 0', PATIENCE);
    expect(await plain(A, 'www.o.test', '/x?y=1')).toBe(`308 https://www.o.test:${HTTPS}/x?y=1`);
    expect(await plain(A, 'www.o.test', '/.well-known/cell/where.json')).toMatch(/^404 /);
    expect(await plain(A, 'www.o.test', '/.well-known/acme-challenge/none')).toMatch(/^404 .*not known/);
  });

  test('a challenge that comes to another home of the name is passed on, past one that is not there', async () => {
    const b = await cell('bbb', B);
    const c = await cell('ccc', C);
    const name = 'two.o.test';
    const nobody = '127.104.1.9';
    // B asks, and the authority's question comes to C, which knows of a dead cell and of A before it knows of B.
    pebble.point([C]);
    await c.apply([gate(name, PROGRAM_B, B, 'bbb', null)], acme([], { [name]: [at(nobody), at(A), at(B)] }));
    await b.apply([gate(name, PROGRAM_B, A, 'aaa', null)], acme([name], { [name]: [at(C)] }));
    await until('there is a certificate', async () => (await certified(b.settings, [name])).length === 1, PATIENCE);
    expect(await certified(c.settings, [name])).toEqual([]);
  });

  test('a function that moves takes its certificate along, and no handshake and no request fails', async () => {
    const [a, b] = caddys;
    if (a === undefined || b === undefined) throw new Error('the cells of the tests before are gone');
    const name = 'www.o.test';
    const ca = readFileSync(pebble.roots, 'utf8');
    // The authority is not to be asked: what B serves comes from A.
    pebble.point([]);
    const [here] = programs;
    const load = (address: string, keep: boolean) =>
      steady({ address, port: HTTPS, host: name, rate: 40, keep, ca, ...(keep ? { postEvery: 1_000_000 } : {}) });
    const loads = [load(A, true), load(A, false)];
    await sleep(500);

    const handed = await certificatesOf(a.settings, [name]);
    expect(Object.keys(handed).map((path) => path.split('.').at(-1))).toEqual(['crt', 'key', 'json']);
    await keepCertificates(b.settings, handed);
    await b.apply([gate(name, PROGRAM_B, A, 'aaa', null)], acme([name]));
    await a.apply([gate(name, PROGRAM_A, B, 'bbb', null)]);
    await here?.stop();
    await run('b', PROGRAM_B);
    await b.apply([gate(name, PROGRAM_B, A, 'aaa', 'here')]);
    await a.apply([gate(name, PROGRAM_A, B, 'bbb', 'bbb')]);
    // DNS names B from here on.
    loads.push(load(B, true), load(B, false));
    await sleep(1_000);
    for (const one of loads) {
      const { sent, failures, byAnswer } = await one.stop();
      expect(failures).toEqual([]);
      expect(sent).toBeGreaterThan(20);
      expect(byAnswer.b).toBeGreaterThan(0);
    }
    expect(await secure(A, name)).toBe('200 b 0');
    expect(a.log() + b.log()).not.toContain('PRIVATE KEY');
  });

  test('a certificate goes nowhere but to its place', async () => {
    const [a] = caddys;
    if (a === undefined) throw new Error('no cell');
    for (const path of [
      'certificates/x/../../../etc/passwd',
      'certificates/../o.test/o.test.key',
      'certificates/ca/o.test/p.test.key',
      'certificates/ca/../...key',
      '/etc/cron.d/x',
    ]) {
      await expect(keepCertificates(a.settings, { [path]: '' }), path).rejects.toMatchObject({ code: 'NOT_ALLOWED' });
    }
  });

  function secure(address: string, name: string): Promise<string> {
    return new Promise((resolve, reject) => {
      const ca = readFileSync(pebble.roots, 'utf8');
      const options = { host: address, port: HTTPS, servername: name, ca, agent: false, headers: { host: name } };
      secureGet(options, (response) => {
        let text = '';
        response.on('data', (data) => {
          text += data;
        });
        response.on('end', () => resolve(`${response.statusCode} ${text}`));
      }).on('error', reject);
    });
  }

  function plain(address: string, name: string, path: string): Promise<string> {
    return new Promise((resolve, reject) => {
      get({ host: address, port: HTTP, path, agent: false, headers: { host: name } }, (response) => {
        let text = '';
        response.on('data', (data) => {
          text += data;
        });
        response.on('end', () => resolve(`${response.statusCode} ${response.headers.location ?? text}`));
      }).on('error', reject);
    });
  }
});
