/** The performer of decisions: one exhaustive switch, no choices of its own. */
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { birthId } from '../stacks/names.ts';
import { isFinal, type Refusal, refusalOf } from '../stacks/refusals.ts';
import { apoptosis } from './apoptosis.ts';
import { bake } from './bake.ts';
import { beatOf, keepBeat } from './beat.ts';
import { noteBirth } from './decide/breaker.ts';
import { noteGiven, noteRefused } from './decide/placement.ts';
import { letIn } from './doors.ts';
import { writeAtomic } from './effects/files.ts';
import { runThrottle } from './effects/hooks.ts';
import { advise, CellError, explain } from './errors.ts';
import { fence, reclaim } from './fence.ts';
import { noteRefusal } from './grants.ts';
import { type Here, lineageOf, say } from './here.ts';
import { newSaga, type RunContext, type RunOutcome, run, type Saga } from './journal.ts';
import { ALIVE_EVERY_MS, STEP_ATTEMPTS } from './limits.ts';
import { newDivision, newMachine, purposeOf } from './making.ts';
import { canTakeBack, mitosis, takingBack } from './mitosis.ts';
import type { Action, Lineage, TickMemory } from './model.ts';
import { fine, type Outcome, wrong } from './outcome.ts';
import { cellDonor, parentOf } from './parent.ts';
import { repeat } from './pulse.ts';
import type { Apoptosis, Mitosis, Parent, Seek, Stem } from './saga.ts';
import { seekSteps } from './seek.ts';
import { answers, differentiated, newStem, stemBack, stemSteps } from './stem.ts';

export interface PerformOptions extends Pick<RunContext, 'afterStep' | 'beforeRecord'> {
  /** Holds the cell's lock for longer; false when it was lost, and then nothing more may be done. */
  readonly renew?: () => boolean;
}

/** Does what a decision asks for; says how it went. Never throws for what may fail in a world. */
export async function perform(here: Here, genome: Genome, action: Action, options: PerformOptions): Promise<Outcome> {
  switch (action.kind) {
    case 'throttle':
      return throttle(here, genome, action.function, action.level);
    case 'relax':
      return throttle(here, genome, action.function, 0);
    case 'divide':
      return divideInto(here, genome, action, options);
    case 'stem': {
      const stem = newStem(here.clock(), await nextBirth(here), action);
      await here.journal.save(stem);
      return goOn(here, genome, stem, options);
    }
    case 'release': {
      const stem = await stemIn(here, action.birth);
      return stem === null
        ? fine(`nothing to release: ${action.birth}`)
        : goOn(here, genome, await ending(here, stem, action.why), options);
    }
    case 'bake':
      return fine(await bake(here, genome, action.cloud, action.birth));
    case 'wilt':
      await say(here, { kind: 'wilt', why: action.why });
      await letIn(here);
      return fine(`wilting: ${action.why}`);
    case 'absorb': {
      const child = (await lineageOf(here)).cells[action.child];
      const saga: Apoptosis = {
        ...newSaga(here.clock(), `a-${child?.birth ?? action.child}`, 'absorb', 'enter'),
        child: action.child,
        functions: child?.functions ?? [],
        why: action.why,
      };
      await here.journal.save(saga);
      return goOn(here, genome, saga, options);
    }
    case 'fence':
      return wrong(await fence(here, genome, action.child, action.why), 'fence');
    case 'reclaim':
      return wrong(await reclaim(here, genome, action.birth, action.why));
    case 'resume': {
      const saga = (await here.journal.open()).find((open) => open.id === action.saga);
      return saga === undefined ? fine(`nothing to resume: ${action.saga}`) : goOn(here, genome, saga, options);
    }
    default:
      return action satisfies never;
  }
}

async function throttle(here: Here, genome: Genome, name: string, level: number): Promise<Outcome> {
  const hook = genome.functions[name]?.throttle;
  const command = level === 0 ? (hook?.relax ?? hook?.run) : hook?.run;
  if (command === undefined) return fine(`${name} has no throttle`);
  const result = await runThrottle({ layout: here.layout, function: name, run: command }, level);
  return result.ok ? fine(`${name} throttled to ${level}`) : wrong(result.why);
}

type Division = Extract<Action, { kind: 'divide' }>;

/** With a stem cell where there is one that answers; one that does not is given up, and pays for another machine. */
async function divideInto(here: Here, genome: Genome, action: Division, options: PerformOptions): Promise<Outcome> {
  const stem = action.stem === undefined ? null : await stemIn(here, action.stem);
  if (stem === null) return goOn(here, genome, await conceive(here, action), options);
  const parent = await parentOf(here, genome, cellDonor(here, genome));
  const alive = await answers(parent, stem).finally(() => parent.hangUp());
  if (alive) {
    const division = differentiated(here.clock(), stem, action);
    await here.journal.save(division);
    return goOn(here, genome, division, options);
  }
  const outcome = await goOn(here, genome, await ending(here, stem, 'it does not answer'), options);
  const left = (await lineageOf(here)).cells[here.identity.id]?.budget ?? 0;
  return left < 1 ? outcome : goOn(here, genome, await conceive(here, action), options);
}

