import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type FunctionGene, genomeSchema } from '../../genome/schema.ts';
import { firstNumber, jsonAt } from '../../src/effects/probe.ts';
import { cpuBetween, parseStat } from '../../src/effects/processes.ts';
import { probeHealth, sense } from '../../src/effects/sensors.ts';
import { layout } from '../../src/layout.ts';

const SLOW = 60_000;
let root: string;
let server: Server;
let port: number;
let answers: Record<string, [number, string] | 'hang'>;
let asked: string[];
let children: ChildProcess[];

beforeEach(async () => {
  root = mkdtempSync(join(tmpdir(), 'cell-sense-'));
  mkdirSync(folder(), { recursive: true });
  mkdirSync(cgroup(), { recursive: true });
  answers = { '/health': [200, 'ok'] };
  asked = [];
  children = [];
  server = createServer((request, response) => {
    asked.push(request.url ?? '');
    const answer = answers[request.url ?? ''] ?? [404, ''];
    if (answer !== 'hang') response.writeHead(answer[0]).end(answer[1]);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  port = (server.address() as AddressInfo).port;
});
afterEach(async () => {
  for (const child of children) {
    child.kill('SIGKILL');
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit');
  }
  server.closeAllConnections();
  await new Promise((done) => server.close(done));
  rmSync(root, { recursive: true, force: true });
});

const folder = () => join(layout(root).functions, 'web');
const cgroup = () => join(layout(root).cgroups[0], 'cell-fn-web.service');

function gene(more: object): FunctionGene {
  const web = { run: 'x', ...more };
  const genome = { organism: 'o', zone: 'o.test', clouds: {}, dns: { provider: 'local' }, functions: { web } };
  return genomeSchema.parse(genome).functions.web as FunctionGene;
}
const where = () => ({
  layout: layout(root),
  function: 'web',
  unit: 'cell-fn-web.service',
  host: '127.0.0.1',
  port,
  folder: folder(),
});
/** What the service manager gives the function, and so its probes. */
function prepare(variables: string): void {
  mkdirSync(layout(root).environments, { recursive: true });
  writeFileSync(join(layout(root).environments, 'web.env'), variables);
}

/** Runs a Node script as the unit's process; resolves when it has said something. */
async function run(script: string): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['-e', `${script}; console.log('up')`], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  children.push(child);
  await once(child.stdout as NodeJS.ReadableStream, 'data');
  writeFileSync(join(cgroup(), 'cgroup.procs'), `${child.pid}\n`);
  return child;
}

/** Senses until `done`, each time with the memory of the last. */
async function until(g: FunctionGene, done: (s: Awaited<ReturnType<typeof sense>>) => boolean) {
  let last = await sense(g, { ...where(), now: 0 });
  await expect
    .poll(
      async () => {
        last = await sense(g, { ...where(), previous: last.memory, now: last.memory.at + 1 });
        return done(last);
      },
      { timeout: 30_000, interval: 50 },
    )
    .toBe(true);
  return last;
}

describe('usage', () => {
  it(
    'is that of the processes and their children',
    async () => {
      // Ends by itself, whatever becomes of this test.
      const burn =
        'setTimeout(() => process.exit(), 60_000); setInterval(() => { const t = Date.now(); while (Date.now() - t < 50); }, 50)';
      await run(
        `require('node:child_process').spawn(process.execPath, ['-e', ${JSON.stringify(burn)}]); process.on('exit', () => {}); setInterval(() => {}, 1e6)`,
      );
      const g = gene({ pressure: { cpu: { bounds: ['5%', '80%'] }, memory: { bounds: ['1MiB', '1GiB'] } } });
      try {
        const felt = await until(g, (s) => (s.measures.cpu ?? 0) > 20);
        expect(felt.usage.cpu).toBe(felt.measures.cpu);
        expect(felt.measures.memory).toBeGreaterThan(40 * 2 ** 20);
      } finally {
        const pid = children[0]?.pid;
        const kids = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ').filter(Boolean);
        for (const kid of kids) process.kill(Number(kid), 'SIGKILL');
      }
    },
    SLOW,
  );

  it(
    'of an idle process is low, and memory can be a share of all',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      const g = gene({ pressure: { cpu: { bounds: ['5%', '80%'] }, memory: { bounds: ['1%', '90%'] } } });
      const first = await sense(g, { ...where(), now: 0 });
      expect(first.missing.cpu).toContain('first reading');
      expect(first.measures).not.toHaveProperty('cpu');
      const felt = await until(g, (s) => s.measures.cpu !== undefined && s.measures.cpu < 20);
      expect(felt.measures.memory).toBeGreaterThan(0);
      expect(felt.measures.memory).toBeLessThan(100);
    },
    SLOW,
  );

  it(
    'comes from the kernel’s own count for the unit where there is one',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      const g = gene({ pressure: { cpu: { bounds: ['5%', '80%'] }, memory: { bounds: ['1MiB', '1GiB'] } } });
      writeFileSync(join(cgroup(), 'cpu.stat'), 'usage_usec 1000000\nuser_usec 1\n');
      writeFileSync(join(cgroup(), 'memory.current'), '3000000\n');
      writeFileSync(join(cgroup(), 'memory.stat'), 'anon 5\ninactive_file 1000000\n');
      const first = await sense(g, { ...where(), now: 0 });
      expect(first.measures.memory).toBe(2_000_000);
      const earlier = { ...first.memory, cpu: { totalMs: 0, uptimeMs: first.memory.cpu.uptimeMs - 2000 } };
      const felt = await sense(g, { ...where(), previous: earlier, now: 1 });
      expect(felt.measures.cpu).toBeGreaterThan(30);
      expect(felt.measures.cpu).toBeLessThanOrEqual(50);
    },
    SLOW,
  );

  it('of nothing that runs is missing, with a reason', async () => {
    const pressure = {
      cpu: { bounds: ['5%', '80%'] },
      memory: { bounds: ['1MiB', '1GiB'] },
      rps: { http: '/health', path: '$', bounds: [1, 2] },
    };
    const felt = await sense(gene({ pressure }), { ...where(), now: 0 });
    expect(felt.measures).toEqual({});
    expect(Object.values(felt.missing)).toEqual(Array(3).fill('it does not run'));
    expect([felt.health, asked]).toEqual(['unhealthy', []]);
  });

  it(
    'of the disk counts the function’s data',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      mkdirSync(join(folder(), 'data/deep'), { recursive: true });
      writeFileSync(join(folder(), 'data/a'), 'x'.repeat(1000));
      writeFileSync(join(folder(), 'data/deep/b'), 'x'.repeat(500));
      writeFileSync(join(folder(), 'other'), 'x'.repeat(500));
      const g = gene({ data: ['./data', './none'], pressure: { disk: { bounds: ['1B', '1GiB'] } } });
      const felt = await sense(g, { ...where(), now: 0 });
      expect(felt.measures.disk).toBe(1500);
      writeFileSync(join(folder(), 'data/a'), '');
      const soon = await sense(g, { ...where(), now: 0, previous: felt.memory });
      expect(soon.measures.disk).toBe(1500);
      const later = await sense(g, { ...where(), now: 3_600_000, previous: felt.memory });
      expect(later.measures.disk).toBe(500);
    },
    SLOW,
  );

  it('never counts a process below zero, nor one that was there before but not looked at', () => {
    const before = { uptimeMs: 1000, byProcess: { '1:500': 100, '2:500': 50 } };
    const after = { uptimeMs: 2000, byProcess: { '1:500': 160, '3:1500': 40, '4:400': 9999, '2:1500': 7 } };
    expect(cpuBetween(before, after)).toBe(60 + 40 + 7);
    expect(cpuBetween({ uptimeMs: 0, totalMs: 9 }, { uptimeMs: 1, totalMs: 3 })).toBeNull();
    expect(cpuBetween({ uptimeMs: 0, totalMs: 9 }, after)).toBeNull();
  });

  it('reads a process with any name', () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 16 }), (name) => {
        const rest = Array.from({ length: 49 }, (_, i) => String(i + 4));
        const stat = parseStat(`42 (${name}) S ${rest.join(' ')}`);
        expect(stat).toEqual({ state: 'S', ppid: 4, cpuMs: (14 + 15) * 10, startedMs: 220 });
      }),
    );
    expect(parseStat('')).toBeNull();
  });
});

