/**
 * `npm run bench`, and `npm run bench:lab` (`--lab`: on real machines, as root): every figure beside its baseline from the same run. `-- --json` prints an array of `{name, unit,
 * value, baseline, ratio, goal, ok}` and nothing else; `--only NAME` runs the measurements whose names have that in them;
 * `--check` ends with 1 when a goal is missed. No test runs it: a busy computer is no reason for a red one.
 */
import { parseArgs } from 'node:util';
import { type Garden, plant } from './garden.ts';
import type { Plot } from './lab/plot.ts';
import type { Measure } from './measure.ts';

/** In this order: what changes the organism comes last. The modules are loaded late, for they are large. */
const MEASUREMENTS: Readonly<Record<string, () => Promise<readonly Measure[]>>> = {
  compile: async () => (await import('./compile.ts')).measureCompile(),
  engines: async () => (await import('./engines.ts')).measureEngines(),
  tick: async () => (await import('./tick.ts')).measureTick(await garden()),
  commands: async () => (await import('./commands.ts')).measureCommands(await garden()),
  session: async () => (await import('./session.ts')).measureSession(await garden()),
  resident: async () => (await import('./resident.ts')).measureResident(await garden()),
  division: async () => (await import('./division.ts')).measureDivision(await garden()),
  moving: async () => (await import('./moving.ts')).measureMoving(await garden()),
};

/** On machines of a box on this computer. */
const LAB: typeof MEASUREMENTS = {
  imprint: async () => (await import('./lab/imprint.ts')).measureImprint(await onPlot()),
  division: async () => (await import('./lab/division.ts')).measureLabDivision(await onPlot()),
};

const plots: Promise<Plot>[] = [];
/** One box for all. */
async function onPlot(): Promise<Plot> {
  if (plots.length === 0) plots.push(import('./lab/plot.ts').then(({ plot }) => plot()));
  return plots[0] as Promise<Plot>;
}

const planted: Promise<Garden>[] = [];
/** One organism for all that need one, seeded when the first asks for it. */
function garden(): Promise<Garden> {
  if (planted.length === 0) planted.push(plant());
  return planted[0] as Promise<Garden>;
}

async function measureAll(names: readonly string[]): Promise<readonly Measure[]> {
  const all: Measure[] = [];
  for (const name of names) {
    if (interrupted) break;
    process.stderr.write(`${name} …\n`);
    try {
      all.push(...((await measurements[name]?.()) ?? []));
    } catch (error) {
      process.stderr.write(`  ${error instanceof Error ? error.stack : error}\n`);
      all.push({ name, unit: '', value: null, baseline: null, ratio: null, goal: 'to be measured', ok: false });
    }
  }
  return all;
}

function table(all: readonly Measure[]): string {
  const figure = (value: number | null) => {
    if (value === null) return '-';
    return Number.isInteger(value) || value >= 100 ? value.toFixed(0) : value.toPrecision(3);
  };
  const rows = all.map(({ name, unit, value, baseline, ratio, goal, ok }) => [
    ok === null ? ' ' : ok ? '✓' : '✗',
    name,
    `${figure(value)} ${unit}`,
    baseline === null ? '' : figure(baseline),
    ratio === null ? '' : `${ratio.toFixed(ratio < 0.1 ? 4 : 2)}×`,
    goal === 'reported' ? '' : goal,
  ]);
  const head = ['', 'measured', 'value', 'baseline', 'ratio', 'goal'];
  const widths = head.map((title, at) => Math.max(title.length, ...rows.map((row) => row[at]?.length ?? 0)));
  return [head, ...rows]
    .map((row) => row.map((text, at) => text.padEnd(widths[at] ?? 0)).join('  '))
    .map((line) => `${line.trimEnd()}\n`)
    .join('');
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean' },
    check: { type: 'boolean' },
    lab: { type: 'boolean' },
    only: { type: 'string', default: '' },
  },
});
const measurements = values.lab === true ? LAB : MEASUREMENTS;
const known = Object.keys(measurements);
const names = known.filter((name) => name.includes(values.only));
let interrupted = false;
process.once('SIGINT', () => {
  interrupted = true;
});

if (names.length === 0) {
  process.stderr.write(`bench: no measurement is named ${values.only}; there are ${known.join(', ')}\n`);
  process.exitCode = 2;
} else {
  let all: readonly Measure[] = [];
  try {
    all = await measureAll(names);
  } finally {
    for (const one of [...planted, ...plots]) await (await one.catch(() => null))?.close();
  }
  process.stdout.write(values.json === true ? `${JSON.stringify(all, null, 2)}\n` : table(all));
  if (values.check === true && all.some(({ ok }) => ok === false)) process.exitCode = 1;
}
