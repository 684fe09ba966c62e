/**
 * `npm run bench`: every figure beside its baseline from the same run. `-- --json` prints an array of `{name, unit,
 * value, baseline, ratio, goal, ok}`; `--only TEXT` runs the groups whose name has it; `--check` ends with 1 when a goal
 * is missed. Timed in no test: a busy machine is no reason for a red one.
 */
import { parseArgs } from 'node:util';
import type { Measure } from './measure.ts';

const { values } = parseArgs({
  options: { json: { type: 'boolean' }, check: { type: 'boolean' }, only: { type: 'string', default: '' } },
});

const GROUPS: readonly (readonly [string, () => Promise<readonly Measure[]>])[] = [
  ['compile', async () => (await import('./compile.ts')).measureCompile()],
  ['organism', async () => (await import('./organism.ts')).measureOrganism()],
  ['engines', async () => (await import('./engines.ts')).measureEngines()],
];

const all: Measure[] = [];
for (const [name, measure] of GROUPS) {
  if (!name.includes(values.only)) continue;
  process.stderr.write(`${name} …\n`);
  all.push(...(await measure()));
}

if (values.json === true) process.stdout.write(`${JSON.stringify(all, null, 2)}\n`);
else {
  const shown = (value: number | null) =>
    value === null ? '-' : value >= 100 ? value.toFixed(0) : value.toPrecision(3);
  const width = Math.max(...all.map(({ name }) => name.length));
  for (const { name, unit, value, baseline, ratio, goal, ok } of all) {
    const mark = ok === null ? ' ' : ok ? '✓' : '✗';
    const beside = baseline === null ? '' : `  against ${shown(baseline)}: ${shown(ratio)}`;
    process.stdout.write(`${mark} ${name.padEnd(width)}  ${shown(value)} ${unit}${beside}  (${goal})\n`);
  }
}
if (values.check === true && all.some(({ ok }) => ok === false)) process.exitCode = 1;
