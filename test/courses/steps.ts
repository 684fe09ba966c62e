/** The steps of a division in their order, for courses that strike at each. */
import { mitosis } from '../../src/mitosis.ts';
import type { Parent } from '../../src/saga.ts';

export const STEPS = mitosis({} as Parent).map(([name]) => name);
