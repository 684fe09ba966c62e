/**
 * OpenMetrics text (the 1.0 specification), written so that the older text format of Prometheus reads it too, which is
 * what the node exporter's textfile collector takes: only gauges and counters, whose TYPE is named in both. The older
 * parser takes `# UNIT` and `# EOF` for comments and a counter's `…_total` for a value without a type. Pure.
 */

export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

export interface Family {
  /** Without `_total`; ends in the unit where there is one. */
  readonly name: string;
  readonly type: 'gauge' | 'counter';
  readonly unit?: string;
  /** No quotes, backslashes or line ends: the two formats escape them differently. */
  readonly help: string;
  /** A family without any is left out. Two with the same labels are a mistake. */
  readonly samples: readonly Sample[];
}

const escaped = (text: string): string => text.replace(/\\/g, '\\\\').replace(/"/g, '\\"').replace(/\n/g, '\\n');

function numberText(value: number): string {
  if (Number.isNaN(value)) return 'NaN';
  if (!Number.isFinite(value)) return value > 0 ? '+Inf' : '-Inf';
  return String(value);
}

function sampleText(name: string, { labels = {}, value }: Sample): string {
  const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
  return `${name}${pairs.length === 0 ? '' : `{${pairs.join(',')}}`} ${numberText(value)}\n`;
}

/** The whole text. */
export function openMetrics(families: readonly Family[]): string {
  const texts = families
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, unit, help, samples }) => {
      const about = [
        `# TYPE ${name} ${type}\n`,
        ...(unit === undefined ? [] : [`# UNIT ${name} ${unit}\n`]),
        `# HELP ${name} ${help}\n`,
      ];
      const full = type === 'counter' ? `${name}_total` : name;
      return [...about, ...samples.map((sample) => sampleText(full, sample))].join('');
    });
  return `${texts.join('')}# EOF\n`;
}
