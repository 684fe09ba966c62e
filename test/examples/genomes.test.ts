/** The example genomes: valid, told apart from one another, and made only of programs that are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parseGenome } from '../../genome/parse.ts';
import type { Genome } from '../../genome/schema.ts';
import { dnsFor } from '../../src/decide/dns.ts';
import { EXAMPLES } from './stage.ts';

const NAMES = ['small', 'crawler', 'elmsln', 'adea', 'multicloud'];
const FILES = NAMES.flatMap((name) =>
  readdirSync(join(EXAMPLES, name))
    .filter((file) => file.endsWith('.yaml'))
    .map((file) => `${name}/${file}`),
);

const textOf = (file: string) => readFileSync(join(EXAMPLES, file), 'utf8');
function genomeOf(file: string): Genome {
  const { genome } = parseGenome(textOf(file), file);
  if (genome === null) throw new Error(`${file} is no genome`);
  return genome;
}

/** The programs that a genome names, hooks included. */
function programsOf(genome: Genome): string[] {
  const commands = Object.values(genome.functions).flatMap((gene) => [
    gene.run,
    gene.throttle?.run,
    gene.throttle?.relax,
    gene.link?.up,
    gene.link?.down,
    gene.handover.dump,
    gene.handover.restore,
    gene.handover.merge,
  ]);
  return commands.flatMap((command) => (command === undefined ? [] : [command.split(' ')[1] ?? '']));
}

