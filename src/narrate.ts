/** What happened between two looks at an organism, in sentences. Pure. */
import type { Status, StatusCell } from './status.ts';

export function narrate(before: Status | null, after: Status): readonly string[] {
  const lines: string[] = [];
  const old = new Map(before?.cells.map((cell) => [cell.id, cell]) ?? []);
  const names = new Map([...(before?.cells ?? []), ...after.cells].map((cell) => [cell.id, cell.name]));
  for (const cell of after.cells) {
    const was = old.get(cell.id);
    if (was === undefined)
      lines.push(`${cell.name} is born at ${cell.address}, child of ${names.get(cell.parent) ?? 'the seed'}`);
    lines.push(...changes(was, cell));
  }
  for (const [id, was] of old) {
    if (!after.cells.some((cell) => cell.id === id))
      lines.push(`${was.name} is gone; its budget is back with its parent`);
  }
  for (const domain of after.domains) {
    const was = before?.domains.find((one) => one.name === domain.name)?.addresses ?? [];
    if (was.join() !== domain.addresses.join()) lines.push(`${domain.name} -> ${domain.addresses.join(', ')}`);
  }
  if ((before?.frozen === null || before === null) && after.frozen !== null) lines.push(`frozen: ${after.frozen.why}`);
  return lines;
}

function changes(was: StatusCell | undefined, is: StatusCell): readonly string[] {
  const lines: string[] = [];
  if (was !== undefined && was.state !== is.state) lines.push(`${is.name}: ${was.state} -> ${is.state}`);
  for (const one of is.functions) {
    const earlier = was?.functions.find((other) => other.name === one.name);
    if (was !== undefined && earlier === undefined) lines.push(`${is.name} now performs ${one.name}`);
    if (one.throttle !== (earlier?.throttle ?? 0))
      lines.push(`${is.name} ${one.throttle === 0 ? 'relaxes' : `throttles to ${one.throttle}:`} ${one.name}`);
    if (earlier !== undefined && earlier.level !== one.level && one.level !== 'none') {
      const measured = Object.entries(one.pressure).map(([key, value]) => `${key} ${value.toFixed(0)}`);
      const words = { one: 'inside its bounds', two: 'over its bound', many: 'far over its bound' } as Record<
        string,
        string
      >;
      lines.push(`${is.name} ${one.name} is ${words[one.level] ?? one.level} (${measured.join(', ')})`);
    }
  }
  for (const one of was?.functions ?? []) {
    if (!is.functions.some((other) => other.name === one.name)) lines.push(`${is.name} no longer performs ${one.name}`);
  }
  return lines;
}
