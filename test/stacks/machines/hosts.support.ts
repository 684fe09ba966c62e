/** A folder as the root of a machine, on which the script of `hosts` is run by this computer's own shell. */
import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { type Answer, answerOf } from '../../../stacks/machines/hosts.answer.ts';
import { SCRIPT } from '../../../stacks/machines/hosts.script.ts';

export const KEY = 'ssh-ed25519 AAAAfirst';
export const HOST_KEY = 'ssh-ed25519 AAAAhost';

export interface Plot {
  readonly root: string;
  write(path: string, text: string, mode?: number): void;
  read(path: string): string;
  /** Every file, folder and link with mode and content; not what is gone with a reboot. */
  listing(): Readonly<Record<string, string>>;
  /** Runs the script, or another in its place. Null when it was killed. */
  run(args: readonly string[], script?: string): Promise<Answer | null>;
  claim(birth: string, lease?: number, organism?: string): Promise<Answer | null>;
  close(): void;
}

/** `systemctl` of a plot: units are active while they have a file. */
const SYSTEMCTL = `#!/bin/sh
case $1 in
is-active) [ -e "$CELL_ROOT/etc/systemd/system/$3" ] && [ -e "$CELL_ROOT/run/started/$3" ] ;;
disable) shift 2; for unit; do rm -f "$CELL_ROOT/run/started/$unit" "$CELL_ROOT/etc/systemd/system/multi-user.target.wants/$unit"; done ;;
stop) shift; for unit; do rm -f "$CELL_ROOT/run/started/$unit"; done ;;
*) : ;;
esac
`;

export function openPlot(): Plot {
  const root = mkdtempSync(join(tmpdir(), 'cell-plot-'));
  const at = (path: string) => join(root, path);
  const write = (path: string, text: string, mode = 0o644) => {
    mkdirSync(dirname(at(path)), { recursive: true });
    writeFileSync(at(path), text);
    chmodSync(at(path), mode);
  };
  for (const folder of [
    'etc/cron.d',
    'etc/systemd/system/multi-user.target.wants',
    'etc/systemd/system/timers.target.wants',
    'opt',
    'srv',
    'run',
    'usr/local/bin',
    'var/lib',
  ]) {
    mkdirSync(at(folder), { recursive: true });
  }
  write('etc/ssh/ssh_host_ed25519_key.pub', `${HOST_KEY} root@plot\n`);
  mkdirSync(at('etc/ssh/sshd_config.d'));
  write('run/bin/systemctl', SYSTEMCTL, 0o755);
  // Hundreds of them would wait for the disk of this computer, and say nothing about a loss of power.
  write('run/bin/sync', '#!/bin/sh\n', 0o755);
  const env = { PATH: `${at('run/bin')}:${process.env.PATH}`, CELL_ROOT: root, HOME: root };
  const plot: Plot = {
    root,
    write,
    read: (path) => readFileSync(at(path), 'utf8'),
    listing() {
      const found: Record<string, string> = {};
      for (const path of readdirSync(root, { recursive: true, encoding: 'utf8' }).sort()) {
        if (path === 'run' || path.startsWith('run/')) continue;
        const stat = lstatSync(at(path));
        const what = stat.isSymbolicLink() ? readlinkSync(at(path)) : stat.isFile() ? plot.read(path) : '';
        found[path] = `${(stat.mode & 0o7777).toString(8)} ${what}`;
      }
      return found;
    },
    run(args, script = SCRIPT) {
      return new Promise((resolve, reject) => {
        const child = spawn('/bin/sh', ['-c', script, 'cell-claim', ...args], { env });
        let said = '';
        let complaint = '';
        child.stdout.on('data', (data) => {
          said += data;
        });
        child.stderr.on('data', (data) => {
          complaint += data;
        });
        child.on('close', (_code, signal) => {
          if (signal !== null) return resolve(null);
          try {
            resolve(answerOf(said === '' ? complaint : said));
          } catch (error) {
            reject(error);
          }
        });
      });
    },
    claim: (birth, lease = 3600, organism = 'garden') =>
      plot.run(['claim', organism, birth, 'seed', String(lease), KEY, HOST_KEY]),
    close: () => rmSync(root, { recursive: true, force: true }),
  };
  return plot;
}

/** What an imprint, a settling and a first function leave behind. */
export function becomeCell(plot: Plot, birth: string): void {
  plot.write('var/lib/cell/organism.json', '{"v":1,"organism":"garden","seeder":"s"}');
  plot.write('var/lib/cell/cell.json', `{"v":1,"birth":"${birth}"}`);
  plot.write('var/lib/cell/key', 'secret', 0o600);
  plot.write('opt/cell/bin/cell', '#!/bin/sh\n', 0o755);
  symlinkSync('../../../opt/cell/bin/cell', join(plot.root, 'usr/local/bin/cell'));
  plot.write('srv/cell/web/data/file', 'data');
  plot.write('etc/cell/ingress.json', '{}');
  plot.write('etc/cron.d/cell', '* * * * * root true\n');
  plot.write('etc/ssh/sshd_config.d/00-cell.conf', 'PasswordAuthentication no\n');
  rmSync(join(plot.root, 'etc/systemd/system/timers.target.wants'), { recursive: true }); // As `systemctl disable` does.
  plot.write('etc/systemd/system/sysinit.target.wants/cell-firewall.service', '[Unit]\n');
  for (const unit of ['cell-firewall.service', 'cell-tick.service', 'cell-tick.timer', 'cell-fn-web.service']) {
    plot.write(`etc/systemd/system/${unit}`, '[Unit]\n');
    plot.write(`etc/systemd/system/multi-user.target.wants/${unit}`, '[Unit]\n');
    plot.write(`run/started/${unit}`, '');
  }
}

/** After which lines a command can stand: not in the middle of one that goes over several. */
function places(lines: readonly string[]): readonly number[] {
  return lines.flatMap((_line, at) => {
    const script = [...lines.slice(0, at + 1), 'true', ...lines.slice(at + 1)].join('\n');
    return spawnSync('/bin/sh', ['-n', '-c', script]).status === 0 ? [at] : [];
  });
}

const LINES = SCRIPT.split('\n');
let usable: readonly number[] | null = null;

/** The script killed after each of the lines that this call comes by, one line a script. The call is made. */
export async function cutOff(plot: Plot, args: readonly string[]): Promise<ReadonlyMap<number, string>> {
  usable ??= places(LINES);
  const at = new Set(usable);
  const told = LINES.flatMap((line, number) =>
    at.has(number) ? [line, `echo ${number} >>"$CELL_ROOT/run/trace"`] : [line],
  );
  await plot.run(args, told.join('\n'));
  const passed = new Set(plot.read('run/trace').trim().split('\n').map(Number));
  const killed = (number: number) => [...LINES.slice(0, number + 1), 'kill -9 $$', ...LINES.slice(number + 1)];
  return new Map([...passed].map((number) => [number, killed(number).join('\n')]));
}
