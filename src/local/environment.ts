/**
 * The environment of everything on a machine, and the folders and commands that it finds there.
 */
import { accessSync, constants, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join } from 'node:path';
import { shellQuote } from '../effects/quote.ts';
import { namesIn } from './files.ts';
import { type MachineFile, places } from './host.ts';
import { MACHINE } from './processes.ts';

const SYSTEM = ['/usr/local/bin', '/usr/bin', '/bin'];
/** What a machine that comes with no runtime must not find. */
const RUNTIME = /^(?:node|nodejs|npm|npx|corepack|pnpm|pnpx|yarn|yarnpkg|bun|bunx|deno)$/;

const FOLDERS = [
  'etc/cron.d',
  'etc/systemd/system',
  'etc/ssh',
  'etc/cell',
  'root/.ssh',
  'usr/local/bin',
  'usr/bin',
  'opt',
  'srv',
  'run',
  'sys/fs/cgroup/system.slice',
  'var/lib',
  'var/log/journal',
];

function hasNode(folder: string): boolean {
  try {
    accessSync(join(folder, 'node'), constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

/** The folders a machine looks for commands in. */
function searchPath(file: Pick<MachineFile, 'runtime' | 'node'>, root: string): string[] {
  const own = join(root, 'usr/local/bin');
  if (file.runtime === 'host') return [own, dirname(file.node), ...SYSTEM];
  return SYSTEM.some(hasNode) ? [own, join(root, 'usr/bin')] : [own, ...SYSTEM];
}

export function machineEnvironment(file: MachineFile, folder: string): Record<string, string> {
  const { root } = places(folder);
  return {
    CELL_ROOT: root,
    [MACHINE]: file.marker,
    CELL_SHARED_TMP: file.shared,
    HOME: join(root, 'root'),
    TMPDIR: join(root, 'tmp'),
    PATH: searchPath(file, root).join(delimiter),
    LANG: 'C.UTF-8',
    USER: 'root',
    LOGNAME: 'root',
    SHELL: '/bin/sh',
  };
}

/** Lays out an empty root: folders, `systemctl` and the like, and the computer's tools without its Node if need be. */
export function layRoot(file: MachineFile, folder: string): void {
  const { root, host, groups } = places(folder);
  for (const name of FOLDERS) mkdirSync(join(root, name), { recursive: true });
  mkdirSync(join(root, 'tmp'), { recursive: true, mode: 0o700 });
  mkdirSync(host, { recursive: true });
  mkdirSync(groups, { recursive: true });
  for (const command of ['systemctl', 'journalctl']) {
    const line = `exec ${shellQuote(file.node)} ${shellQuote(file.programs.systemctl)} ${command} "$@"`;
    writeFileSync(join(root, 'usr/local/bin', command), `#!/bin/sh\n${line}\n`, { mode: 0o755 });
  }
  writeFileSync(join(root, 'usr/local/bin/poweroff'), '#!/bin/sh\nexec systemctl poweroff\n', { mode: 0o755 });
  const tools = join(root, 'usr/bin');
  if (searchPath(file, root).includes(tools)) linkTools(tools);
}

function linkTools(into: string): void {
  const seen = new Set(readdirSync(into));
  for (const folder of SYSTEM) {
    for (const name of namesIn(folder)) {
      if (seen.has(name) || RUNTIME.test(name)) continue;
      seen.add(name);
      symlinkSync(join(folder, name), join(into, name));
    }
  }
}
