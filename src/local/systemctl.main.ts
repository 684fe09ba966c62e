/**
 * `systemctl` and `journalctl` on a local machine: the first word says which. Light, for it runs at every tick: node:net
 * and node:fs only.
 */
import { readFileSync, writeSync } from 'node:fs';
import { connect } from 'node:net';
import { journalctl } from './journalctl.ts';
import type { ControlReply, ControlRequest } from './protocol.ts';

const [command = 'systemctl', ...args] = process.argv.slice(2);
const root = process.env.CELL_ROOT ?? '';

function fail(text: string): never {
  writeSync(2, `${text}\n`);
  process.exit(1);
}

process.stdout.on('error', () => process.exit(1)); // The reader went away: `journalctl -f | head`.

if (root === '') fail(`${command}: CELL_ROOT is not set: this is not a local machine`);
else if (command === 'journalctl') journalctl(root, args, (text) => void process.stdout.write(text));
else {
  let path = '';
  try {
    path = readFileSync(`${root}/run/control`, 'utf8').trim();
  } catch {
    fail('systemctl: the machine is off');
  }
  const request: ControlRequest = { v: 1, args };
  const socket = connect(path, () => socket.write(`${JSON.stringify(request)}\n`));
  let text = '';
  socket.setEncoding('utf8');
  socket.on('data', (data) => {
    text += data;
  });
  socket.on('error', (error) => fail(`systemctl: the machine does not answer: ${error.message}`));
  socket.on('end', () => {
    if (text === '') fail('systemctl: the machine went away');
    const { code, out, err } = JSON.parse(text) as ControlReply;
    process.exitCode = code;
    if (out !== '') process.stdout.write(out);
    if (err !== '') process.stderr.write(err);
  });
}
