/**
 * The part of a tick that is about genomes: vote, accept what the rule accepts, take it in when it is this cell's turn, say
 * how it went, and go back when it did not hold anywhere. Loaded only when there is a proposal (renewal.ts).
 *
 * Each turn of the loop looks anew and does one thing, kept before the next: killed anywhere, the next tick goes on. A
 * computer that is no cell follows: it takes in what was accepted and says nothing.
 */
import type { Genome } from '../genome/schema.ts';
import { converge, type Faults, planTurn } from './converge.ts';
import { grantDue } from './decide/grant.ts';
import * as d from './decide/renewal.ts';
import { CellError, explain } from './errors.ts';
import * as functions from './functions.ts';
import { genomeOf, type Here, lineageOf, say, takeGenome } from './here.ts';
import { ALIVE_EVERY_MS, STEP_ATTEMPTS } from './limits.ts';
import { authorities, keepLine, lineOf, proposalsOf, type Step, showLine } from './line.ts';
import type { Lineage, Proposed } from './model.ts';
import type { PerformOptions } from './perform.ts';
import { breachesOf, opinionOf } from './policy.ts';
import { pulsesOf } from './pulse.ts';
import { keepRenewal, keyOf, type Renewal, renewalOf } from './renewal.ts';
import { returnSecrets } from './sealed.ts';

export interface Renewed {
  /** The genome that runs here now. */
  readonly genome: Genome;
  /** Why the organism neither grows nor shrinks meanwhile; null: nothing is in the way. */
  readonly busy: string | null;
  /** What was done or is waited for, one line each, and what failed. */
  readonly notes: readonly string[];
}

/** Holding the lock for longer, and faults for drills: at each step, and at each thing done within a turn. */
export type RenewOptions = PerformOptions;

/** Things done in one tick: what is left over is for the next. */
const MOST = 20;

interface Moment {
  readonly here: Here;
  readonly genome: Genome;
  readonly renewal: Renewal;
  readonly line: readonly [Step, ...Step[]];
  readonly tip: Step;
  readonly lineage: Lineage;
  readonly view: d.Ballots & Pick<d.Spread, 'pulses' | 'now' | 'freshFor'>;
  /** Whether this home is a cell, and has a say. */
  readonly cell: boolean;
}

/** `done`: something changed, look again. */
type Move =
  | { readonly done: string; readonly step: string }
  | { readonly wait: string; readonly busy: boolean }
  | 'quiet';

export async function renew(here: Here, { renew: lease = () => true, ...faults }: RenewOptions = {}): Promise<Renewed> {
  const notes: string[] = [];
  let busy: string | null = null;
  const alive = setInterval(lease, ALIVE_EVERY_MS);
  try {
    for (let round = 0; round < MOST; round++) {
      const moment = await lookAt(here);
      if (moment === null) break;
      const move = await step(moment, faults);
      if (move === 'quiet') {
        const quiet = keyOf(await here.memory.recall());
        await keepRenewal(here, { ...(await renewalOf(here)), quiet });
        break;
      }
      if ('done' in move) {
        faults.afterStep?.(move.step);
        notes.push(move.done);
        if (moment.cell) here.log(`genome: ${move.done}`, 'notice');
        continue;
      }
      notes.push(move.wait);
      busy = move.busy ? move.wait : null;
      break;
    }
  } catch (error) {
    busy = `a genome could not be taken in: ${explain(error)}`;
    notes.push(busy);
    here.log(busy, 'err');
  } finally {
    clearInterval(alive);
  }
  return { genome: await genomeOf(here), busy, notes };
}

async function lookAt(here: Here): Promise<Moment | null> {
  const [lineage, genome, renewal, line] = await Promise.all([
    lineageOf(here),
    genomeOf(here),
    renewalOf(here),
    lineOf(here),
  ]);
  const state = lineage.cells[here.identity.id]?.state;
  const cell = state === 'living' || state === 'born';
  if (lineage.frozen !== null || (!cell && state !== undefined)) return null;
  const keys = authorities(lineage.seeder.key, genome);
  const passed = new Set(line.map(({ proposal }) => proposal));
  // By the genome that runs here; what the line holds was judged by the one before it.
  const proposals = (await proposalsOf(here)).filter(({ id, author }) => passed.has(id) || keys.includes(author));
  const view = {
    lineage,
    proposals,
    pulses: pulsesOf(here),
    now: here.clock(),
    freshFor: genome.healing.suspectAfter,
  };
  const tip = line.at(-1) as Step;
  await showLine(here, line);
  return { here, genome, renewal, line, tip, lineage, view, cell };
}

