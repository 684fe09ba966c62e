/** One claimer in a process of its own: reads what to claim as JSON, waits for a line, claims, and prints what it got. */
import { createInterface } from 'node:readline';
import { CellError } from '../../../src/errors.ts';
import { machineHandler } from '../../../stacks/machines/hosts.handler.ts';

const { inputs, credential } = JSON.parse(process.argv[2] ?? '') as { inputs: never; credential: never };
const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
process.stdout.write('ready\n');
await lines.next();
try {
  const { id, outputs } = await machineHandler.create(inputs, { credential });
  process.stdout.write(`${JSON.stringify({ id, address: outputs.address })}\n`);
} catch (error) {
  if (!(error instanceof CellError)) throw error;
  process.stdout.write(`${JSON.stringify({ code: error.code, why: error.why })}\n`);
}
process.exit(0);
