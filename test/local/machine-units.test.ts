/** Units of a real machine at run time: what they are given, how they are told, what they say, who watches. */
import { spawn } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { environmentFile } from '../../src/effects/quote.ts';
import { killMode, shellStart, unitText } from '../../src/effects/units.ts';
import { machinePid } from '../../src/local/power.ts';
import { processesWith } from '../../src/local/processes.ts';
import { openYard, type TestMachine, until, type Yard } from './machine.support.ts';

const WITHIN = 120_000;
let yard: Yard;
let machine: TestMachine;

beforeAll(async () => {
  yard = openYard('127.81.1.0/24');
  machine = await yard.make('b1');
}, WITHIN);

afterAll(() => yard.close(), WITHIN);

const file = (...parts: string[]) => join(machine.root, ...parts);
const unit = (name: string, text: string) => writeFileSync(file('etc/systemd/system', name), text);
const read = (path: string) => (existsSync(file(path)) ? readFileSync(file(path), 'utf8') : '');
const ask = async (command: string) => (await machine.ssh(command)).out.toString().trim();

test('a function gets a secret of several lines as it is, and its command too', { timeout: WITHIN }, async () => {
  const { privateKey } = generateKeyPairSync('ed25519');
  const pem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const odd = 'two  spaces, "quotes" \'both\', $HOME `x` \\n 100% \r\n\tend ';
  const folder = file('srv/fn 50%');
  mkdirSync(folder);
  writeFileSync(join(folder, '.env'), environmentFile({ ODD: odd, PEM: pem, LAST: 'last' }), { mode: 0o600 });
  const run = `printf '%s|%s|%s' "$PEM" "$ODD" "$LAST" > got
printf '%s' 'a\tb\\n%n $$' > line; exec sleep 1000`;
  const gene = { limits: {}, sandbox: 'strict' } as const;
  const environment = join(folder, '.env');
  unit(
    'fn.service',
    unitText({ name: 'fn', gene, start: shellStart(run), folder, environment, user: null, hidden: [] }),
  );
  expect((await machine.ssh('systemctl start fn')).code).toBe(0);
  await until('it has written', () => read('srv/fn 50%/line') !== '');
  expect(read('srv/fn 50%/got')).toBe(`${pem}|${odd}|last`);
  expect(read('srv/fn 50%/line')).toBe('a\tb\\n%n $$');
  await machine.ssh('systemctl stop fn');
});

test('of a plain command the main process alone is asked to stop, and what it leaves is ended', {
  timeout: WITHIN,
}, async () => {
  const folder = file('srv/parent');
  mkdirSync(folder);
  writeFileSync(
    join(folder, 'parent.sh'),
    `trap 'echo parent >> asked; kill -0 $! && echo child lives >> asked; exit 0' TERM
sh child.sh & echo $! > child
while :; do sleep 0.02; done\n`,
  );
  writeFileSync(join(folder, 'child.sh'), "trap 'echo child >> asked' TERM\nwhile :; do sleep 0.02; done\n");
  writeFileSync(join(folder, '.env'), '');
  const gene = { limits: {}, sandbox: 'strict' } as const;
  const run = 'sh parent.sh';
  const parts = { name: 'parent', gene, folder, environment: join(folder, '.env'), user: null, hidden: [] };
  unit('parent.service', unitText({ ...parts, start: shellStart(run), kill: killMode(run) }));
  expect((await machine.ssh('systemctl start parent')).code).toBe(0);
  await until('its child runs', () => read('srv/parent/child') !== '');
  const stat = `/proc/${read('srv/parent/child').trim()}/stat`;
  expect((await machine.ssh('systemctl stop parent')).code).toBe(0);
  expect(read('srv/parent/asked')).toBe('parent\nchild lives\n');
  // Nobody may have asked yet how it ended.
  await until('its child is ended', () => !existsSync(stat) || /\) Z /.test(readFileSync(stat, 'utf8')));
});

