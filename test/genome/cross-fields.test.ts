import { describe, expect, it } from 'vitest';
import { parseGenome } from '../../genome/parse.ts';
import { findingsIn, gardenAfter, gardenGenome, gardenWith } from './garden.ts';

const CPU = { cpu: { bounds: ['5%', '80%'] } };
/** New values by path; undefined removes. */
type Change = Readonly<Record<string, unknown>>;
const CROSS: readonly (readonly [what: string, change: Change, severity: string, code: string, path: string])[] = [
  [
    'bounds out of order',
    { 'functions.web.pressure.cpu.bounds': ['80%', '5%'] },
    'error',
    'bounds-out-of-order',
    'functions.web.pressure.cpu.bounds',
  ],
  [
    'equal bounds',
    { 'functions.web.pressure.cpu.bounds': ['5%', '5%'] },
    'error',
    'bounds-out-of-order',
    'functions.web.pressure.cpu.bounds',
  ],
  [
    'bounds of two kinds',
    { 'functions.web.pressure.requests.bounds': [5, '100%'] },
    'error',
    'bounds-of-two-kinds',
    'functions.web.pressure.requests.bounds',
  ],
  [
    'cpu measured in bytes',
    { 'functions.web.pressure.cpu.bounds': ['5MB', '80MB'] },
    'error',
    'bounds-of-wrong-kind',
    'functions.web.pressure.cpu.bounds[0]',
  ],
  [
    'memory measured in percent',
    { 'functions.web.pressure.memory': { bounds: ['5%', '80%'] } },
    'error',
    'bounds-of-wrong-kind',
    'functions.web.pressure.memory.bounds[0]',
  ],
  [
    'a measure without a source',
    { 'functions.web.pressure.queue': { bounds: [1, 2] } },
    'error',
    'measure-source',
    'functions.web.pressure.queue',
  ],
  [
    'a measure over HTTP without a path',
    { 'functions.web.pressure.requests.path': undefined },
    'error',
    'measure-source',
    'functions.web.pressure.requests.http',
  ],
  [
    'a measure with a path alone',
    { 'functions.web.pressure.requests.http': undefined },
    'error',
    'measure-source',
    'functions.web.pressure.requests.path',
  ],
  [
    'a measure with two sources',
    { 'functions.web.pressure.requests.command': './count' },
    'error',
    'measure-source',
    'functions.web.pressure.requests.command',
  ],
  [
    'cpu measured by a command',
    { 'functions.web.pressure.cpu.command': './cpu' },
    'warning',
    'measure-source',
    'functions.web.pressure.cpu',
  ],
  [
    'health without a source',
    { 'functions.web.health': { every: '5s' } },
    'error',
    'health-source',
    'functions.web.health',
  ],
  [
    'health with two sources',
    { 'functions.web.health.command': './check' },
    'error',
    'health-source',
    'functions.web.health.command',
  ],
  [
    'a domain outside the zone',
    { 'functions.web.domain': 'www.elsewhere.org' },
    'error',
    'domain-outside-zone',
    'functions.web.domain',
  ],
  [
    'a domain that only ends like the zone',
    { 'functions.web.domain': 'www.mygarden.example.org' },
    'error',
    'domain-outside-zone',
    'functions.web.domain',
  ],
  [
    'a domain that leaves no room for whose it is',
    { 'functions.web.domain': `${`${'a'.repeat(60)}.`.repeat(3)}${'a'.repeat(46)}.garden.example.org` },
    'error',
    'domain-too-long',
    'functions.web.domain',
  ],
  [
    'a domain for two functions',
    { 'functions.db.domain': 'www.garden.example.org' },
    'error',
    'domain-taken',
    'functions.db.domain',
  ],
  [
    'a need that is not there',
    { 'functions.web.needs': { dbb: 'own' } },
    'error',
    'unknown-function',
    'functions.web.needs.dbb',
  ],
  [
    'a need with the name of a property of every object',
    { 'functions.web.needs': { constructor: 'own' } },
    'error',
    'unknown-function',
    'functions.web.needs.constructor',
  ],
  [
    'a function that needs itself',
    { 'functions.web.needs.web': 'own' },
    'error',
    'needs-itself',
    'functions.web.needs.web',
  ],
  [
    'functions that need each other',
    { 'functions.db.needs': { web: 'shared' } },
    'error',
    'needs-in-a-circle',
    'functions.web.needs.db',
  ],
  [
    'a need that cannot be reached',
    { 'functions.db.port': undefined },
    'warning',
    'unreachable-need',
    'functions.web.needs.db',
  ],
  ['two functions on one port', { 'functions.db.port': 7001 }, 'error', 'port-taken', 'functions.db.port'],
  ['a function on the sshPort', { 'functions.web.port': 2222 }, 'error', 'port-taken', 'functions.web.port'],
  ['a function on the httpPort', { 'functions.web.port': 8080 }, 'error', 'port-taken', 'functions.web.port'],
  ['a function on the port of dns', { 'functions.web.port': 5380 }, 'error', 'port-taken', 'functions.web.port'],
  [
    'a cloud with one port for two things',
    { 'clouds.near.httpPort': 2222 },
    'error',
    'port-taken',
    'clouds.near.httpPort',
  ],
  [
    'a network that is none',
    { 'clouds.near.network': '127.300.0.0/16' },
    'error',
    'wrong-network',
    'clouds.near.network',
  ],
  ['no clouds', { clouds: {} }, 'error', 'no-clouds', 'clouds'],
  ['no functions', { functions: {} }, 'error', 'no-functions', 'functions'],
  ['one cell for functions that divide', { 'body.maxCells': 1 }, 'error', 'budget-too-small', 'body.maxCells'],
  ['as many stem cells as cells', { 'body.stemCells': 4 }, 'warning', 'budget-too-small', 'body.stemCells'],
  [
    'fewer cells than delegated functions',
    {
      'functions.db.divide': 'delegate',
      'functions.db.pressure': CPU,
      'functions.log': { run: 'x', divide: 'delegate', pressure: CPU },
      'body.maxCells': 2,
    },
    'warning',
    'budget-too-small',
    'body.maxCells',
  ],
  [
    'a cap below the price of one machine',
    { 'body.maxMonthlyCost': '4 USD' },
    'error',
    'cap-too-low',
    'body.maxMonthlyCost',
  ],
  [
    'a cap for one machine under functions that divide',
    { 'body.maxMonthlyCost': '9 USD' },
    'error',
    'cap-too-low',
    'body.maxMonthlyCost',
  ],
  [
    'a cap for fewer machines than cells',
    { 'body.maxMonthlyCost': '12 USD' },
    'warning',
    'cap-too-low',
    'body.maxMonthlyCost',
  ],
  ['a cap in another currency', { 'body.maxMonthlyCost': '120 EUR' }, 'error', 'two-currencies', 'clouds.near.monthly'],
  [
    'delegate for a single function',
    { 'functions.db': undefined, 'functions.web.needs': {} },
    'error',
    'delegate-alone',
    'functions.web.divide',
  ],
  ['suspicion between two heartbeats', { 'body.heartbeat': '5m' }, 'error', 'healing-timers', 'healing.suspectAfter'],
  [
    'suspicion after one late heartbeat',
    { 'healing.suspectAfter': '90s' },
    'warning',
    'healing-timers',
    'healing.suspectAfter',
  ],
  ['death before suspicion', { 'healing.deadAfter': '2m' }, 'error', 'healing-timers', 'healing.deadAfter'],
  ['alone before death', { 'healing.aloneAfter': '10m' }, 'error', 'healing-timers', 'healing.aloneAfter'],
  ['no heartbeat at all', { 'body.heartbeat': '0s' }, 'error', 'zero-timer', 'body.heartbeat'],
  ['more than all unhealthy', { 'healing.maxUnhealthy': '140%' }, 'error', 'over-the-whole', 'healing.maxUnhealthy'],
  ['calm sooner than division', { rhythm: { calm: '30s' } }, 'warning', 'rhythm-timers', 'rhythm.calm'],
  ['no time to throttle', { rhythm: { hold: '0s' } }, 'warning', 'rhythm-timers', 'rhythm.hold'],
  ['no rest after a division', { rhythm: { refractory: '0s' } }, 'warning', 'rhythm-timers', 'rhythm.refractory'],
  [
    'a check longer than its interval',
    { 'functions.web.health.timeout': '6s' },
    'warning',
    'health-timers',
    'functions.web.health.timeout',
  ],
  [
    'a check that may take no time',
    { 'functions.web.health.timeout': '0s' },
    'error',
    'zero-timer',
    'functions.web.health.timeout',
  ],
  [
    'less time to start than one check takes',
    { 'functions.web.health.within': '1s' },
    'warning',
    'health-timers',
    'functions.web.health.within',
  ],
  ['a TTL that DNS cannot say', { 'dns.ttl': '1500ms' }, 'error', 'ttl-not-whole', 'dns.ttl'],
  [
    'pressure that nothing answers',
    { 'functions.web.throttle': undefined, 'functions.web.divide': 'never' },
    'warning',
    'pressure-without-answer',
    'functions.web.pressure',
  ],
  [
    'division without pressure',
    { 'functions.web.pressure': undefined, 'functions.web.throttle': undefined },
    'warning',
    'divide-without-pressure',
    'functions.web.divide',
  ],
  [
    'division without health',
    { 'functions.web.health': undefined },
    'warning',
    'divide-without-health',
    'functions.web.divide',
  ],
  [
    'throttling without pressure',
    { 'functions.db.throttle': { run: './slow' } },
    'warning',
    'throttle-without-pressure',
    'functions.db.throttle',
  ],
  [
    'a source that leaves the folder',
    { 'functions.web.source': '../web' },
    'error',
    'path-leaves',
    'functions.web.source',
  ],
  [
    'a source that leaves it on a detour',
    { 'functions.web.source': 'a/../../web' },
    'error',
    'path-leaves',
    'functions.web.source',
  ],
  ['an absolute source', { 'functions.web.source': '/srv/web' }, 'error', 'path-leaves', 'functions.web.source'],
  [
    'data outside of the function',
    { 'functions.db.data': ['./data', '/var/db'] },
    'error',
    'path-leaves',
    'functions.db.data[1]',
  ],
  [
    'a dump that nobody reads',
    { 'functions.db.handover': { dump: './dump' } },
    'error',
    'dump-without-restore',
    'functions.db.handover.dump',
  ],
  [
    'nothing to restore',
    { 'functions.db.handover': { restore: './restore' } },
    'error',
    'restore-without-dump',
    'functions.db.handover.restore',
  ],
  [
    'a merge without replicas',
    { 'functions.db.handover': { merge: './merge' } },
    'warning',
    'merge-without-replica',
    'functions.db.handover.merge',
  ],
  [
    'a variable that the cell sets',
    { 'functions.web.env': { PORT: 80 } },
    'warning',
    'reserved-variable',
    'functions.web.env.PORT',
  ],
  [
    'a variable in two places',
    { 'functions.web.env': { MODE: 'a' }, 'functions.web.secrets': { MODE: 'env:MODE' } },
    'error',
    'variable-twice',
    'functions.web.env.MODE',
  ],
];

