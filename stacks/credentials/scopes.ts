/** Scopes as Linode and DigitalOcean write them, `resource:access`, compared with what is needed. Pure. */

/** What one access includes of others of its resource. */
export type Included = (access: string) => readonly string[];

/** Whether scopes reach as far as one that is asked for; `*` reaches everything. */
export function reaches(scopes: readonly string[], asked: string, included: Included): boolean {
  const [resource, access = ''] = asked.split(':');
  return scopes.some((scope) => {
    if (scope === '*') return true;
    const [having, level = ''] = scope.split(':');
    return having === resource && (level === '*' || level === access || included(level).includes(access));
  });
}

/** What is asked for and not there. */
export function missing(scopes: readonly string[], asked: readonly string[], included: Included): readonly string[] {
  return asked.filter((one) => !reaches(scopes, one, included));
}

/** What is there and beyond everything that is asked for. */
export function excess(scopes: readonly string[], asked: readonly string[], included: Included): readonly string[] {
  return scopes.filter((scope) => scope === '*' || !reaches(asked, scope, included));
}
