/** What functions say about each other: needs that exist, can be reached and do not go in circles. */
import type { Genome } from '../schema.ts';
import { nearest } from '../suggest.ts';
import type { Report } from './complaint.ts';

export function checkReferences(genome: Genome, report: Report): void {
  const names = Object.keys(genome.functions);
  for (const [name, gene] of Object.entries(genome.functions)) {
    for (const need of Object.keys(gene.needs)) {
      const at = ['functions', name, 'needs', need];
      if (need === name) {
        report({
          code: 'needs-itself',
          at,
          key: true,
          message: `\`${name}\` needs itself`,
          expected: 'another function',
        });
      } else if (!Object.hasOwn(genome.functions, need)) {
        const others = names.filter((other) => other !== name);
        report({
          code: 'unknown-function',
          at,
          key: true,
          message: `\`${name}\` needs \`${need}\`, and there is no such function`,
          expected: others.length > 0 && others.length <= 12 ? `one of ${others.join(', ')}` : 'the name of a function',
          suggestion: nearest(need, others),
          because: [['functions', need]],
        });
      } else {
        const needed = genome.functions[need];
        if (needed?.port !== undefined || needed?.domain !== undefined) continue;
        report({
          severity: 'warning',
          code: 'unreachable-need',
          at,
          key: true,
          message: `\`${need}\` has neither a port nor a domain, so \`${name}\` cannot reach it`,
          expected: `port (or domain) in functions.${need}`,
          because: [['functions', need]],
        });
      }
    }
  }
  for (const circle of circles(genome)) {
    const [first, second] = circle as [string, string];
    report({
      code: 'needs-in-a-circle',
      at: ['functions', first, 'needs', second],
      key: true,
      message: `functions need each other in a circle: ${[...circle, first].join(' -> ')}`,
      expected: 'needs that end somewhere, so that there is an order to start in',
    });
  }
}

/** Each circle of needs once, beginning where it was met first. Longer than one: a function that needs itself is named apart. */
function circles(genome: Genome): string[][] {
  const found: string[][] = [];
  const done = new Set<string>();
  const needsOf = (name: string) => {
    const gene = Object.hasOwn(genome.functions, name) ? genome.functions[name] : undefined;
    return Object.keys(gene?.needs ?? {}).filter((need) => need !== name);
  };
  for (const start of Object.keys(genome.functions)) {
    if (done.has(start)) continue;
    // Depth first with a stack of our own: a thousand functions may need each other in one row.
    const trail: string[] = [start];
    const pending: string[][] = [needsOf(start)];
    const onTrail = new Set(trail);
    while (trail.length > 0) {
      const next = pending.at(-1)?.shift();
      if (next === undefined) {
        const left = trail.pop() as string;
        pending.pop();
        onTrail.delete(left);
        done.add(left);
      } else if (onTrail.has(next)) {
        found.push(trail.slice(trail.indexOf(next)));
      } else if (!done.has(next)) {
        trail.push(next);
        pending.push(needsOf(next));
        onTrail.add(next);
      }
    }
  }
  return found;
}
