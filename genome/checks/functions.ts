/** One function at a time: health, paths, hooks, and whether dividing can mean anything for it. */
import type { Path } from '../finding.ts';
import type { FunctionGene, Genome } from '../schema.ts';
import type { Report } from './complaint.ts';

/** Set by the cell for every function. */
const RESERVED = /^(?:PORT|HOST|CELL_.*)$/;

export function checkFunctions(genome: Genome, report: Report): void {
  const names = Object.keys(genome.functions);
  if (names.length === 0) {
    report({
      code: 'no-functions',
      at: ['functions'],
      key: true,
      message: 'the organism performs no function',
      expected: 'web: { run: … }',
      because: [['functions']],
    });
  }
  const alone = names.length === 1;
  const taken = takenAlong(genome);
  for (const [name, gene] of Object.entries(genome.functions)) {
    const at = ['functions', name];
    checkHealth(gene, at, report);
    checkPaths(gene, at, report);
    checkDivision(name, gene, alone, taken, report);
    checkHooks(name, gene, taken, report);
    for (const variable of [...Object.keys(gene.env), ...Object.keys(gene.secrets)]) {
      const where = [...at, Object.hasOwn(gene.env, variable) ? 'env' : 'secrets', variable];
      if (!RESERVED.test(variable)) continue;
      const message = `${variable} is set by the cell, so this value is not used`;
      report({
        severity: 'warning',
        code: 'reserved-variable',
        at: where,
        key: true,
        message,
        expected: 'another name',
      });
    }
    for (const variable of Object.keys(gene.secrets)) {
      if (!Object.hasOwn(gene.env, variable)) continue;
      const message = `${variable} is in env and in secrets`;
      report({ code: 'variable-twice', at: [...at, 'env', variable], key: true, message, expected: 'one of them' });
    }
  }
}

function checkHealth({ health }: FunctionGene, at: Path, report: Report): void {
  if (health === undefined) return;
  const code = 'health-source';
  if (health.http === undefined && health.command === undefined) {
    const message = 'nothing says how health is checked';
    report({ code, at: [...at, 'health'], key: true, message, expected: 'http: /health, or command' });
  } else if (health.http !== undefined && health.command !== undefined) {
    report({
      code,
      at: [...at, 'health', 'command'],
      key: true,
      message: 'health has both http and command',
      expected: 'one of them',
    });
  }
}

function checkPaths(gene: FunctionGene, at: Path, report: Report): void {
  if (gene.source !== undefined && leaves(gene.source)) {
    const message = `the source \`${gene.source}\` leaves the genome's folder`;
    report({
      code: 'path-leaves',
      at: [...at, 'source'],
      message,
      expected: 'a relative path below it, such as functions/web',
    });
  }
  gene.data.forEach((path, index) => {
    if (!leaves(path) && path !== '') return;
    const message = `the data \`${path}\` leaves the function's folder`;
    report({
      code: 'path-leaves',
      at: [...at, 'data', index],
      message,
      expected: 'a relative path below it, such as data',
    });
  });
}

/** Whether a relative path, followed from its folder, ends outside of it. */
function leaves(path: string): boolean {
  if (path === '' || path.startsWith('/') || path.startsWith('~') || path.includes('\\') || path.includes('\0'))
    return true;
  let depth = 0;
  for (const part of path.split('/')) {
    if (part === '..') depth--;
    else if (part !== '' && part !== '.') depth++;
    if (depth < 0) return true;
  }
  return false;
}

function checkDivision(
  name: string,
  gene: FunctionGene,
  alone: boolean,
  taken: ReadonlySet<string>,
  report: Report,
): void {
  const at = ['functions', name];
  const measured = Object.keys(gene.pressure).length > 0;
  if (gene.divide === 'delegate' && alone) {
    report({
      code: 'delegate-alone',
      at: [...at, 'divide'],
      message: `\`${name}\` is the only function: to delegate it would leave its cell with nothing to do`,
      expected: 'replicate, or a second function',
      suggestion: 'replicate',
      because: [['functions']],
    });
  }
  if (gene.divide !== 'never' && !measured && !taken.has(name)) {
    report({
      severity: 'warning',
      code: 'divide-without-pressure',
      at: [...at, 'divide'],
      message: `\`${name}\` divides under pressure, and no pressure is measured`,
      expected: 'pressure, such as cpu: { bounds: [5%, 80%] }',
      because: [[...at, 'pressure'], ['functions']],
    });
  }
  if (gene.divide !== 'never' && gene.health === undefined) {
    report({
      severity: 'warning',
      code: 'divide-without-health',
      at: [...at, 'divide'],
      message: `\`${name}\` moves to a new cell before anybody can tell that it works there`,
      expected: 'health, such as { http: /health }',
      because: [[...at, 'health']],
    });
  }
  if (measured && gene.divide === 'never' && gene.throttle === undefined) {
    report({
      severity: 'warning',
      code: 'pressure-without-answer',
      at: [...at, 'pressure'],
      key: true,
      message: `the pressure on \`${name}\` is measured, and nothing answers it: it neither throttles nor divides`,
      expected: 'divide: replicate or delegate, or throttle',
      because: [
        [...at, 'divide'],
        [...at, 'throttle'],
      ],
    });
  }
  if (!measured && gene.throttle !== undefined) {
    report({
      severity: 'warning',
      code: 'throttle-without-pressure',
      at: [...at, 'throttle'],
      key: true,
      message: `\`${name}\` throttles under pressure, and no pressure is measured`,
      expected: 'pressure, such as cpu: { bounds: [5%, 80%] }',
      because: [[...at, 'pressure']],
    });
  }
}

function checkHooks(name: string, gene: FunctionGene, taken: ReadonlySet<string>, report: Report): void {
  const at = ['functions', name, 'handover'];
  const severity = 'warning';
  const { merge, dump, restore } = gene.handover;
  if (dump !== undefined && restore === undefined && merge === undefined) {
    const message = `what \`${name}\` dumps is read by nobody`;
    report({ code: 'dump-without-restore', at: [...at, 'dump'], key: true, message, expected: 'restore, too' });
  }
  if (restore !== undefined && dump === undefined) {
    const message = `nothing is dumped that \`${name}\` could restore`;
    report({ code: 'restore-without-dump', at: [...at, 'restore'], key: true, message, expected: 'dump, too' });
  }
  const replicates = gene.divide === 'replicate' || taken.has(name);
  if (merge !== undefined && !replicates) {
    const message = `there is never a second \`${name}\` to merge with`;
    const because = [['functions', name, 'divide']];
    report({
      severity,
      code: 'merge-without-replica',
      at: [...at, 'merge'],
      key: true,
      message,
      expected: 'divide: replicate',
      because,
    });
  }
}

/** Functions that replicas of another take along, so that they divide without pressure of their own. */
function takenAlong(genome: Genome): ReadonlySet<string> {
  const needs = Object.values(genome.functions).flatMap((gene) => Object.entries(gene.needs));
  return new Set(needs.filter(([, kind]) => kind === 'own').map(([name]) => name));
}