async function stemIn(here: Here, birth: string): Promise<Stem | null> {
  return ((await here.journal.open()).find(({ id, kind }) => id === birth && kind === 'stem') as Stem) ?? null;
}

/** From here on it is no stem cell for anybody, whenever this process is killed. */
async function ending(here: Here, stem: Stem, why: string): Promise<Stem> {
  const ended: Stem = { ...stem, step: 'takeBack', due: 0, failures: 0, lastFailure: why };
  await here.journal.save(ended);
  return ended;
}

async function nextBirth(here: Here): Promise<string> {
  return birthId(here.identity.id, (await lineageOf(here)).folded[here.identity.id] ?? 0);
}

/** Plans a division and writes the plan down, before anything of it is done. */
async function conceive(here: Here, action: Division): Promise<Mitosis> {
  const machine = newMachine(await nextBirth(here), action.cloud);
  const saga = newDivision(here.clock(), purposeOf(action), machine);
  await here.journal.save(saga);
  return saga;
}

/** Takes a saga as far as it goes now. */
async function goOn(here: Here, genome: Genome, saga: Saga, options: PerformOptions): Promise<Outcome> {
  const goesOn = () => {
    if (options.renew?.() === false) throw new CellError('TIMEOUT', 'This tick took so long that another took over');
  };
  let heard = here.clock();
  const alive = (what: string) => {
    if (here.clock() - heard < ALIVE_EVERY_MS) return;
    heard = here.clock();
    goesOn();
    repeat(here, `${saga.kind}: ${what} (${saga.id})`);
  };
  const parent = await parentOf(here, genome, cellDonor(here, genome, alive), () => {}, alive);
  const context = {
    journal: here.journal,
    now: here.clock,
    afterStep: options.afterStep,
    beforeRecord: options.beforeRecord,
    onStep: (_: Saga, step: string, ms: number | null) => {
      goesOn();
      heard = here.clock();
      if (ms === null) repeat(here, `${saga.kind}: ${step} (${saga.id})`);
      else here.log(`${saga.kind}: ${step} done`, 'notice', { saga: saga.id, ms });
    },
  };
  try {
    if (saga.kind === 'absorb' && isGone(await lineageOf(here), (saga as Apoptosis).child)) {
      await here.journal.remove(saga.id);
      return fine(`${saga.kind} ${saga.id} ended: it is gone`);
    }
    if (saga.kind === 'absorb')
      return await absorbed(here, genome, saga as Apoptosis, await run(saga as Apoptosis, apoptosis(parent), context));
    if (saga.kind === 'seek')
      return await sought(saga as Seek, await run(saga as Seek, seekSteps(here, genome), context));
    if (saga.kind === 'stem') return await stemmed(here, genome, saga as Stem, parent, context);
    const division = saga as Mitosis;
    if (division.step !== 'takeBack' && isGone(await lineageOf(here), division.child?.id)) {
      // It died on the way and was fenced: what it had is ours again, and what stood still for it goes on here.
      Object.assign(division, {
        step: 'takeBack',
        due: 0,
        failures: 0,
        lastFailure: null,
        takenBack: 'the child died',
      });
      await here.journal.save(division);
    }
    const steps = division.step === 'takeBack' ? takingBack(parent) : mitosis(parent);
    const outcome = await run(division, steps, context);
    if (outcome.kind === 'failed') await noteRefusal(here, outcome.error);
    if (outcome.kind === 'done') await noteOutcome(here, genome, division.step !== 'takeBack', division);
    const refusal = refusalAt(genome, outcome);
    const final = division.stranded != null || (refusal !== null && isFinal(refusal));
    const enough = outcome.kind === 'failed' && (outcome.failures >= STEP_ATTEMPTS || final);
    if (enough && division.step !== 'takeBack') {
      if (canTakeBack(division, await lineageOf(here))) {
        const takenBack = refusal === null ? advise(outcome.error) : `${division.cloud} refused: ${refusal.why}`;
        Object.assign(division, { step: 'takeBack', due: 0, failures: 0, takenBack, refusal: refusal?.why ?? null });
        await here.journal.save(division);
        const back = await run(division, takingBack(parent), context);
        if (back.kind === 'done') await noteOutcome(here, genome, false, division);
        const line = `division ${saga.id} taken back at ${outcome.step}: ${explain(outcome.error)}`;
        return wrong(line, back.kind === 'done' ? 'failedBirth' : undefined);
      }
    }
    return told(saga, outcome);
  } finally {
    parent.hangUp();
  }
}

function isGone(lineage: Lineage, id: string | undefined): boolean {
  return id !== undefined && lineage.cells[id]?.state === 'gone';
}

