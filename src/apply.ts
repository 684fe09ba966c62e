/** `cell apply`: proposes a genome and follows the cells as they take it in. What it tells is worked out from the feeds. */
import { setTimeout as sleep } from 'node:timers/promises';
import * as d from './decide/renewal.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import { lineOf, proposalsOf } from './line.ts';
import { proposalRef } from './memory/proposals.ts';
import { updateRefs } from './memory/repo.ts';
import { syncAll } from './memory/sync.ts';
import type { Lineage, Proposed } from './model.ts';
import { follow } from './observe.ts';
import { carry, propose, refresh, type Wish } from './propose.ts';
import { pulsesOf } from './pulse.ts';

/** One thing that happened; `text` is for people. */
export interface Event {
  readonly event:
    | 'nothing'
    | 'proposed'
    | 'found'
    | 'refused'
    | 'vote'
    | 'accepted'
    | 'stage'
    | 'took'
    | 'raised'
    | 'failed'
    | 'takenBack'
    | 'converged'
    | 'waiting';
  readonly text: string;
  readonly proposal: string | null;
  readonly cell?: string;
  readonly yes?: boolean;
  /** From 1. */
  readonly stage?: number;
  readonly stages?: number;
}

export type Outcome = 'nothing' | 'converged' | 'refused' | 'takenBack' | 'waiting';

export interface Applied {
  readonly outcome: Outcome;
  readonly proposal: string | null;
  readonly genome: string;
}

export interface ApplyOptions extends Wish {
  readonly timeoutMs: number;
  readonly tell: (event: Event) => void;
}

/** Between two looks: one log-in each. */
const LOOK_MS = 1_000;

export async function apply(here: Here, options: ApplyOptions): Promise<Applied> {
  const { tell } = options;
  const { proposal, created, from } = await propose(here, options);
  if (proposal === null) {
    tell({ event: 'nothing', text: 'The organism has this genome.', proposal: null });
    return { outcome: 'nothing', proposal: null, genome: from.genome };
  }
  const { id, genome } = proposal;
  const ended = (outcome: Outcome): Applied => ({ outcome, proposal: id, genome });
  if (created) {
    const refused = await carry(here, id);
    if (refused !== null) {
      tell({ event: 'refused', text: `The cells refused it: ${refused}`, proposal: id });
      return ended('refused');
    }
  }
  const asked = created ? 'Proposed' : 'Proposed before';
  tell({
    event: created ? 'proposed' : 'found',
    text: `${asked}: genome ${genome.slice(0, 12)} as ${id}`,
    proposal: id,
  });
  const told = new Set<string>();
  const deadline = here.clock() + options.timeoutMs;
  for (;;) {
    const seen = await progress(here, proposal);
    for (const [key, event] of seen.events) {
      if (told.has(key)) continue;
      told.add(key);
      tell(event);
    }
    if (seen.outcome !== null) {
      if (seen.outcome === 'refused') await updateRefs(here.memory.dir, [{ ref: proposalRef(id), to: null }]);
      return ended(seen.outcome);
    }
    if (here.clock() > deadline) {
      tell({ event: 'waiting', text: `Time is up: ${seen.waits}`, proposal: id });
      return ended('waiting');
    }
    await sleep(LOOK_MS);
    await look(here);
  }
}

/** What is new, from the first cell that answers: it hears of the others. */
async function look(here: Here): Promise<void> {
  const { cells } = await lineageOf(here);
  const living = Object.values(cells).filter(({ state }) => state === 'born' || state === 'living');
  for (const cell of living.sort((a, b) => a.bornAt - b.bornAt)) {
    const [result] = await syncAll([cell], { home: here.home, identity: here.identity });
    if (result?.ok === true) return follow(here);
  }
  await refresh(here).catch(() => undefined); // asked again at the next look; time runs out if nobody ever answers
}

