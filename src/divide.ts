/**
 * One tick of a cell, what cron runs: sense, sync, decide, act, tell. Most ticks decide nothing and load nothing for it.
 *
 *   1 lock      one thing at a time on a cell; who comes second goes away
 *   2 tend      functions that live here and do not run are started
 *   3 sense     pressure and health of the own functions
 *   4 sync      with every link not heard from since the last beat
 *     renew    a genome that was proposed: vote, take it in, take it back (renew.ts); seldom
 *   5 decide    pure, with reasons (decide/)
 *   6 act       one exhaustive switch (perform.ts)
 *   7 endow     credentials that end soon are minted anew, those of nobody revoked (endowments.ts)
 *   8 express   routes, records, doors and where-abouts as the lineage now says
 *   9 pulse     say so
 *  10 leave     metrics for whoever watches (leave.ts)
 */
import type { Genome } from '../genome/schema.ts';
import { beatOf, keepBeat } from './beat.ts';
import { decide, decideNow } from './decide/decide.ts';
import { tendCredentials } from './endowments.ts';
import { advise, explain } from './errors.ts';
import { express } from './express.ts';
import { genomeOf, type Here, lineageOf } from './here.ts';
import { leaveMetrics } from './leave.ts';
import { tryLock } from './lock.ts';
import { look } from './look.ts';
import type { Action, Decision, FunctionName } from './model.ts';
import { type Outcome, wrong } from './outcome.ts';
import type { PerformOptions } from './perform.ts';
import { publish, repeat } from './pulse.ts';
import { isDue } from './renewal.ts';
import { senseAll } from './sense.ts';
import { syncLinks } from './sync.ts';
import { tend } from './tend.ts';

export interface TickOptions extends PerformOptions {
  /** Decide and say why, but do nothing. */
  readonly dryRun?: boolean;
  /** Divide because of this function, without waiting for pressure. */
  readonly now?: FunctionName;
  /** Told before an action is done, and what came of it. */
  readonly onAction?: (action: Action) => void;
  readonly onOutcome?: (outcome: Outcome) => void;
}

export interface TickReport {
  readonly kind: 'done' | 'busy' | 'dry';
  readonly decision: Decision | null;
  /** What was done about each action, one line each. */
  readonly outcomes: readonly string[];
}

export async function divide(here: Here, options: TickOptions = {}): Promise<TickReport> {
  try {
    return await tick(here, options);
  } catch (error) {
    if (options.dryRun !== true) cryOut(here, error);
    throw error;
  }
}

async function tick(here: Here, options: TickOptions): Promise<TickReport> {
  const began = performance.now();
  const lock = await tryLock(here);
  if (lock === null) return { kind: 'busy', decision: null, outcomes: [] };
  try {
    let genome = await genomeOf(here);
    const before = await lineageOf(here);
    if (options.dryRun !== true) await tend(here, before);
    const [beat, links] = await Promise.all([beatOf(here), syncLinks(here, before, genome)]);
    let renewing: string | null = null;
    if (options.dryRun !== true && (await isDue(here))) {
      const { renew } = await import('./renew.ts');
      ({ genome, busy: renewing } = await renew(here, { ...options, renew: () => lock.renew() }));
    }
    const sensed = await senseAll(here, genome, await lineageOf(here), beat);
    const seen = await look(here, genome, sensed, beat);
    const view = renewing === null ? seen : { ...seen, renewing };
    const now = here.clock();
    const decision = options.now === undefined ? decide(view, now, here.random) : decideNow(view, options.now, now);
    if (options.dryRun === true) return { kind: 'dry', decision, outcomes: [] };
    await keepBeat(here, {
      v: 1,
      tick: decision.memory,
      sensors: sensed.memory,
      readings: sensed.readings,
      lastAt: now,
    });
    const { outcomes, troubles } = await act(here, genome, decision, { ...options, renew: () => lock.renew() });
    troubles.push(...(await tendCredentials(here, genome, () => lock.renew())));
    troubles.push(...(await express(here, genome)));
    const throttles = decision.memory.functions;
    const pulse = await publish(here, { sensed, throttles, reasons: decision.reasons, links, troubles });
    const events = outcomes.flatMap(({ event }) => event ?? []);
    const sagas = outcomes.length === 0 ? view.sagas : await here.journal.open();
    const tookMs = performance.now() - began;
    await leaveMetrics(here, genome, { pulse, decision, sensed, sagas, links, events, tookMs });
    return { kind: 'done', decision, outcomes: outcomes.map(({ line }) => line) };
  } finally {
    await lock.release();
  }
}

async function act(
  here: Here,
  genome: Genome,
  decision: Decision,
  options: TickOptions,
): Promise<{ outcomes: readonly Outcome[]; troubles: string[] }> {
  const [outcomes, troubles]: [Outcome[], string[]] = [[], []];
  if (decision.actions.length === 0) return { outcomes, troubles };
  // With all that makes machines: an idle tick does without.
  const { perform } = await import('./perform.ts');
  for (const action of decision.actions) {
    options.onAction?.(action);
    const outcome = await perform(here, genome, action, options).catch((error: unknown) => {
      // Whoever took over goes on with it, and says so.
      if (options.renew?.() === false) throw error;
      // The next tick decides it again; this one must still say that the cell lives, and what is in its way.
      const why = `${action.kind} failed: ${advise(error)}`;
      troubles.push(why);
      return wrong(why);
    });
    options.onOutcome?.(outcome);
    outcomes.push(outcome);
  }
  return { outcomes, troubles };
}

/** A tick that cannot even begin, or end, for want of room on the disk, say: the others are not to take it for dead. */
function cryOut(here: Here, error: unknown): void {
  try {
    repeat(here, `this tick failed: ${explain(error)}`);
  } catch {
    // Then silence says it.
  }
}
