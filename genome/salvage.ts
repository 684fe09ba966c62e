/**
 * A genome out of a document that does not fit the schema, so that cross-field checks can speak in the same run as the
 * schema does: all findings at once. What does not fit is left out or replaced; `lost` names those places, and what a
 * check concludes from one of them is not said.
 */
import type { $ZodIssue } from 'zod/v4/core';
import type { Path } from './finding.ts';
import { issuesOf } from './issues.ts';
import { type Genome, genomeSchema } from './schema.ts';

export interface Salvaged {
  readonly genome: Genome;
  readonly lost: readonly Path[];
}

/** What stands in for a required value, by its last key. */
const STAND_INS: Readonly<Record<string, unknown>> = {
  organism: 'unknown',
  zone: 'unknown.invalid',
  clouds: {},
  functions: {},
  dns: { provider: 'local' },
  provider: 'local',
  run: 'true',
  up: 'true',
  down: 'true',
  git: 'unknown',
  bounds: [0, 1],
};

/** Null when nothing can be made of it. */
export function salvage(value: unknown, issues: readonly $ZodIssue[]): Salvaged | null {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return null;
  const root = structuredClone(value);
  const lost: Path[] = [];
  let left = issues;
  // What was left out may be required (a second round puts its stand-in there), and so may what holds it (a third).
  for (let round = 0; round < 4; round++) {
    for (const issue of left) mend(root, issue, lost);
    const parsed = genomeSchema.safeParse(root);
    if (parsed.success) return { genome: parsed.data, lost };
    left = issuesOf(parsed.error, root);
  }
  return null;
}

function mend(root: object, issue: $ZodIssue, lost: Path[]): void {
  // One end of a pair of bounds cannot be left out: both are replaced.
  const bounds = issue.path.lastIndexOf('bounds');
  const path = (bounds === -1 ? issue.path : issue.path.slice(0, bounds + 1)) as Path;
  const last = path.at(-1);
  const holder = parentOf(root, path);
  if (issue.code === 'unrecognized_keys') {
    const here = last === undefined ? root : (holder?.[last] as Record<string, unknown> | undefined);
    for (const key of issue.keys) if (here !== undefined) delete (here as Record<string, unknown>)[key];
    return;
  }
  if (holder === null || last === undefined) return;
  lost.push(path);
  // Items stay where they are, for the findings about their neighbours: the whole list goes only if one does not fit.
  if (Array.isArray(holder)) {
    const list = path.slice(0, -1);
    const above = parentOf(root, list);
    if (above !== null) delete above[list.at(-1) as string];
    lost.push(list);
  } else if (!Object.hasOwn(holder, last) || holder[last] === undefined || issue.code === 'invalid_union') {
    if (Object.hasOwn(STAND_INS, last)) holder[last] = structuredClone(STAND_INS[last]);
    else delete holder[last];
  } else {
    delete holder[last];
  }
}

function parentOf(root: object, path: Path): Record<string | number, unknown> | null {
  let here: unknown = root;
  for (const part of path.slice(0, -1)) {
    if (typeof here !== 'object' || here === null) return null;
    here = (here as Record<string | number, unknown>)[part];
  }
  return typeof here === 'object' && here !== null ? (here as Record<string | number, unknown>) : null;
}

/** The lost places, to be asked about. */
export class Lost {
  readonly #places: ReadonlySet<string>;
  readonly #holders: ReadonlySet<string>;

  constructor(lost: readonly Path[]) {
    this.#places = new Set(lost.map((path) => JSON.stringify(path)));
    this.#holders = new Set(lost.map((path) => JSON.stringify(path.slice(0, -1))));
  }

  /** Whether it, or what holds it, was lost. */
  covers(path: Path): boolean {
    return this.#places.size > 0 && path.some((_, index) => this.#places.has(JSON.stringify(path.slice(0, index + 1))));
  }

  /** Whether something concluded from it is doubtful: it was lost, or one of its members. */
  touches(path: Path): boolean {
    return this.covers(path) || this.#holders.has(JSON.stringify(path));
  }
}