test('a service is reloaded and stopped by the commands of its unit', { timeout: WITHIN }, async () => {
  unit(
    'told.service',
    `[Service]
ExecStart=/bin/sh -c 'trap "echo reloaded >> %N.log" HUP; echo up >> %N.log; while :; do sleep 0.02; done'
WorkingDirectory=${file('tmp')}
ExecReload=/bin/kill -HUP $MAINPID
ExecStop=/bin/sh -c 'echo "stopping $MAINPID" >> told.log'
ExecStop=-/bin/false
`,
  );
  await machine.ssh('systemctl start told');
  await until('it is up', () => read('tmp/told.log') === 'up\n');
  const pid = await ask('systemctl show -p MainPID --value told');
  expect((await machine.ssh('systemctl reload told')).code).toBe(0);
  await until('it heard', () => read('tmp/told.log') === 'up\nreloaded\n');
  expect(await ask('systemctl show -p MainPID --value told')).toBe(pid);
  expect((await machine.ssh('systemctl stop told')).code).toBe(0);
  expect(read('tmp/told.log')).toBe(`up\nreloaded\nstopping ${pid}\n`);
  unit('told.service', '[Service]\nExecStart=/bin/sleep 1000\nExecReload=/bin/sh -c "exit 3"\n');
  await machine.ssh('systemctl daemon-reload; systemctl start told');
  const failed = await machine.ssh('systemctl reload told');
  expect(failed.code).not.toBe(0);
  expect(failed.err).toContain('exited with code 3');
  expect(await ask('systemctl is-active told')).toBe('active');
  await machine.ssh('systemctl stop told');
});

test('an environment file is read at each start, must be there, and may be missing with a dash', {
  timeout: WITHIN,
}, async () => {
  const env = file('tmp/env');
  const text = (path: string) =>
    `[Service]\nType=oneshot\nEnvironment=A=unit B=unit\nEnvironmentFile=${path}\nExecStart=/bin/sh -c 'echo $$A $$B'\n`;
  unit('env.service', text(env));
  expect((await machine.ssh('systemctl start env')).code).not.toBe(0);
  expect(await ask('journalctl -u env -o cat')).toContain('cannot read EnvironmentFile');
  for (const value of ['one', 'two']) {
    writeFileSync(env, `A=${value}\n`);
    expect((await machine.ssh('systemctl start env')).code).toBe(0);
    expect(await ask('journalctl -u env -o cat -n 1')).toBe(`${value} unit`);
  }
  unit('env.service', text(`-${file('tmp/none')}`));
  expect((await machine.ssh('systemctl daemon-reload; systemctl start env')).code).toBe(0);
  expect(await ask('journalctl -u env -o cat -n 1')).toBe('unit unit');
});

test('a journal is followed until nobody reads it any more', { timeout: WITHIN }, async () => {
  unit('say.service', "[Service]\nType=oneshot\nExecStart=/bin/sh -c 'echo said'\n");
  await machine.ssh('systemctl start say');
  const reader = spawn('/bin/sh', ['-c', `exec ${machine.sshLine('journalctl -f -o cat -u say')}`]);
  let out = '';
  reader.stdout.on('data', (chunk: Buffer) => {
    out += chunk.toString();
  });
  await until('what was there is shown', () => out === 'said\n');
  await machine.ssh('systemctl start say');
  await until('what comes is shown', () => out === 'said\nsaid\n');
  const ended = once(reader, 'exit');
  reader.kill('SIGTERM');
  await ended;
  await until('only the machine is left', () => processesWith({ CELL_MACHINE: machine.marker }).length === 1);
});

test('a guardian that was killed is followed by another, which does its work', { timeout: WITHIN }, async () => {
  const drill = await yard.make('drill');
  const guardians = () => processesWith({ CELL_GUARDIAN: drill.marker });
  const [first] = guardians();
  process.kill(first as number, 'SIGKILL');
  await until('there is another', () => guardians().length === 1 && guardians()[0] !== first);
  writeFileSync(join(drill.root, 'etc/systemd/system/long.service'), '[Service]\nExecStart=/bin/sleep 1000\n');
  expect((await drill.ssh('systemctl start long')).code).toBe(0);
  process.kill(machinePid(drill.folder) as number, 'SIGKILL');
  await until('all of it is gone', () => processesWith({ CELL_MACHINE: drill.marker }).length === 0);
  await until('the guardian too', () => guardians().length === 0);
});
