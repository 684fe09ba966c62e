/** Which TCP ports of a machine answer, tried one and all from a network namespace. */
import { run } from '../../../src/box/host.ts';

/** So many at once, each for so long; a packet that is dropped is never answered. */
const [AT_ONCE, WITHIN_MS] = [6_000, 2_000];

const SCAN = `
const { connect } = require('node:net');
const open = [];
let next = 1;
const one = () => new Promise((done) => {
  const port = next++;
  const socket = connect({ port, host: process.argv[1] });
  // What came in while this process was busy is looked at first.
  const timer = setTimeout(() => setImmediate(() => socket.destroy()), ${WITHIN_MS});
  socket.once('connect', () => { open.push(port); socket.destroy(); });
  // Closed, or nobody there; anything else says nothing of the port.
  socket.once('error', (error) => { if (!/^(?:ECONNREFUSED|EHOSTUNREACH)$/.test(error.code)) throw error; });
  socket.once('close', () => { clearTimeout(timer); done(); });
});
const worker = async () => { while (next <= 65535) await one(); };
Promise.all(Array.from({ length: ${AT_ONCE} }, worker)).then(() => console.log(JSON.stringify(open.sort((a, b) => a - b))));
`;

export async function openPorts(netns: string, address: string): Promise<readonly number[]> {
  const said = await run('ip', ['netns', 'exec', netns, process.execPath, '-e', SCAN, address], 120_000);
  return JSON.parse(said) as number[];
}