async function stemmed(here: Here, genome: Genome, stem: Stem, parent: Parent, context: RunContext): Promise<Outcome> {
  const attempts = (await lineageOf(here)).cells[here.identity.id]?.attempts ?? [];
  if (stem.step !== 'reserve' && stem.step !== 'takeBack' && !attempts.includes(stem.birth)) {
    await here.journal.remove(stem.id);
    return fine(`stem cell ${stem.id} ended: nothing is open for it`);
  }
  const reason = stem.lastFailure;
  const outcome = await run(stem, stem.step === 'takeBack' ? stemBack(parent) : stemSteps(parent), context);
  const refusal = refusalAt(genome, outcome);
  if (outcome.kind === 'waiting') return fine(`stem cell ${stem.id} is ready`);
  if (outcome.kind === 'done') return fine(`stem cell ${stem.id} taken back: ${reason}`);
  const final = refusal !== null && isFinal(refusal);
  if ((outcome.failures < STEP_ATTEMPTS && !final) || stem.step === 'takeBack') return told(stem, outcome);
  if (refusal !== null) await noteTick(here, (tick) => noteRefused(tick, stem.cloud, refusal.why, here.clock()));
  // A machine that did not come up counts as a failed birth; one that died later does not.
  else if (outcome.step !== 'keep') await noteFailure(here, genome, advise(outcome.error));
  const ended = await ending(here, stem, explain(outcome.error));
  const back = await run(ended, stemBack(parent), context);
  return back.kind === 'done'
    ? wrong(
        `stem cell ${stem.id} taken back at ${outcome.step}: ${explain(outcome.error)}`,
        outcome.step === 'keep' ? undefined : 'failedBirth',
      )
    : told(ended, back);
}

/** A child that dies while it is taken in is fenced: there is nobody left to hand anything back. */
async function absorbed(here: Here, genome: Genome, saga: Apoptosis, outcome: RunOutcome): Promise<Outcome> {
  if (outcome.kind !== 'failed' || outcome.failures < STEP_ATTEMPTS) return told(saga, outcome);
  // One that answers and cannot be taken in, because of this side or of what it says, stays as it is and is asked again.
  const { code } = outcome.error as Partial<CellError>;
  if (code !== 'MACHINE_UNREACHABLE' && code !== 'TIMEOUT') return told(saga, outcome);
  const why = `it died while it was taken in: ${explain(outcome.error)}`;
  const line = await fence(here, genome, saga.child, why);
  await here.journal.remove(saga.id);
  return wrong(line, 'fence');
}

/** Why the cloud made no machine, where another could be asked; where there is one cloud, its births just fail. */
function refusalAt(genome: Genome, outcome: RunOutcome): Refusal | null {
  if (outcome.kind !== 'failed' || outcome.step !== 'body' || Object.keys(genome.clouds).length < 2) return null;
  return refusalOf(outcome.error);
}

async function noteTick(here: Here, change: (tick: TickMemory) => TickMemory): Promise<void> {
  const beat = await beatOf(here);
  await keepBeat(here, { ...beat, tick: change(beat.tick) });
}

function noteFailure(here: Here, genome: Genome, why: string): Promise<void> {
  return noteTick(here, (tick) => noteBirth(tick, false, here.clock(), genome.rhythm.settle, why));
}

/**
 * What is learnt for the next birth, and figures for whoever asks how long each phase took. A cloud that refused is not
 * asked for a while, which the breaker does not make the others wait for.
 */
async function noteOutcome(here: Here, genome: Genome, ok: boolean, saga: Mitosis): Promise<void> {
  const { cloud, refusal = null, takenBack: why } = saga;
  await noteTick(here, (tick) => {
    if (!ok && refusal !== null) return noteRefused(tick, cloud, refusal, here.clock());
    return noteBirth(ok ? noteGiven(tick, cloud) : tick, ok, here.clock(), genome.rhythm.settle, why);
  });
  const { phases, figures, startedAt, birth } = saga;
  await writeAtomic(join(here.home, 'last-division.json'), JSON.stringify({ birth, ok, startedAt, phases, figures }));
}

function told(saga: Saga, outcome: RunOutcome): Outcome {
  switch (outcome.kind) {
    case 'done':
      return finished(saga);
    case 'waiting':
      return fine(
        `${saga.kind} ${saga.id} goes on with ${outcome.step} in ${Math.max(0, outcome.until - Date.now())} ms`,
      );
    case 'failed':
      return wrong(
        `${saga.kind} ${saga.id} failed at ${outcome.step} (${outcome.failures}): ${explain(outcome.error)}`,
      );
  }
}

function sought(seek: Seek, outcome: RunOutcome): Outcome {
  const what = seek.birth ?? `a cell that has gone (${seek.why})`;
  if (outcome.kind === 'failed') return wrong(`looking for what was given up of ${what}: ${explain(outcome.error)}`);
  return fine(
    outcome.kind === 'done' ? `nothing more is looked for of ${what}` : `looked for what was given up of ${what}`,
  );
}

/** What a saga that came to its end adds up to. One that was taken back ends here, too, when it took more than one tick. */
function finished(saga: Saga): Outcome {
  const line = `${saga.kind} ${saga.id} done`;
  if (saga.step === 'takeBack') return fine(line, 'failedBirth');
  if (saga.kind === 'stem') return fine(line);
  return fine(line, saga.kind === 'absorb' ? 'merge' : 'division');
}
