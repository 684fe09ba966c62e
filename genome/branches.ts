/**
 * Which branch of a union the author means. zod tries all and, when none fits, says of each why; a reader wants to hear of
 * the one that was meant.
 */
import type { $ZodIssue, $ZodType, $ZodTypes } from 'zod/v4/core';

type Union = Extract<$ZodTypes['_zod']['def'], { type: 'union' }>;

/**
 * The number of the branch for a value, or null when the union is of no such kind: one mapping with a discriminator, or a
 * mapping of names to such. A mapping is the latter when it has no discriminator and holds a mapping.
 */
export function branchOf({ options }: Pick<Union, 'options'>, value: unknown): number | null {
  const one = options.findIndex((option) => 'discriminator' in defOf(option));
  const several = options.findIndex((option) => defOf(option).type === 'record');
  if (one === -1 || several === -1) return null;
  const key = String((defOf(options[one] as $ZodType) as { discriminator?: unknown }).discriminator);
  const members = isMapping(value) ? value : {};
  const named = typeof members[key] !== 'string' && Object.values(members).some(isMapping);
  return named ? several : one;
}

/** The issues with those of a union in place of the word that nothing fitted. */
export function flattened(
  issues: readonly $ZodIssue[],
  branch: (path: readonly PropertyKey[]) => number | null,
): readonly $ZodIssue[] {
  return issues.flatMap((issue) => {
    if (issue.code !== 'invalid_union' || issue.errors.length === 0) return [issue];
    const meant = branch(issue.path);
    const inside = meant === null ? undefined : issue.errors[meant];
    if (inside === undefined) return [issue];
    const placed = inside.map((one) => ({ ...one, path: [...issue.path, ...one.path] }) as $ZodIssue);
    return flattened(placed, branch);
  });
}

const defOf = (schema: $ZodType) => (schema as $ZodTypes)._zod.def;
const isMapping = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);
