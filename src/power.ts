/** A machine that loses its power: for demonstrations and tests of what an organism does then. */
import { dial } from './effects/ssh.ts';
import { CellError } from './errors.ts';
import { type Here, lineageOf } from './here.ts';

/** Ends a cell's machine at once, as its operator: nothing is stopped, nothing is flushed. Throws NOT_FOUND. */
export async function powerOff(here: Here, id: string): Promise<void> {
  const cell = (await lineageOf(here)).cells[id];
  if (cell === undefined) throw new CellError('NOT_FOUND', `There is no cell ${id}`);
  const remote = await dial(cell.reach, { privateKey: here.identity.privatePem, hostKeys: [cell.hostKey] });
  try {
    await remote.run('systemctl poweroff --force --force');
  } catch {
    // The connection breaks with the machine.
  } finally {
    remote.close();
  }
}
