/** Measures: each has a source, and bounds that are in order, of one kind, and of the kind that is measured. */
import type { Bound, Genome, Measure } from '../schema.ts';
import type { BoundKind } from '../words.ts';
import type { Report } from './complaint.ts';

/** What cells measure by themselves, and in what. */
const BUILT_IN: Readonly<Record<string, BoundKind>> = { cpu: 'percent', memory: 'size', disk: 'size' };
const KINDS: Record<BoundKind, string> = {
  number: 'a bare number',
  percent: 'a percentage',
  size: 'a size',
  duration: 'a duration',
  rate: 'a rate',
};
const EXAMPLES: Record<string, string> = { cpu: '[5%, 80%]', memory: '[16MiB, 256MiB]', disk: '[1MiB, 10GiB]' };

export function checkBounds(genome: Genome, report: Report): void {
  for (const [name, gene] of Object.entries(genome.functions)) {
    for (const [key, measure] of Object.entries(gene.pressure)) {
      const at = ['functions', name, 'pressure', key];
      checkSource(key, measure, at, report);
      const [low, high] = measure.bounds;
      if (low.kind !== high.kind) {
        report({
          code: 'bounds-of-two-kinds',
          at: [...at, 'bounds'],
          message: `the low bound of \`${key}\` is ${KINDS[low.kind]}, the high one ${KINDS[high.kind]}`,
          expected: 'both of one kind, such as [5%, 80%] or [1, 100]',
          because: [[...at, 'bounds']],
        });
      } else if (low.value >= high.value) {
        report({
          code: 'bounds-out-of-order',
          at: [...at, 'bounds'],
          message: `the low bound of \`${key}\` is not below the high one`,
          expected: '[low, high]',
          because: [[...at, 'bounds']],
        });
      }
      checkKind(key, measure, [low, high], at, report);
    }
  }
}

function checkSource(key: string, measure: Measure, at: string[], report: Report): void {
  const code = 'measure-source';
  const builtIn = Object.hasOwn(BUILT_IN, key);
  if (measure.http !== undefined && measure.command !== undefined) {
    report({
      code,
      at: [...at, 'command'],
      key: true,
      message: `\`${key}\` has both http and command`,
      expected: 'one of them',
    });
  } else if (measure.http !== undefined && measure.path === undefined) {
    report({
      code,
      at: [...at, 'http'],
      message: `\`${key}\` is read over HTTP, and nothing says where in the answer it is`,
      expected: 'path beside http, such as $.requests',
    });
  } else if (measure.path !== undefined && measure.http === undefined) {
    report({
      code,
      at: [...at, 'path'],
      key: true,
      message: `\`${key}\` has a path and no http to look in`,
      expected: 'http',
    });
  } else if (!builtIn && measure.http === undefined && measure.command === undefined) {
    report({
      code,
      at,
      key: true,
      message: `nothing says how \`${key}\` is measured`,
      expected: 'http with path, or command; only cpu, memory and disk are measured by themselves',
    });
  } else if (builtIn && (measure.http !== undefined || measure.command !== undefined)) {
    report({
      severity: 'warning',
      code,
      at,
      key: true,
      message: `\`${key}\` is measured by itself, and here by something else`,
      expected: 'another name for a measure of your own',
    });
  }
}

function checkKind(key: string, measure: Measure, bounds: readonly Bound[], at: string[], report: Report): void {
  const kind = Object.hasOwn(BUILT_IN, key) ? BUILT_IN[key] : undefined;
  if (kind === undefined || measure.http !== undefined || measure.command !== undefined) return;
  bounds.forEach((bound, index) => {
    if (bound.kind === kind) return;
    report({
      code: 'bounds-of-wrong-kind',
      at: [...at, 'bounds', index],
      message: `\`${key}\` is measured as ${KINDS[kind]}, and its bound is ${KINDS[bound.kind]}`,
      expected: `${KINDS[kind]}, such as ${EXAMPLES[key]}`,
      ...(kind === 'percent' && bound.kind === 'number' ? { suggestion: `${bound.value}%` } : {}),
    });
  });
}
