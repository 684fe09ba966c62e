/** What a machine is for, where a test does not care: for no function yet, in a genome that serves nothing. */
import type { MachineNeed } from '../../../stacks/machines/machine.ts';

export const blank = (who: Pick<MachineNeed, 'organism' | 'birth' | 'parent' | 'cloud'>): MachineNeed => ({
  ...who,
  functions: [],
  opens: { web: [], ports: [] },
});
