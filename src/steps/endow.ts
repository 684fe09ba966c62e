/** Step 4 of mitosis: credentials for the child, minted for what it will do. */
import { sourcesOf } from '../../stacks/credentials/sources.ts';
import type { Credentials } from '../here.ts';
import type { Mitosis, Parent } from '../saga.ts';

/** 4: minted under the birth's name; killed before that is written down, the next attempt replaces them. */
export async function endow(parent: Parent, saga: Mitosis): Promise<void> {
  saga.endowment = await endowment(parent, saga);
}

export async function endowment(parent: Parent, saga: Mitosis): Promise<Credentials> {
  return parent.endow({
    birth: saga.birth,
    portion: { functions: saga.functions, tokens: saga.budget },
    // Nobody stays behind who could mint for the first cell.
    owner: !parent.donor.runs,
    generation: 1,
    sources: sourcesOf(saga.reach?.address ?? '', saga.addresses ?? []),
  });
}
