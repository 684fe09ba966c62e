/**
 * Text -> a checked genome, or everything that is wrong with it, each with its place. Pure: reading the file is read.ts.
 *
 *   1. document.ts: text to plain values with positions (YAML);
 *   2. schema.ts: shapes, and issues.ts for its findings;
 *   3. secrets.ts: nothing that looks like a credential;
 *   4. check.ts: what takes two fields to be wrong, also when 2 found something (salvage.ts).
 */
import { checkGenome } from './check.ts';
import type { Complaint } from './checks/complaint.ts';
import { type Converted, spotAt } from './convert.ts';
import { readDocument } from './document.ts';
import { type Finding, type Problem, type Range, Source } from './finding.ts';
import { explain, issuesOf } from './issues.ts';
import { Lost, salvage } from './salvage.ts';
import { type Genome, genomeSchema } from './schema.ts';
import { findSecrets, hideSecrets } from './secrets.ts';

export type { Finding } from './finding.ts';

export interface ParsedGenome {
  /** Null when a finding is an error. */
  readonly genome: Genome | null;
  readonly findings: readonly Finding[];
}

/**
 * @param file What findings call the text; it is not read.
 * @param more Complaints that need more than the text, such as folders that are missing; asked when there is a genome.
 */
export function parseGenome(text: string, file: string, more?: (genome: Genome) => readonly Complaint[]): ParsedGenome {
  const source = new Source(text.startsWith('\ufeff') ? text.slice(1) : text, file);
  hideSecrets(source);
  const { converted, problems } = readDocument(source);
  if (converted === null || converted.value === undefined) return { genome: null, findings: source.findings(problems) };
  const secrets = findSecrets(converted);
  for (const secret of secrets) source.hide(secret.range);
  const all: Problem[] = [...problems, ...secrets];

  const parsed = genomeSchema.safeParse(converted.value);
  const issues = parsed.success ? [] : issuesOf(parsed.error, converted.value);
  const hidden = new Set(secrets.map((secret) => secret.path.join('\n')));
  for (const issue of issues) {
    // A secret in the place of its source is said once, by secrets.ts.
    if (!hidden.has(issue.path.join('\n'))) all.push(...explain(issue, converted));
  }
  const whole = parsed.success ? { genome: parsed.data, lost: [] } : salvage(converted.value, issues);
  if (whole !== null) {
    const lost = new Lost(whole.lost);
    for (const complaint of [...checkGenome(whole.genome), ...(more?.(whole.genome) ?? [])]) {
      const doubtful = lost.covers(complaint.at) || complaint.because?.some((path) => lost.touches(path));
      if (!doubtful) all.push(place(complaint, converted));
    }
  }
  const genome = parsed.success && !all.some((problem) => problem.severity === 'error') ? parsed.data : null;
  return { genome, findings: source.findings(all) };
}

function place(complaint: Complaint, { root }: Converted): Problem {
  const { at, key, because: _, severity = 'error', ...rest } = complaint;
  const spot = spotAt(root, at);
  let range: Range | null = spot === null ? null : ((key === true ? spot.key : null) ?? spot.value);
  // A default is meant: shown at what is written above it.
  for (let above = at.slice(0, -1); range === null; above = above.slice(0, -1)) {
    range = spotAt(root, above)?.key ?? (above.length === 0 ? [0, 1] : null);
  }
  return { severity, path: at, range, ...rest };
}