describe.each(FILES)('%s', (file) => {
  it('is valid and points editors at the schema', () => {
    expect(parseGenome(textOf(file), file).findings).toEqual([]);
    expect(textOf(file)).toMatch(/^# yaml-language-server: \$schema=\S+\n/);
  });

  it('names programs that are there', () => {
    const genome = genomeOf(file);
    const folder = join(EXAMPLES, file.split('/')[0] ?? '');
    for (const gene of Object.values(genome.functions)) expect(gene.source).toBe('./functions');
    for (const program of programsOf(genome))
      expect(existsSync(join(folder, 'functions', program)), program).toBe(true);
  });

  it('names needs, ports and domains that fit together', () => {
    const genome = genomeOf(file);
    const genes = Object.values(genome.functions);
    const ports = genes.flatMap(({ port }) => (port === undefined ? [] : [port]));
    expect(new Set(ports).size).toBe(ports.length);
    for (const gene of genes) {
      for (const need of Object.keys(gene.needs)) {
        expect(Object.keys(genome.functions)).toContain(need);
        const needed = genome.functions[need];
        expect(needed?.port ?? needed?.domain, `${need} can be called`).toBeDefined();
      }
      if (gene.domain !== undefined) expect(dnsFor(genome, gene.domain), gene.domain).not.toEqual([]);
    }
  });
});

it('every example keeps to addresses and ports of its own', () => {
  const genomes = NAMES.map((name) => genomeOf(`${name}/genome.yaml`));
  for (const of of [
    (genome: Genome): unknown => genome.clouds.here?.provider === 'local' && genome.clouds.here.network,
    (genome: Genome): unknown => genome.dns.provider === 'local' && genome.dns.port,
    (genome: Genome): unknown => genome.zone,
  ]) {
    expect(new Set(genomes.map(of)).size).toBe(NAMES.length);
  }
});

it('every example may grow as far as it says', () => {
  const cells = Object.fromEntries(NAMES.map((name) => [name, genomeOf(`${name}/genome.yaml`).body.maxCells]));
  expect(cells).toEqual({ small: 2, crawler: 3, elmsln: 13, adea: 5, multicloud: 4 });
});

it('elmsln is thirteen systems on thirteen domains, one cell each', () => {
  const { functions } = genomeOf('elmsln/genome.yaml');
  expect(Object.keys(functions)).toHaveLength(13);
  expect(new Set(Object.values(functions).map((gene) => gene.domain)).size).toBe(13);
  for (const gene of Object.values(functions)) expect(gene.divide).toBe('delegate');
});

it('the demo genome of the crawler differs in its timers only', () => {
  const genome = genomeOf('crawler/genome.yaml');
  const demo = genomeOf('crawler/genome.demo.yaml');
  const { rhythm, healing, body, dns } = genome;
  expect({ ...demo, rhythm, healing, body, dns }).toEqual(genome);
  expect({ ...demo.body, heartbeat: body.heartbeat }).toEqual(body);
  expect({ ...demo.dns, ttl: dns.ttl }).toEqual(dns);
  expect(demo.rhythm).toEqual({ settle: 1_000, hold: 3_000, refractory: 4_000, calm: 6_000, jitter: 500 });
  expect([demo.body.heartbeat, demo.dns.ttl]).toEqual([1_000, 1_000]);
});

it('the shared genome of the crawler differs in whose database a new API uses', () => {
  const genome = genomeOf('crawler/genome.yaml');
  const shared = genomeOf('crawler/genome.shared.yaml');
  expect(genome.functions.api?.needs).toEqual({ database: 'own', queue: 'shared' });
  expect(shared.functions.api?.needs).toEqual({ database: 'shared', queue: 'shared' });
  expect([genome, shared].map(({ functions }) => functions.database?.divide)).toEqual(['replicate', 'never']);
  const { api: _own, database: _ownDatabase, ...others } = genome.functions;
  const { api: _shared, database: _sharedDatabase, ...otherShared } = shared.functions;
  expect({ ...shared, functions: otherShared }).toEqual({ ...genome, functions: others });
});

describe.each(['crawler', 'adea'])("the genome of %s for machines of one's own", (name) => {
  const [genome, servers] = [genomeOf(`${name}/genome.yaml`), genomeOf(`${name}/genome.servers.yaml`)];

  it('makes real machines, a minute apart', () => {
    expect(Object.values(servers.clouds).map(({ provider }) => provider)).toEqual(['nspawn']);
    expect(servers.dns.provider).toBe('rfc2136');
    // Whole minutes: cron keeps them.
    expect(servers.body.heartbeat % 60_000).toBe(0);
    expect([servers.zone, servers.body.maxCells]).toEqual([genome.zone, genome.body.maxCells]);
  });

  it('has the same functions, of which some stand on real servers', () => {
    const differ = Object.keys(genome.functions).filter((key) => {
      const [a, b] = [genome.functions[key], servers.functions[key]];
      return JSON.stringify({ ...a, health: null }) !== JSON.stringify({ ...b, health: null });
    });
    expect(Object.keys(servers.functions)).toEqual(Object.keys(genome.functions));
    expect(differ).toEqual(Object.keys(servers.functions).filter((key) => servers.functions[key]?.packages.length));
    for (const key of differ) {
      const [a, b] = [genome.functions[key], servers.functions[key]];
      const common = ({ port, domain, needs, pressure, divide, link }: NonNullable<typeof a>) =>
        JSON.stringify({ port, domain, needs, pressure, divide, link });
      expect(common(b!)).toBe(common(a!));
      expect(b?.run).toMatch(/^node \w+\.(?:postgres|redis|haproxy)\.js$/);
    }
  });
});

describe('the programs', () => {
  const sources = NAMES.flatMap((name) =>
    readdirSync(join(EXAMPLES, name, 'functions'), { recursive: true, encoding: 'utf8' })
      .filter((file) => file.endsWith('.js'))
      .map((file) => `${name}/functions/${file}`),
  );

  it('need Node and nothing else', () => {
    expect(sources.length).toBeGreaterThan(20);
    for (const source of sources) {
      for (const [, from] of textOf(source).matchAll(/^import .* from '([^']+)'/gm))
        expect(from).toMatch(/^(?:node:|\.)/);
    }
  });

  it('share the same library, file by file', () => {
    const libraries = Map.groupBy(
      sources.filter((source) => source.includes('/lib/')),
      (source) => source.split('/lib/')[1],
    );
    expect([...libraries.keys()].sort()).toEqual([
      'children.js',
      'handover.postgres.js',
      'journal.js',
      'level.js',
      'merge.postgres.js',
      'pgwire.js',
      'postgres.js',
      'serve.js',
      'where.js',
    ]);
    for (const [, copies] of libraries) {
      expect(copies.length).toBeGreaterThan(1);
      expect(new Set(copies.map(textOf)).size).toBe(1);
    }
  });
});