interface Seen {
  readonly events: readonly (readonly [string, Event])[];
  readonly outcome: Outcome | null;
  /** What is still missing, for who stops looking. */
  readonly waits: string;
}

async function progress(here: Here, proposal: Proposed): Promise<Seen> {
  const [lineage, line, proposals, genome] = await Promise.all([
    lineageOf(here),
    lineOf(here),
    proposalsOf(here),
    genomeOf(here),
  ]);
  const freshFor = genome.healing.suspectAfter;
  const known = proposals.some(({ id }) => id === proposal.id) ? proposals : [...proposals, proposal];
  const spread = { lineage, proposals: known, proposal, pulses: pulsesOf(here), now: here.clock(), freshFor };
  return progressOf(
    spread,
    line.some((step) => step.proposal === proposal.id),
    genome.governance.rule,
  );
}

type Followed = d.Spread & { readonly lineage: Pick<Lineage, 'maxCells' | 'mint'> };

/** Pure: what can be told of a proposal now, each thing with a key of its own. */
export function progressOf(spread: Followed, accepted: boolean, rule: Parameters<typeof d.verdict>[2]): Seen {
  const { proposal, lineage } = spread;
  const events: (readonly [string, Event])[] = [];
  const short = proposal.genome.slice(0, 12);
  const name = (id: string) => lineage.cells[id]?.name ?? id;
  const tell = (key: string, event: Event['event'], text: string, more: Partial<Event> = {}) =>
    events.push([key, { event, text, proposal: proposal.id, ...more }]);
  const { yes, no, missing, failed } = d.tally(spread, proposal);
  for (const cell of yes) tell(`yes ${cell}`, 'vote', `${name(cell)} says yes`, { cell, yes: true });
  for (const { cell, why } of no) tell(`no ${cell}`, 'vote', `${name(cell)} says no: ${why}`, { cell, yes: false });
  if (failed !== null) {
    tell('failed', 'failed', `It did not hold at ${name(failed.cell)}: ${failed.why}`, { cell: failed.cell });
    const left = d.electors(lineage).filter(({ id }) => d.runsOf(lineage, id)?.proposal === proposal.id);
    const waits = `${left.map(({ id }) => name(id)).join(', ')} still runs it`;
    if (left.length > 0) return { events, outcome: null, waits };
    tell('back', 'takenBack', 'Every cell runs the genome before.');
    return { events, outcome: 'takenBack', waits: '' };
  }
  const { accepted: chosen, why } = d.verdict(spread, proposal.parent, rule);
  if (!accepted && chosen?.id !== proposal.id) {
    const over = missing.length === 0 || chosen !== null;
    if (over) tell('refused', 'refused', `It is not accepted: ${chosen === null ? why : `${chosen.id} is`}`);
    return { events, outcome: over ? 'refused' : null, waits: why };
  }
  tell('accepted', 'accepted', `Accepted: genome ${short}`);
  const all = d.stages(spread);
  let waits = '';
  for (const [index, { cells, done, waits: reason }] of all.entries()) {
    const place = { stage: index + 1, stages: all.length };
    tell(`stage ${index}`, 'stage', `Stage ${index + 1} of ${all.length}: ${cells.map(name).join(', ')}`, place);
    for (const cell of done) tell(`took ${cell}`, 'took', `${name(cell)} runs it and is healthy`, { cell, ...place });
    waits = reason ?? '';
    if (reason !== null) break;
  }
  if (waits !== '' || all.length === 0) return { events, outcome: null, waits };
  const allowed = proposal.maxCells ?? 0;
  if (allowed > lineage.maxCells) return { events, outcome: null, waits: `${name(lineage.mint)} gets its budget next` };
  if (allowed > 0) tell('raised', 'raised', `There may be ${allowed} cells: the budget is ${name(lineage.mint)}'s.`);
  tell('converged', 'converged', `Every cell runs genome ${short}.`);
  return { events, outcome: 'converged', waits: '' };
}
