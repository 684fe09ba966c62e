/** What people read: the status of an organism, and what a freeze says. */
import { expect, test } from 'vitest';
import { switchedText } from '../src/freeze.ts';
import { type Status, type StatusCell, statusText } from '../src/status.ts';

const NOW = 1_000_000;

function statusWith(...cells: Partial<StatusCell>[]): Status {
  const cell: StatusCell = {
    id: 'a'.repeat(26),
    name: 'amber-fox',
    parent: 'seeder',
    state: 'living',
    address: '127.80.0.2',
    provider: 'local',
    functions: [{ name: 'web', health: 'healthy', level: 'two', throttle: 50, pressure: { requests: 12.345 } }],
    budget: 1,
    stemCells: 0,
    links: [],
    genome: 'f'.repeat(64),
    lastPulse: NOW - 2_000,
    why: 'web: in balance',
  };
  return {
    organism: 'garden',
    genome: 'f'.repeat(64),
    self: 'seeder',
    seenAt: NOW,
    cells: cells.map((one) => ({ ...cell, ...one })),
    domains: [],
    frozen: null,
    quarantined: [],
  };
}

test.each([
  { lastPulse: NOW - 2_000, said: 'pulse 2s ago' },
  { lastPulse: NOW - 400, said: 'pulse just now' },
  { lastPulse: NOW + 5_000, said: 'pulse just now' },
  { lastPulse: null, said: 'pulse never' },
])('$said', ({ lastPulse, said }) => {
  expect(statusText(statusWith({ lastPulse }))).toContain(said);
});

test('a reason is one line, also with a semicolon in it', () => {
  const why = 'web: not dividing: no budget is left; resting after the last division, 2 min more; cell: in balance';
  const reasons = statusText(statusWith({ why }))
    .split('\n')
    .filter((line) => line.startsWith('  · '));
  expect(reasons).toEqual([
    '  · web: not dividing: no budget is left; resting after the last division, 2 min more',
    '  · cell: in balance',
  ]);
});

test('a function shows its health, level, throttle and pressure', () => {
  expect(statusText(statusWith({}))).toContain('web          healthy   two  throttled 50  requests 12.3');
});

test('stem cells are told of where there are some', () => {
  expect(statusText(statusWith({}))).not.toContain('stem');
  expect(statusText(statusWith({ stemCells: 2 }))).toContain('budget 1  stem cells 2  from seed');
});

test('an organism without a cell says how to go on', () => {
  expect(statusText(statusWith())).toContain('`cell seed`');
});

test.each([
  { frozen: true, changed: true, first: 'The organism is frozen.' },
  { frozen: true, changed: false, first: 'The organism was frozen already.' },
  { frozen: false, changed: true, first: 'The organism is thawed.' },
  { frozen: false, changed: false, first: 'The organism was not frozen.' },
])('$first', ({ first, ...switched }) => {
  expect(switchedText({ ...switched, told: 2, unreached: [] })).toBe(`${first}\nEvery cell knows.`);
});

test('who was not told is named', () => {
  const unreached = [{ cell: 'b'.repeat(26), name: 'calm-elk', ok: false, why: 'no route' }];
  const text = switchedText({ frozen: true, changed: true, told: 1, unreached });
  expect(text).toContain('1 of 2 cells know');
  expect(text).toContain('not reached: calm-elk (no route)');
});
