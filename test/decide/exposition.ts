/**
 * Strict readers of the two formats that the metrics are to be read by, each written from its own specification, for
 * tests: OpenMetrics 1.0 and the text format 0.0.4 of Prometheus.
 */

export interface Read {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

const NAME = /^[a-zA-Z_:][a-zA-Z0-9_:]*$/;
const NUMBER = /^(?:[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?|[+-]Inf|NaN)$/;

function sample(line: string): Read {
  const [, name = '', inner, value = ''] = /^([^{ ]+)(?:\{(.*)\})? (\S+)$/s.exec(line) ?? [];
  if (!NAME.test(name)) throw new Error(`no name: ${line}`);
  if (!NUMBER.test(value)) throw new Error(`no number: ${line}`);
  const labels: Record<string, string> = {};
  for (let rest = inner ?? ''; rest !== ''; ) {
    const match = /^([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\\n]|\\[\\n"])*)"(?:,(?=.)|$)/s.exec(rest);
    if (match === null) throw new Error(`no label: ${rest}`);
    const [whole, key = '', text = ''] = match;
    if (Object.hasOwn(labels, key)) throw new Error(`a label twice: ${key}`);
    labels[key] = text.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char));
    rest = rest.slice(whole.length);
  }
  const number = value.endsWith('Inf') ? (value[0] === '-' ? -1 : 1) * Number.POSITIVE_INFINITY : Number(value);
  return { name, labels, value: number };
}

const keyOf = ({ name, labels }: Read) => JSON.stringify([name, Object.entries(labels).sort()]);

function distinct(reads: readonly Read[]): readonly Read[] {
  if (new Set(reads.map(keyOf)).size !== reads.length) throw new Error('the same sample twice');
  return reads;
}

/** Throws for anything that the specification does not allow. */
export function readOpenMetrics(text: string): readonly Read[] {
  if (!text.endsWith('# EOF\n')) throw new Error('no end');
  const lines = text.slice(0, -'# EOF\n'.length).split('\n');
  if (lines.pop() !== '') throw new Error('a line without an end');
  const families = new Map<string, { type?: string; unit?: string; help?: string; begun: boolean }>();
  let current = '';
  const reads = lines.map((line) => {
    const [, about, name = '', rest = ''] = /^# (TYPE|UNIT|HELP) (\S+) (.*)$/.exec(line) ?? [];
    if (about === undefined) {
      if (line.startsWith('#') || line === '') throw new Error(`no line: ${line}`);
      const read = sample(line);
      const family = families.get(current);
      const full = family?.type === 'counter' ? `${current}_total` : current;
      if (family === undefined || read.name !== full) throw new Error(`${read.name} is not of ${current}`);
      if (family.type === 'counter' && !(read.value >= 0)) throw new Error(`a counter below zero: ${line}`);
      family.begun = true;
      return read;
    }
    if (!NAME.test(name)) throw new Error(`no name: ${line}`);
    if (name !== current && families.has(name)) throw new Error(`${name} is in two places`);
    const family = families.get(name) ?? { begun: false };
    const key = about.toLowerCase() as 'type' | 'unit' | 'help';
    if (family.begun || family[key] !== undefined) throw new Error(`too late: ${line}`);
    if (key === 'type' && !['gauge', 'counter'].includes(rest)) throw new Error(`no type: ${line}`);
    if (key === 'unit' && !name.endsWith(`_${rest}`)) throw new Error(`${name} does not end in ${rest}`);
    if (/["\\]/.test(rest)) throw new Error(`escaped in two ways: ${line}`);
    if (/_(?:total|created|bucket|count|sum)$/.test(name)) throw new Error(`reserved: ${name}`);
    families.set(name, { ...family, [key]: rest });
    current = name;
    return null;
  });
  for (const [name, { begun, type }] of families)
    if (!begun || type === undefined) throw new Error(`nothing of ${name}`);
  return distinct(reads.filter((read) => read !== null));
}

/** What the older format makes of it: comments are passed over, but for TYPE and HELP. */
export function readText(text: string): readonly Read[] {
  if (!text.endsWith('\n')) throw new Error('a line without an end');
  const types = new Map<string, string>();
  const reads = text.split('\n').flatMap((line) => {
    if (line === '') return [];
    const [, about, name = '', rest = ''] = /^# (TYPE|HELP) (\S+) (.*)$/.exec(line) ?? [];
    if (about === 'TYPE') {
      if (!['counter', 'gauge', 'histogram', 'summary', 'untyped'].includes(rest)) throw new Error(`no type: ${line}`);
      if (types.has(name)) throw new Error(`a type twice: ${name}`);
      types.set(name, rest);
    }
    return line.startsWith('#') ? [] : [sample(line)];
  });
  return distinct(reads);
}
