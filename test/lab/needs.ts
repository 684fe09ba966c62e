/**
 * What the lab needs of this computer: root on Linux, and programs from Debian's packages. A file of the lab says with
 * `needs` what it uses; where something is missing its tests are not run, and the runner says which and why.
 *
 *   describe.skipIf(needs('its title', NSPAWN))('its title', …)
 */
import { accessSync, constants, existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** A program, and the package that has it on Debian. */
export interface Need {
  readonly program: string;
  readonly package: string;
}

const need = (program: string, from: string): Need => ({ program, package: from });

/** Machines on a bridge of this computer. */
export const NSPAWN: readonly Need[] = [
  need('systemd-nspawn', 'systemd-container'),
  need('debootstrap', 'debootstrap'),
  need('ip', 'iproute2'),
  need('mount', 'mount'),
  need('sshd', 'openssh-server'),
  need('ssh', 'openssh-client'),
];
export const KNOT: readonly Need[] = [need('knotd', 'knot'), need('keymgr', 'knot'), need('dig', 'dnsutils')];
export const BIND: readonly Need[] = [need('named', 'bind9'), need('dig', 'dnsutils')];

/** What is missing here, one line each; nothing where all can be run. */
function missing(needed: readonly Need[]): readonly string[] {
  const lacks: string[] = [];
  if (process.platform !== 'linux') lacks.push('Linux');
  if (process.getuid?.() !== 0) lacks.push('root');
  for (const { program, package: from } of needed)
    if (!onPath(program)) lacks.push(`${program} (apt-get install ${from})`);
  return lacks;
}

/** Whether a part of the lab cannot be run here; says so, and what would be needed. */
export function needs(part: string, ...needed: readonly (readonly Need[])[]): boolean {
  const lacks = missing(needed.flat());
  if (lacks.length > 0) process.stderr.write(`lab: not run: ${part}, for it needs ${lacks.join(', ')}\n`);
  return lacks.length > 0;
}

function onPath(program: string): boolean {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.some((folder) => {
    const file = join(folder, program);
    try {
      if (folder === '' || !existsSync(file)) return false;
      accessSync(file, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
