/**
 * The neighbours of a function: the other cells that perform it too. As they come and go, its `link` hooks run here
 * with CELL_PEER (the other cell's name), CELL_PEER_ID and CELL_PEER_URL; a hook that fails runs again at the next tick.
 */
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { runHook } from './effects/hooks.ts';
import type { Here } from './here.ts';
import type { CellId, FunctionName, Lineage } from './model.ts';
import { trafficOf } from './traffic.ts';

type Linked = Readonly<Record<FunctionName, readonly CellId[]>>;

export interface LinkChange {
  readonly function: FunctionName;
  readonly way: 'up' | 'down';
  readonly peer: CellId;
}

/** Which links to take up and which to let go. Pure. */
function linkChanges(
  genome: Genome,
  lineage: Lineage,
  self: CellId,
  running: readonly FunctionName[],
  linked: Linked,
): readonly LinkChange[] {
  return Object.entries(genome.functions).flatMap(([name, gene]) => {
    if (gene.link === undefined) return [];
    const wanted = running.includes(name) ? (lineage.homes[name] ?? []).filter((id) => id !== self) : [];
    const had = linked[name] ?? [];
    const change = (way: LinkChange['way'], ids: readonly CellId[]) =>
      ids.map((peer) => ({ function: name, way, peer }));
    // A program that is gone has no links to let go.
    const gone = running.includes(name) ? had.filter((id) => !wanted.includes(id)) : [];
    return [
      ...change('down', gone),
      ...change(
        'up',
        wanted.filter((id) => !had.includes(id)),
      ),
    ];
  });
}

export async function tendLinks(here: Here, genome: Genome, lineage: Lineage): Promise<void> {
  if (Object.values(genome.functions).every((gene) => gene.link === undefined)) return;
  const file = join(here.home, 'linked.json');
  const { running } = await trafficOf(here);
  const before = await readJson<Linked>(file, {}, 'fallback');
  const known = Object.fromEntries(Object.entries(before).filter(([name]) => running.includes(name)));
  const changes = linkChanges(genome, lineage, here.identity.id, running, known);
  let after: Linked = known;
  for (const change of changes) {
    if (!(await runLink(here, genome, lineage, change))) continue;
    const others = (after[change.function] ?? []).filter((id) => id !== change.peer);
    after = { ...after, [change.function]: change.way === 'up' ? [...others, change.peer].sort() : others };
  }
  if (JSON.stringify(after) !== JSON.stringify(before)) await writeAtomic(file, JSON.stringify(after));
}

async function runLink(
  here: Here,
  genome: Genome,
  lineage: Lineage,
  { function: name, way, peer }: LinkChange,
): Promise<boolean> {
  const gene = genome.functions[name];
  const cell = lineage.cells[peer];
  if (gene?.link === undefined || cell === undefined) return true;
  const url = gene.port === undefined ? '' : `http://${cell.reach.address}:${gene.port}`;
  const result = await runHook({
    layout: here.layout,
    function: name,
    hook: way,
    run: gene.link[way],
    env: { CELL_PEER: cell.name, CELL_PEER_ID: peer, CELL_PEER_URL: url },
  });
  if (!result.ok) here.log(`link ${way} of ${name} with ${cell.name}: ${result.why}`, 'warning', { function: name });
  return result.ok;
}
