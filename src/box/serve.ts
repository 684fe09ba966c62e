/**
 * What the forced command of an organism's key does: one op, one JSON document in, one out. The key speaks for one
 * organism, which stands in authorized_keys and not in the request, so nobody else's machine can even be named.
 */
import { CellError, messageOf } from '../errors.ts';
import { bakeLayers } from './layers.ts';
import {
  type Box,
  bootMachine,
  changeMachine,
  createMachine,
  findMachine,
  infoOf,
  listMachines,
  powerOff,
  removeMachine,
} from './machines.ts';
import { type Request, readRequest } from './requests.ts';
import { machineId, type Reply } from './words.ts';

export interface Right {
  readonly organism: string;
  readonly quota: number;
}

/** Never throws: what went wrong is in the reply. */
export async function answer(box: Box, right: Right, command: string, text: string): Promise<Reply> {
  try {
    return { ok: (await perform(box, right, readRequest(command, text))) ?? null };
  } catch (thrown) {
    if (!(thrown instanceof CellError)) {
      const message = 'The box made a mistake';
      return { error: { code: 'REMOTE_FAILED', message, why: messageOf(thrown), suggestion: null } };
    }
    const { code, message, why, suggestion } = thrown;
    return { error: { code, message, why: why ?? null, suggestion: suggestion ?? null } };
  }
}

async function perform(box: Box, { organism, quota }: Right, request: Request): Promise<unknown> {
  const idOf = ({ birth }: { readonly birth: string }) => machineId(organism, birth);
  switch (request.op) {
    case 'create':
      return createMachine(box, organism, quota, request.body);
    case 'find':
      return findMachine(box, idOf(request.body));
    case 'list':
      return listMachines(box, organism);
    case 'change':
      return changeMachine(box, idOf(request.body), request.body);
    case 'remove':
      return removeMachine(box, idOf(request.body));
    case 'power-off':
      return powerOff(box, idOf(request.body));
    case 'boot':
      return bootMachine(box, idOf(request.body));
    case 'bake':
      return bakeLayers(box, organism, request.body);
    case 'info':
      return infoOf(box, organism, quota);
    default:
      return request satisfies never;
  }
}
