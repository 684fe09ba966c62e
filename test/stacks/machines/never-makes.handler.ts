/** The handler of local machines, but for a create that fails: a call that makes anything is noticed. */
import { machineHandler } from '../../../stacks/machines/local.handler.ts';

export const handlers = [
  {
    ...machineHandler,
    create: async () => {
      throw new Error('made again');
    },
  },
];
