/**
 * Debian packages that a machine needs and its image lacks. They come from its parent as an artefact of `.deb` files, or,
 * where there is none, from the mirror that the machine's own apt knows.
 *
 * What they bring up is not left running: functions run as units of the cell, and nothing listens that the genome does
 * not serve. cron is the exception, for it keeps the heartbeat.
 */
import { existsSync } from 'node:fs';
import { mkdir, readdir, realpath, rm, symlink } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { cronFields } from '../../genome/cron.ts';
import type { Genome } from '../../genome/schema.ts';
import { CellError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { FunctionName } from '../model.ts';
import { type Artefact, folderArtefact, type MachineFacts } from './artefacts.ts';
import { shellQuote } from './quote.ts';
import type { Remote } from './ssh.ts';

/** What a machine says of its packages. */
export interface PackageFacts {
  /** `PRETTY_NAME` of os-release. */
  readonly system: string;
  /** Whether it has dpkg. */
  readonly debian: boolean;
  /** Of those asked for. */
  readonly missing: readonly string[];
}

/** What every cell needs, and what its functions ask for; sorted. Pure. */
export function neededPackages(genome: Genome, functions: readonly FunctionName[]): readonly string[] {
  const genes = functions.flatMap((name) => genome.functions[name] ?? []);
  const { heartbeat, schedule } = genome.body;
  const serves = Object.values(genome.functions).some((gene) => gene.domain !== undefined || gene.port !== undefined);
  return [
    ...new Set([
      'git',
      'nftables',
      'openssh-client',
      'openssh-server',
      'rsync',
      ...(schedule !== 'timer' && cronFields(heartbeat) !== null ? ['cron'] : []),
      ...(serves ? ['caddy'] : []),
      ...(genes.some((gene) => gene.image !== undefined) ? CONTAINERS : []),
      ...genes.flatMap((gene) => gene.packages),
    ]),
  ].sort();
}

/** podman, and what it makes networks of containers with. */
const CONTAINERS = ['podman', 'netavark'];

/** The part of a probe that asks for packages. */
export function packageProbe(names: readonly string[]): string {
  return `(. /etc/os-release && printf 'system=%s\\n' "$PRETTY_NAME") 2>/dev/null
if command -v dpkg-query >/dev/null 2>&1; then
  echo debian=yes
  for p in ${names.map(shellQuote).join(' ')}; do
    [ "$(dpkg-query -W -f '\${db:Status-Status}' "$p" 2>/dev/null)" = installed ] || printf 'package=%s\\n' "$p"
  done
fi`;
}

/** What a machine answered to it. */
export function packageFacts(facts: Pick<MachineFacts, 'all'>): PackageFacts {
  return {
    system: facts.all('system')[0] ?? 'an unknown system',
    debian: facts.all('debian').length > 0,
    missing: facts.all('package'),
  };
}

/** Where a home keeps the packages of a cloud: a link to the genome's folder, or into the store. */
const LINKS = 'packages';
export const packagesOf = (home: string, cloud: string): string => join(home, LINKS, cloud);
const storedOf = (layout: Layout, cloud: string): string => join(dirname(layout.store), LINKS, cloud);

/** Where the packages of each cloud lie on this computer. Throws NOT_FOUND for a folder that is not there. */
export async function linkPackages(home: string, genomeFile: string, genome: Genome): Promise<void> {
  for (const [cloud, gene] of Object.entries(genome.clouds)) {
    if (!('packages' in gene) || gene.packages === undefined) continue;
    const folder = resolve(dirname(genomeFile), gene.packages);
    if (!existsSync(folder)) {
      throw new CellError('NOT_FOUND', `The packages of the cloud ${cloud} are not there`, {
        why: `${folder} is no folder`,
        suggestion: 'Put the .deb files there, or leave `packages` out.',
      });
    }
    const link = packagesOf(home, cloud);
    await mkdir(dirname(link), { recursive: true });
    await rm(link, { force: true });
    await symlink(folder, link);
  }
}

/** The packages that go to machines of a cloud, from a laptop's genome or out of a cell's own store; null when none. */
export async function packagesArtefact(
  here: { readonly home: string; readonly layout: Layout },
  cloud: string,
): Promise<Artefact | null> {
  for (const link of [packagesOf(here.home, cloud), storedOf(here.layout, cloud)]) {
    const folder = await realpath(link).catch(() => null);
    if (folder === null) continue;
    const files = (await readdir(folder)).filter((name) => name.endsWith('.deb'));
    if (files.length > 0) return folderArtefact('packages', folder, files.sort());
  }
  return null;
}

/** Where the machine keeps an artefact of packages, and under which name its own children get it. */
export function keepPackages(cloud: string, artefact: Artefact): string {
  return `d="\${CELL_ROOT:-}/opt/cell/${LINKS}"; mkdir -p "$d"; ln -sfn "../store/${artefact.hash}" "$d/${cloud}"`;
}

/** dpkg waits for others that install (a fresh image updates itself), asks nothing, and flushes no file by itself. */
const APT = [
  'apt-get -y -q --no-install-recommends',
  '-o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=120 -o Dpkg::Options::=--force-unsafe-io -o Dpkg::Options::=--force-confold',
  '-o Acquire::Retries=1 -o Acquire::http::Timeout=15 -o Acquire::https::Timeout=15',
].join(' ');

/**
 * The script that installs packages, pure: first what the artefact has and the machine has not, then what is missing still
 * from the machine's mirror. At its end it says `absent=NAME` for each that is not there, and ends with 1 if any is.
 */
export function installScript(names: readonly string[], artefact: Pick<Artefact, 'hash'> | null): string {
  const carried =
    artefact === null
      ? ''
      : `( cd "\${CELL_ROOT:-}/opt/cell/store/${artefact.hash}"
  set --
  for f in *.deb; do installed "\${f%%_*}" || set -- "$@" "./$f"; done
  [ $# = 0 ] || ${APT} install "$@" )`;
  return `export DEBIAN_FRONTEND=noninteractive LC_ALL=C
exec 2>&1
installed() { [ "$(dpkg-query -W -f '\${db:Status-Status}' "$1" 2>/dev/null)" = installed ]; }
absent() { for p in ${names.map(shellQuote).join(' ')}; do installed "$p" || echo "$p"; done; }
units() { systemctl list-unit-files --state=enabled --no-legend --no-pager | awk '{print $1}' | sort; }
before=$(units)
policy=/usr/sbin/policy-rc.d
if [ ! -e $policy ]; then
  trap 'rm -f $policy' EXIT
  printf '#!/bin/sh\nexit 101\n' > $policy && chmod 755 $policy
fi
dpkg --configure -a
${carried}
left=$(absent)
[ -z "$left" ] || { ${APT} update && ${APT} install $left; }
for unit in $(units); do
  case "$before" in *"$unit"*) continue;; esac
  case $unit in cron.service) systemctl start cron;; *) systemctl disable -q "$unit";; esac
done
left=$(absent)
[ -z "$left" ] || { printf 'absent=%s\n' $left; exit 1; }
`;
}

/** Installs what is missing. Throws REMOTE_FAILED naming packages and ways. */
export async function installPackages(
  remote: Remote,
  facts: PackageFacts,
  artefact: Artefact | null,
  timeoutMs: number,
): Promise<void> {
  const { missing, system, debian } = facts;
  if (missing.length === 0 && debian) return;
  const where = remote.reach.address;
  if (!debian) {
    throw new CellError('REMOTE_FAILED', `The machine at ${where} cannot be a cell`, {
      why: `it runs ${system}, which has no Debian packages`,
      suggestion: 'Use machines with Debian 12 or later, or Ubuntu 24.04 or later.',
    });
  }
  const result = await remote.run(installScript(missing, artefact), { timeoutMs });
  if (result.code === 0) return;
  const lines = result.stdout.split('\n');
  const absent = lines.flatMap((line) => /^absent=(.+)$/.exec(line)?.[1] ?? []).join(', ') || missing.join(', ');
  const said = lines.filter((line) => /^(?:E:|dpkg: error|Err:|\s+(?:Depends|Conflicts):)/.test(line));
  const tried =
    artefact === null
      ? 'its mirror has not given them'
      : 'neither the .deb files of the genome nor its mirror have given them';
  throw new CellError('REMOTE_FAILED', `The machine at ${where} (${system}) lacks packages: ${absent}`, {
    why: `${tried}: ${said.slice(0, 3).join(' | ') || `apt-get ended with ${result.code}`}`,
    suggestion:
      'Put their .deb files, made for this system, into a folder and name it by `packages` of the cloud; or use an image that has them; or let the machine reach a mirror.',
    fields: { packages: absent },
  });
}
