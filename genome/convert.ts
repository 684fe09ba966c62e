/**
 * A composed YAML document -> plain values, and where each of them stands in the text.
 *
 * The library's own `toJS` would do for the values, but not for their places, and it compares each key with every other
 * to find repeated ones. Aliases are written out here, counted against MAX_VALUES.
 */
import { type Document, isAlias, isMap, isScalar, isSeq, type ParsedNode, type Scalar } from 'yaml';
import type { Path, Problem, Range } from './finding.ts';
import { MAX_DEPTH, MAX_VALUES } from './limits.ts';

/** Where a value stands: its key (if it has one), itself, and what is in it. */
export interface Spot {
  readonly key: Range | null;
  readonly value: Range;
  readonly children: ReadonlyMap<string | number, Spot>;
}

export interface Text {
  readonly path: Path;
  readonly text: string;
  readonly range: Range;
}

export interface Converted {
  readonly value: unknown;
  readonly root: Spot;
  /** Every text in the document, for the search for secrets. */
  readonly texts: readonly Text[];
  readonly problems: readonly Problem[];
}

/** The spot at a path, or null when nothing stands there. */
export function spotAt(root: Spot, path: Path): Spot | null {
  let spot: Spot | undefined = root;
  for (const part of path) {
    spot = spot.children.get(part);
    if (spot === undefined) return null;
  }
  return spot;
}

const NONE: ReadonlyMap<string | number, Spot> = new Map();

class Refused extends Error {}

export function convert(document: Document.Parsed<ParsedNode>): Converted {
  const anchors = new Map<string, ParsedNode>();
  /** Aliases are being written out of these: one that points into itself never ends. */
  const open = new Set<ParsedNode>();
  const texts: Text[] = [];
  const problems: Problem[] = [];
  let values = 0;
  let within = 0;

  const report = (code: string, path: Path, range: Range, message: string, expected?: string) =>
    problems.push({ severity: 'error', code, message, expected, path, range });

  function visit(node: ParsedNode | null, path: Path, key: Range | null, fallback: Range): [unknown, Spot] {
    const range: Range = node?.range ? [node.range[0], Math.max(node.range[1], node.range[0] + 1)] : fallback;
    if (++values > MAX_VALUES || path.length > MAX_DEPTH) {
      report('too-large', path, range, `the genome stands for more than ${MAX_VALUES} values`, 'fewer aliases');
      throw new Refused();
    }
    if (node === null) return [null, { key, value: range, children: NONE }];
    if (isAlias(node)) return visitAlias(node.source, path, key, range);
    if ('anchor' in node && node.anchor !== undefined && within === 0) anchors.set(node.anchor, node);
    if (isMap(node) || isSeq(node)) {
      open.add(node);
      const result = isMap(node) ? visitMap(node, path, key, range) : visitList(node, path, key, range);
      open.delete(node);
      return result;
    }
    if (!isScalar(node)) return [null, { key, value: range, children: NONE }];
    if (typeof node.value === 'string') texts.push({ path, text: node.value, range });
    return [node.value, { key, value: range, children: NONE }];
  }

  function visitAlias(name: string, path: Path, key: Range | null, range: Range): [unknown, Spot] {
    const target = anchors.get(name);
    if (target === undefined || open.has(target)) {
      const why =
        target === undefined ? `nothing above is called &${name}` : `*${name} stands inside what it stands for`;
      report('alias', path, range, why, 'an anchor above the alias, and not around it');
      return [null, { key, value: range, children: NONE }];
    }
    within++;
    const result = visit(target, path, key, range);
    within--;
    return result;
  }

  function visitList(node: ParsedNode, path: Path, key: Range | null, range: Range): [unknown, Spot] {
    const items = isSeq(node) ? (node.items as (ParsedNode | null)[]) : [];
    const children = new Map<number, Spot>();
    const list = items.map((item, index) => {
      const [value, spot] = visit(item, [...path, index], null, range);
      children.set(index, spot);
      return value;
    });
    return [list, { key, value: range, children }];
  }

  function visitMap(node: ParsedNode, path: Path, key: Range | null, range: Range): [unknown, Spot] {
    const map: Record<string, unknown> = {};
    const children = new Map<string, Spot>();
    for (const pair of isMap(node) ? node.items : []) {
      const keyNode = pair.key as Scalar.Parsed;
      const name = isScalar(keyNode) ? String(keyNode.value ?? '') : '';
      const start = keyNode.range?.[0] ?? range[0];
      const place: Range = [start, Math.max(keyNode.range?.[1] ?? start, start + 1)];
      const here = [...path, name];
      const before = children.get(name);
      if (name === '<<') {
        report(
          'merge-key',
          here,
          place,
          'merge keys (<<) are not part of YAML 1.2',
          'the keys written out, or an alias for a whole value',
        );
      } else if (name === '__proto__') {
        report('unknown-key', here, place, 'unknown key `__proto__`');
      } else if (before !== undefined) {
        report('duplicate-key', here, place, `the key \`${name.slice(0, 64)}\` is here a second time`, 'each key once');
      } else {
        const [value, spot] = visit(pair.value as ParsedNode | null, here, place, place);
        map[name] = value;
        children.set(name, spot);
      }
    }
    return [map, { key, value: range, children }];
  }

  const end: Range = [0, 1];
  try {
    const [value, root] = visit(document.contents, [], null, end);
    return { value, root, texts, problems };
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown;
    return { value: undefined, root: { key: null, value: end, children: NONE }, texts, problems };
  }
}