describe('what takes two fields to be wrong', () => {
  it.each(CROSS)('%s', (_, change, severity, code, path) => {
    const { genome, findings } = parseGenome(gardenAfter(change), 'genome.yaml');
    expect(
      findings.map((finding) => ({ severity: finding.severity, code: finding.code, path: finding.path })),
    ).toContainEqual({ severity, code, path });
    expect(genome === null).toBe(findings.some((finding) => finding.severity === 'error'));
  });

  it('every finding of a kind of its own says what was expected', () => {
    for (const [, change] of CROSS) {
      for (const finding of findingsIn(gardenAfter(change))) expect(finding.expected, finding.code).toBeTruthy();
    }
  });

  it('a reference that is a letter off is offered the name', () => {
    const found = findingsIn(gardenWith('db: shared', 'dbx: shared').replaceAll(' db:', ' dba:'));
    expect(found).toMatchObject([{ code: 'unknown-function', suggestion: 'dba' }]);
  });

  it('a default that is wrong is shown at what is written above it', () => {
    const text = gardenWith(
      'healing: { suspectAfter: 3m, deadAfter: 15m, aloneAfter: 30m, maxUnhealthy: 40% }',
      'healing: { deadAfter: 1m }',
    );
    expect(findingsIn(text)).toMatchObject([{ code: 'healing-timers', line: 4, path: 'healing.deadAfter' }]);
  });

  it('a function that replicas take along needs no pressure of its own', () => {
    const text = gardenAfter({
      'functions.web.needs.db': 'own',
      'functions.db.divide': 'replicate',
      'functions.db.handover': { merge: './merge' },
    });
    expect(findingsIn(text)).toEqual([]);
  });

  it('a thousand functions that need each other in one row are followed to the end', () => {
    const gene = (i: number) => ({ run: 'x', port: 20_000 + i, needs: i < 989 ? { [`f${i + 1}`]: 'shared' } : {} });
    const row = Array.from({ length: 990 }, (_, i) => [`functions.f${i}`, gene(i)]);
    const genome = gardenGenome(gardenAfter(Object.fromEntries(row)));
    expect(Object.keys(genome.functions)).toHaveLength(992);
  });
});