describe('measures', () => {
  it(
    'come from HTTP and commands, all at once, and one that fails does not disturb the others',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      prepare('DEPTH="17"\n');
      answers['/metrics'] = [
        200,
        JSON.stringify({ rps: 12.5, queue: { sizes: [3, 4] }, text: '12', list: [{ n: 1 }, { n: 7 }] }),
      ];
      answers['/plain'] = [200, 'queue 42 messages'];
      answers['/broken'] = [200, '{'];
      answers['/error'] = [500, '9'];
      answers['/hang'] = 'hang';
      const bounds = [1, 2];
      const http = (at: string, path?: string) => ({ http: at, bounds, ...(path === undefined ? {} : { path }) });
      const pressure = {
        rps: http('/metrics', '$.rps'),
        second: http('/metrics', '$.queue.sizes[1]'),
        filtered: http('/metrics', '$.list[?@.n > 5].n'),
        several: http('/metrics', '$.list[*].n'),
        text: http('/metrics', '$.text'),
        nothing: http('/metrics', '$.none'),
        invalid: http('/metrics', '$..['),
        plain: http('/plain'),
        broken: http('/broken', '$.a'),
        error: http('/error'),
        hang: http('/hang'),
        depth: { command: 'echo "depth: $DEPTH"', bounds },
        failing: { command: 'echo 5; exit 3', bounds },
        slow: { command: 'sleep 60 & sleep 60; echo 1', bounds },
        silent: { command: 'true', bounds },
        orphan: { bounds },
      };
      const g = gene({ pressure, health: { http: '/health', timeout: '700ms' } });
      const began = performance.now();
      const felt = await sense(g, { ...where(), now: 0 });
      expect(performance.now() - began).toBeLessThan(10_000);
      expect(felt.measures).toEqual({ rps: 12.5, second: 4, filtered: 7, plain: 42, depth: 17 });
      expect(Object.keys(felt.missing).sort()).toEqual(
        [
          'broken',
          'error',
          'failing',
          'hang',
          'invalid',
          'nothing',
          'orphan',
          'several',
          'silent',
          'slow',
          'text',
        ].sort(),
      );
      expect(felt.missing.several).toContain('2 values');
      expect(felt.missing.error).toContain('500');
      expect(felt.missing.slow).toContain('700 ms');
      expect(felt.missing.failing).toContain('exit code 3');
      expect(felt.health).toBe('healthy');
    },
    SLOW,
  );

  it.each<[string, Parameters<typeof firstNumber>[1], number | null]>([
    ['42', 'number', 42],
    ['load: -1.5e2 now', 'number', -150],
    ['.5', 'number', 0.5],
    ['v1.2.3', 'number', null],
    ['80%', 'percent', 80],
    ['80', 'percent', 80],
    ['512MiB', 'size', 512 * 2 ** 20],
    ['1.5s', 'duration', 1500],
    ['250 ms', 'duration', 250],
    ['30/m', 'rate', 0.5],
    ['5s', 'number', null],
    ['3 messages', 'number', 3],
    ['nothing', 'number', null],
    ['', 'number', null],
  ])('%j as a %s is %s', (text, kind, value) => {
    const outcome = firstNumber(text, kind);
    expect('value' in outcome ? outcome.value : null).toBe(value);
  });

  it('take plain paths as the library takes them', async () => {
    const { jsonpath } = await import('json-p3');
    const leaf = fc.oneof(fc.integer(), fc.constant(null), fc.string({ maxLength: 3 }));
    const { tree } = fc.letrec((tie) => ({
      tree: fc.oneof(
        { maxDepth: 3 },
        leaf,
        fc.array(tie('tree'), { maxLength: 3 }),
        fc.dictionary(fc.constantFrom('a', 'b', 'length'), tie('tree')),
      ),
    }));
    const path = fc
      .array(fc.constantFrom('.a', '.b', '.length', '[0]', '[1]'), { maxLength: 4 })
      .map((steps) => `$${steps.join('')}`);
    await fc.assert(
      fc.asyncProperty(tree, path, async (document, at) => {
        const mine = await jsonAt(document, at);
        const theirs = jsonpath.query(at, document as never).values();
        expect('value' in mine ? [mine.value] : []).toEqual(theirs);
      }),
    );
  });
});

