/** A division on real machines, phase by phase as the cell itself noted them, beside the bare boot of a machine. */
import type { Status } from '../../src/status.ts';
import { type Measure, reported, run } from '../measure.ts';
import type { Plot } from './plot.ts';

const ANSWERS_AFTER = 'rewire';

export async function measureLabDivision(plot: Plot): Promise<readonly Measure[]> {
  const began = performance.now();
  await plot.blank();
  const boot = performance.now() - began;
  await run(plot.cell('seed', '--yes'));
  try {
    const { phases, figures } = await divided(plot);
    const names = Object.keys(phases);
    // A function that is in both from then on stands still for nobody.
    const pause = figures['pauseMs:web'];
    const own = names.slice(0, names.indexOf(ANSWERS_AFTER) + 1).reduce((sum, step) => sum + (phases[step] ?? 0), 0);
    return [
      ...names.map((step) => reported(`division on machines: ${step}`, 'ms', phases[step] ?? Number.NaN)),
      reported('division on machines: from breach to serving, against a bare boot', 'ms', own, boot),
      ...(pause === undefined ? [] : [reported('division on machines: pause of the function', 'ms', pause)]),
    ];
  } finally {
    await run(plot.cell('destroy', '--yes'));
  }
}

interface Division {
  readonly ok: boolean;
  readonly phases: Readonly<Record<string, number>>;
  readonly figures: Readonly<Record<string, number>>;
}

/** One more division of the first cell, as that noted it. */
export async function divided(plot: Plot): Promise<Division> {
  const { cells } = JSON.parse((await run(plot.cell('status', '--json'))).stdout) as Status;
  const name = cells[0]?.name ?? '';
  const onCell = (line: string) => run(plot.cell('ssh', name, '--', line));
  await onCell('rm -f /var/lib/cell/last-division.json; cell divide --now web');
  for (let tick = 0; tick < 30; tick++) {
    const { stdout } = await onCell('sleep 1; cell divide >&2; cat /var/lib/cell/last-division.json || true');
    if (stdout.trim() === '') continue;
    const division = JSON.parse(stdout) as Division;
    if (!division.ok) throw new Error('the division was taken back');
    return division;
  }
  throw new Error('the division did not end');
}
