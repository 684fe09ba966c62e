/** Steps 1 and 2 of mitosis, and their reverse: the reservation and the machine. */
import { compile } from '../../genome/compile.ts';
import type { Portable } from '../../stacks/engines/engine.ts';
import { computeProvider } from '../../stacks/machines/index.ts';
import { inWords, isNothing, refusalOf } from '../../stacks/refusals.ts';
import type { StackPlan } from '../../stacks/stack.ts';
import { CellError } from '../errors.ts';
import { mended } from '../mended.ts';
import type { BirthId } from '../model.ts';
import type { Making, Mitosis, Parent, Stem } from '../saga.ts';
import { mayComeLate } from '../seek.ts';
import { makeOnce } from './lost.ts';

/** The child's body stack; the same genome and saga give the same plan. A stem cell is for no function yet. */
export function bodyPlan(parent: Parent, saga: Pick<Making, 'birth' | 'cloud'>): StackPlan {
  const functions = 'functions' in saga ? (saga as Pick<Mitosis, 'functions'>).functions : [];
  const who = { birth: saga.birth, parent: parent.id, cloud: saga.cloud, functions };
  const plan = compile(parent.genome, who).find((stack) => stack.kind === 'body');
  if (plan === undefined) throw new Error('a genome compiles to a body for every cell');
  return plan;
}

/** 1: pays for the attempt before there is one. */
export async function reserve(parent: Parent, saga: Mitosis | Stem): Promise<void> {
  if (await isOpen(parent, saga.birth)) return;
  const stack = bodyPlan(parent, saga).name;
  // What a stem cell will be is not known yet: it is for no function, and its mode says nothing.
  const [subject = null, mode] = saga.kind === 'divide' ? [saga.functions[0], saga.mode] : [null, 'delegate' as const];
  await parent.say({ kind: 'reserve', birth: saga.birth, stack, function: subject, mode, why: saga.why });
}

async function isOpen(parent: Parent, birth: BirthId): Promise<boolean> {
  const lineage = await parent.lineage();
  return (lineage.cells[parent.id]?.attempts ?? lineage.seederAttempts).includes(birth);
}

/** 2: the machine. What an attempt that died left behind is adopted. */
export async function makeBody(parent: Parent, saga: Mitosis | Stem): Promise<void> {
  const plan = bodyPlan(parent, saga);
  const gene = parent.genome.clouds[saga.cloud];
  if (gene === undefined) throw new CellError('NOT_FOUND', `The genome has no cloud ${saga.cloud}`);
  const engine = await parent.engine(plan);
  const make = () =>
    mended(engine, plan.name, parent.log, () =>
      engine.up(plan, {
        values: { imprintKey: saga.imprintKey.publicKey },
        secrets: { hostKey: saga.firstHostKey.privateKey },
      }),
    );
  const provider = computeProvider(gene.provider);
  if (provider.lost !== undefined) {
    const credential = (await parent.credentials()).compute?.[saga.cloud] ?? null;
    try {
      const unseen = (kept: string) => parent.seek(saga.birth, 'its machine is there', kept);
      saga.reach = await makeOnce(
        { provider, lost: provider.lost, engine, plan, credential, unseen, make },
        parent,
        saga,
      );
    } catch (error) {
      saga.mayCome = saga.mayCome === true || !madeNothing(error);
      throw inWords(error, gene.provider, saga.cloud);
    }
    return;
  }
  const { outputs } = await make();
  saga.reach = provider.reach(outputs);
  saga.ownHostKey = provider.hostKey?.(outputs) ?? null;
}

/** Whether it is certain from an error that nothing was made. */
function madeNothing(error: unknown): boolean {
  if (error instanceof CellError && error.code === 'ENGINE_MISSING') return true;
  const refusal = refusalOf(error);
  return refusal !== null && isNothing(refusal);
}

/**
 * The body's checkpoint, to be handed on. A damaged one is made anew, from what carries the birth's tags; null where the
 * machine is found by these alone.
 */
export async function exportBody(parent: Parent, saga: Mitosis): Promise<Portable | null> {
  const plan = bodyPlan(parent, saga);
  const engine = await parent.engine(plan);
  const portable = await mended(engine, plan.name, parent.log, () => engine.export(plan.name));
  if (portable !== null) return portable;
  await makeBody(parent, saga);
  return engine.export(plan.name);
}

/**
 * The way back: the machine destroyed first, so that nothing runs twice, then the functions here, then the budget.
 * Said as `abandon` before the child was announced and as `fence` after.
 */
export async function takeDown(parent: Parent, saga: Mitosis): Promise<void> {
  const plan = bodyPlan(parent, saga);
  await parent.unmake(saga.birth);
  const lineage = await parent.lineage();
  for (const name of saga.functions) {
    if (lineage.homes[name]?.includes(parent.id) === true) await parent.donor.resume(name);
  }
  const why = saga.takenBack ?? saga.lastFailure ?? 'taken back';
  const { child } = saga;
  const paid = await lookOn(parent, saga, why);
  const announced = child !== null && lineage.cells[child.id] !== undefined;
  if (announced && lineage.cells[child.id]?.state !== 'gone') {
    await parent.say({ kind: 'fence', child: child.id, entries: lineage.folded[child.id] ?? 0, why });
  } else if (!announced && lineage.owners[plan.name] !== undefined && !paid) {
    await abandon(parent, saga.birth, why);
  }
  await parent.donor.speak();
}

async function abandon(parent: Parent, birth: BirthId, why: string): Promise<void> {
  if (await isOpen(parent, birth)) await parent.say({ kind: 'abandon', birth, why });
}

/**
 * What its cloud never showed may appear. True: it may have been made, and is paid for until it was looked for long enough
 * (seek.ts).
 */
async function lookOn(parent: Parent, { birth, cloud, reach, mayCome = false }: Making, why: string): Promise<boolean> {
  if (reach !== null || !mayComeLate(parent.genome, cloud)) return false;
  await parent.seek(birth, why);
  return mayCome;
}

/** A stem cell is given up: the machine first, then the budget. */
export async function giveUp(parent: Parent, stem: Stem): Promise<void> {
  await parent.unmake(stem.birth);
  const why = stem.lastFailure ?? 'released';
  if (!(await lookOn(parent, stem, why))) await abandon(parent, stem.birth, why);
}