describe('health', () => {
  it(
    'is probed no more often than it should be',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      const g = gene({ health: { http: '/health', every: '5s' } });
      const first = await sense(g, { ...where(), now: 1000 });
      const second = await sense(g, { ...where(), now: 5999, previous: first.memory });
      expect([first.health, second.health, asked.length]).toEqual(['healthy', 'healthy', 1]);
      answers['/health'] = [503, ''];
      const third = await sense(g, { ...where(), now: 6000, previous: second.memory });
      expect([third.health, third.healthWhy, asked.length]).toEqual(['unhealthy', '/health answered 503', 2]);
    },
    SLOW,
  );

  it(
    'is probed at once when the genome asks something else of it',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      const first = await sense(gene({ health: { http: '/health', every: '5s' } }), { ...where(), now: 1000 });
      const other = gene({ health: { http: '/nowhere', every: '5s' } });
      const second = await sense(other, { ...where(), now: 1001, previous: first.memory });
      expect([first.health, second.health]).toEqual(['healthy', 'unhealthy']);
    },
    SLOW,
  );

  it(
    'is starting until it was well once or its time is over',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      answers['/health'] = 'hang';
      const health = { http: '/health', timeout: '100ms', every: '1h' };
      const patient = gene({ health: { ...health, within: '1h' } });
      const first = await sense(patient, { ...where(), now: 0 });
      expect(first.health).toBe('starting');
      expect((await sense(gene({ health: { ...health, within: '1ms' } }), { ...where(), now: 0 })).health).toBe(
        'unhealthy',
      );
      answers['/health'] = [204, ''];
      const well = await sense(patient, { ...where(), now: 1, previous: first.memory });
      expect(well.health).toBe('healthy');
    },
    SLOW,
  );

  it(
    'is probed anew after a restart, and bad at once when it ended',
    async () => {
      const child = await run('setInterval(() => {}, 1e6)');
      const g = gene({ health: { http: '/health', every: '1h' } });
      const first = await sense(g, { ...where(), now: 0 });
      child.kill('SIGKILL');
      await once(child, 'exit');
      const dead = await sense(g, { ...where(), now: 1, previous: first.memory });
      expect([dead.health, dead.healthWhy]).toEqual(['unhealthy', 'it does not run']);
      await run('setInterval(() => {}, 1e6)');
      expect((await sense(g, { ...where(), now: 2, previous: first.memory })).health).toBe('healthy');
      expect(asked).toHaveLength(2);
    },
    SLOW,
  );

  it(
    'may be a command, or nothing but being alive',
    async () => {
      await run('setInterval(() => {}, 1e6)');
      expect(await probeHealth(gene({ health: { command: 'test -d .' } }), where())).toBe('healthy');
      expect(await probeHealth(gene({ health: { command: 'exit 1', within: '1ms' } }), where())).toBe('unhealthy');
      expect((await sense(gene({}), { ...where(), now: 0 })).health).toBe('healthy');
    },
    SLOW,
  );
});
