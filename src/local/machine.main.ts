/**
 * The process of a local machine: `machine FOLDER`. It tells its maker over descriptor 3, in one line of JSON, whether
 * it is up, and then has nothing more to do with it.
 */
import { closeSync, writeSync } from 'node:fs';
import { enableCompileCache } from 'node:module';
import { messageOf } from '../errors.ts';

enableCompileCache();
const { bootMachine } = await import('./machine.ts');

function tell(message: object): void {
  try {
    writeSync(3, `${JSON.stringify(message)}\n`);
    closeSync(3);
  } catch {
    // Started by hand, or the maker is gone: the machine is up all the same.
  }
}

// A fault in one connection is not a fault of the machine: an operating system goes on, and its log says so.
process.on('uncaughtException', (error) => console.error(new Date().toISOString(), error));
process.on('unhandledRejection', (error) => console.error(new Date().toISOString(), error));
process.on('SIGHUP', () => {});

try {
  const machine = await bootMachine(process.argv[2] ?? '', () => process.exit(0));
  process.on('SIGTERM', () => void machine.powerOff());
  process.on('SIGINT', () => void machine.powerOff());
  tell({ ready: true });
} catch (thrown) {
  tell({ error: (thrown as NodeJS.ErrnoException).code ?? 'FAILED', message: messageOf(thrown) });
  process.exit(1);
}