async function step(moment: Moment, faults: Faults): Promise<Move> {
  const { here, renewal, line, tip, view, cell } = moment;
  const failure = tip.proposal === null ? null : d.failureOf(view, tip.proposal);
  if (failure !== null && line.length > 1) {
    await keepLine(here, line.slice(0, -1));
    const who = view.lineage.cells[failure.cell]?.name ?? failure.cell;
    return { step: 'back', done: `${tip.proposal} is taken back: at ${who}, ${failure.why}` };
  }
  if (renewal.turning !== null && renewal.turning.to.commit === tip.commit) return turn(moment, faults);
  if (renewal.runs !== tip.proposal || renewal.turning !== null) return begin(moment);
  if (cell) {
    const held = await hold(moment);
    if (held !== null) return held;
    const raised = await raise(moment);
    if (raised !== null) return raised;
    for (const name of view.lineage.cells[here.identity.id]?.functions ?? []) {
      if (moment.genome.functions[name] !== undefined) continue;
      await say(here, { kind: 'end', function: name });
      await functions.forget(here, name);
      return { step: 'end', done: `${name} ended: the genome has it no more` };
    }
  }
  return judge(moment);
}

/** The genome of the line's tip is another than runs here: forward when it is this cell's turn, back at once. */
async function begin({ here, renewal, line, tip, view, cell }: Moment): Promise<Move> {
  const name = `genome ${tip.genome.slice(0, 12)}`;
  if (renewal.runs === tip.proposal) {
    // One that was taken back before anything of it but secrets was here.
    await returnSecrets(here, renewal.turning?.to.proposal ?? null);
    await keepRenewal(here, { ...renewal, turning: null });
    return { step: 'begin', done: `${name} stays` };
  }
  if (!cell) {
    await takeGenome(here, tip);
    await keepRenewal(here, { ...renewal, runs: tip.proposal, turning: null });
    return { step: 'begin', done: `${name} is the organism's` };
  }
  const from = line.find(({ proposal }) => proposal === renewal.runs);
  const proposal = view.proposals.find(({ id }) => id === tip.proposal);
  let first = false;
  if (from !== undefined && proposal !== undefined) {
    const spread = { ...view, proposal };
    const { turn: ours, why } = d.turnOf(spread, here.identity.id);
    if (!ours) return { wait: `${name} comes later: ${why}`, busy: true };
    const [saga] = (await here.journal.open()).filter(({ kind }) => kind === 'divide' || kind === 'absorb');
    if (saga !== undefined) return { wait: `${name} waits for a ${saga.kind} to end`, busy: true };
    first = d.firstOf(spread) === here.identity.id;
  }
  const back = from === undefined ? `${renewal.runs} did not hold` : null;
  const former = view.proposals.find(({ id }) => id === renewal.runs);
  const turning = await planTurn(here, from ?? (former && stepOf(former)), tip, { first, back });
  await keepRenewal(here, { ...renewal, turning });
  return { step: 'begin', done: `taking in ${name}${back === null ? '' : ` again: ${back}`}` };
}

const stepOf = ({ id, genome, commit }: Proposed): Step => ({ proposal: id, genome, commit });

/** Does what is left of a turn. A function that does not become well with a new genome ends the genome, everywhere. */
async function turn({ here, renewal, tip }: Moment, faults: Faults): Promise<Move> {
  try {
    await converge(here, renewal, faults);
    return { step: 'turn', done: `genome ${tip.genome.slice(0, 12)} is taken in` };
  } catch (error) {
    const now = await renewalOf(here);
    const failures = (now.turning?.failures ?? 0) + 1;
    const ill = error instanceof CellError && error.code === 'UNHEALTHY';
    if (now.turning?.back === null && (ill || failures >= STEP_ATTEMPTS)) return fail(here, tip, explain(error));
    if (now.turning !== null) await keepRenewal(here, { ...now, turning: { ...now.turning, failures } });
    throw error;
  }
}

async function fail(here: Here, tip: Step, why: string): Promise<Move> {
  await say(here, { kind: 'took', proposal: tip.proposal, genome: tip.genome, ok: false, why: why.slice(0, 300) });
  return { step: 'fail', done: `genome ${tip.genome.slice(0, 12)} does not hold here: ${why}` };
}

