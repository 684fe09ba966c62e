/**
 * One machine for one birth, at a cloud whose engine knows nothing of births.
 *
 * A create that was cut off, or whose answer never came, may have taken effect, and the stack does not know. So the tags are
 * asked before one is made and after: what is found and not in the stack is adopted, or is one too many and goes. An
 * adopted machine stays out of the checkpoint; whoever unmakes it finds it as it was found here.
 *
 * A cloud may list a machine some time after it was made. One that nobody knows was made before the one that is known, so
 * it is looked for until that one is listed; where that takes long, or nobody knows which was the last, later (seek.ts).
 */
import { setTimeout as sleep } from 'node:timers/promises';
import type { Engine, Portable } from '../../stacks/engines/engine.ts';
import { type ComputeProvider, type Lost, MACHINE, type TaggedMachine } from '../../stacks/machines/machine.ts';
import type { Json, Outputs, StackPlan } from '../../stacks/stack.ts';
import type { Reach } from '../model.ts';
import type { Mitosis, Parent, Stem } from '../saga.ts';

/** Longer than lists are behind where nothing is wrong. */
const LISTED_WITHIN_MS = 30_000;
const LISTED_POLL_MS = 1_000;

interface Making {
  readonly provider: Pick<ComputeProvider, 'list' | 'remove' | 'reach'>;
  readonly lost: Lost;
  readonly engine: Pick<Engine, 'destroy' | 'export'>;
  readonly plan: Pick<StackPlan, 'name'>;
  readonly credential: Json;
  /** Told which machine of the birth is kept, where others may have been made that are not listed yet. */
  readonly unseen: (kept: string) => Promise<void>;
  /** Runs the stack. */
  readonly make: () => Promise<{ readonly outputs: Outputs }>;
  readonly pause?: (ms: number) => Promise<unknown>;
}

/** Where the machine is reached. */
export async function makeOnce(
  { provider, lost, engine, plan, credential, unseen, make, pause = sleep }: Making,
  parent: Pick<Parent, 'genome' | 'log'>,
  saga: Pick<Mitosis | Stem, 'birth' | 'failures'>,
): Promise<Reach> {
  const { organism } = parent.genome;
  const { birth } = saga;
  const found = async () => (await provider.list(organism, credential)).filter((machine) => machine.birth === birth);
  const remove = async (machines: readonly TaggedMachine[]) => {
    for (const { id } of machines) {
      parent.log(`machine ${id} is one too many of ${birth} and goes`, 'warning');
      await provider.remove(id, credential);
    }
  };
  const before = await found();
  const [kept] = [...before].sort(better);
  if (kept !== undefined) {
    const own = machineIn(await engine.export(plan.name));
    if (!before.some(({ id }) => id === own)) {
      parent.log(`machine ${kept.id} of ${birth} is there already, and adopted`, 'warning');
      await remove(before.filter((machine) => machine !== kept));
      await unseen(kept.id);
      return lost.reach(kept);
    }
  } else if (saga.failures > 0) {
    // Names that the last attempt took would be refused to this one.
    await engine.destroy(plan.name);
    await lost.clear({ organism, birth }, credential);
  }
  const { outputs } = await make();
  const made = outputs[MACHINE]?.id;
  let after = await found();
  for (let waited = 0; !after.some(({ id }) => id === made) && waited < LISTED_WITHIN_MS; waited += LISTED_POLL_MS) {
    await pause(LISTED_POLL_MS);
    after = await found();
  }
  await remove(after.filter(({ id }) => id !== made));
  if (made !== undefined && !after.some(({ id }) => id === made)) await unseen(String(made));
  return provider.reach(outputs);
}

/** One that runs and has an address before one that does not; else always the same. */
function better(a: TaggedMachine, b: TaggedMachine): number {
  const rank = ({ running, address }: TaggedMachine) => (running ? 0 : 2) + (address === null ? 1 : 0);
  return rank(a) - rank(b) || (a.id < b.id ? -1 : a.id > b.id ? 1 : 0);
}

/** The provider's id of the machine in a checkpoint of Pulumi's. */
function machineIn(portable: Portable | null): string | null {
  const { deployment } = (portable?.checkpoint ?? {}) as {
    readonly deployment?: { readonly resources?: readonly { readonly urn: string; readonly id?: string }[] };
  };
  const machine = deployment?.resources?.find(({ urn }) => urn.endsWith(`::${MACHINE}`));
  return machine?.id ?? null;
}