/** Says that it is well with the genome it runs, or that it is not, for as long as others have yet to take it in. */
async function hold({ here, genome, renewal, tip, view }: Moment): Promise<Move | null> {
  const self = here.identity.id;
  const said = (d.runsOf(view.lineage, self)?.proposal ?? null) === tip.proposal;
  if (said && d.isComplete(view, tip.proposal)) return null;
  const pulse = view.pulses[self];
  const heard = pulse !== undefined && pulse.at > renewal.turnedAt;
  const ill = heard ? d.unwell(Object.entries(pulse.functions).map(([name, { health }]) => [name, health])) : [];
  const name = `genome ${tip.genome.slice(0, 12)}`;
  if (ill.length > 0) {
    const since = renewal.illSince ?? here.clock();
    if (renewal.illSince === null) await keepRenewal(here, { ...renewal, illSince: since });
    const within = Math.max(...Object.values(genome.functions).map(({ health }) => health?.within ?? 0));
    if (renewal.forward && here.clock() - since >= within) return fail(here, tip, ill.join(', '));
    return { wait: `${name}: ${ill.join(', ')}`, busy: true };
  }
  if (renewal.illSince !== null) await keepRenewal(here, { ...renewal, illSince: null });
  if (!heard && !said) return { wait: `${name} is taken in, and looked at for a beat`, busy: true };
  if (said) return { wait: `${name} goes on to other cells`, busy: true };
  const why = renewal.forward ? '' : 'the one before came back';
  await say(here, { kind: 'took', proposal: tip.proposal, genome: tip.genome, ok: true, why });
  return { step: 'took', done: `${name} holds here` };
}

/** Says that there may be more cells, where that is for this one to say: once every cell runs the genome that allows it. */
async function raise({ here, genome, lineage, line, view: { proposals } }: Moment): Promise<Move | null> {
  const accepted = line.flatMap(({ proposal }) => proposals.find(({ id }) => id === proposal) ?? []);
  const deed = grantDue(lineage, here.identity.id, accepted, genome.body.maxCells);
  if (deed === null) return null;
  await say(here, deed);
  return { step: 'grant', done: `there may be ${deed.cells} cells now, ${deed.cells - lineage.maxCells} more` };
}

/** Votes, and accepts what the rule of the genome accepts. */
async function judge({ here, genome, line, tip, view, cell }: Moment): Promise<Move> {
  const open = d.successors(view, tip.proposal);
  if (open.length === 0) {
    // It may still be taken back; who is no cell only hears of that.
    const done = d.isComplete(view, tip.proposal);
    return done ? 'quiet' : { wait: `genome ${tip.genome.slice(0, 12)} is not in every cell yet`, busy: false };
  }
  const self = here.identity.id;
  const counted = open.map((one) => ({ one, ...d.tally(view, one) }));
  const asked = counted.find(({ missing }) => missing.includes(self));
  if (cell && asked !== undefined) {
    const why = await opinionOf(here, genome, asked.one);
    const yes = why.length === 0;
    const reasons = yes ? 'an authority signed it, and it compiles here' : why.join('; ').slice(0, 300);
    await say(here, { kind: 'vote', proposal: asked.one.id, yes, why: reasons });
    return { step: 'vote', done: `${yes ? 'yes' : 'no'} to ${asked.one.id}: ${reasons}` };
  }
  const { accepted, why } = d.verdict(view, tip.proposal, genome.governance.rule);
  if (accepted === null) return { wait: `${open.length} proposed: ${why}`, busy: false };
  if (cell && genome.governance.rule === 'authority') {
    const refusal = counted.find(({ one }) => one.id === accepted.id)?.no.find((no) => no.cell === self);
    if (refusal !== undefined) return { wait: `${accepted.id} is not taken here: ${refusal.why}`, busy: false };
  }
  // Votes by hand pass many things by, but not this.
  const [breach] = await breachesOf(here, genome, accepted);
  if (breach !== undefined) return { wait: `${accepted.id} is not taken: ${breach}`, busy: false };
  const passed = view.proposals.filter(({ parent, id }) => parent === tip.proposal && id !== accepted.id);
  await keepLine(
    here,
    [...line, stepOf(accepted)],
    passed.map(({ id }) => id),
  );
  return { step: 'accept', done: `${accepted.id} is accepted: ${why}` };
}
