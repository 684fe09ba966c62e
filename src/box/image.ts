/**
 * Images: roots that machines start from, made once by debootstrap beside their place and renamed into it, so that an
 * image that is there is whole.
 */
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { acquireLease } from '../../stacks/engines/lock.ts';
import { CellError } from '../errors.ts';
import { imageFolder, names } from './files.ts';
import { removeTree, run } from './host.ts';
import { IMAGE } from './words.ts';

/** What a cell needs beyond an operating system. */
const PACKAGES = [
  'systemd,systemd-sysv,dbus,openssh-server,cron,git,rsync,caddy,nftables,iproute2,procps,ca-certificates',
].flatMap((list) => list.split(','));
/** What may start by itself on a blank machine. The rest is for whoever needs it to start. */
const ENABLED = new Set([
  'ssh.service',
  'sshd.service',
  'cron.service',
  'systemd-networkd.service',
  'systemd-networkd.socket',
]);
/** A slow mirror and a slow disk; past it, it hangs. */
const MAKE_WITHIN_MS = 40 * 60_000;
const PACKAGE = /^[a-z0-9][a-z0-9+.-]+$/;
const SUITE = /^[a-z][a-z0-9-]*$/;

export interface ImageWish {
  readonly name: string;
  readonly suite: string;
  /** Where debootstrap gets packages; its own default when left out. */
  readonly mirror?: string | undefined;
  /** Beyond what every cell needs. */
  readonly packages: readonly string[];
  /** A root that is there already and is copied instead. */
  readonly base?: string | undefined;
}

/** Makes the image unless it is there. True when it was made now. Throws USAGE, STACK_LOCKED, REMOTE_FAILED. */
export async function ensureImage(dir: string, wish: ImageWish, log: (line: string) => void): Promise<boolean> {
  check(wish);
  const folder = imageFolder(dir, wish.name);
  mkdirSync(dirname(folder), { recursive: true });
  mkdirSync(join(dir, 'locks'), { recursive: true });
  if (existsSync(folder)) return false;
  const lease = await acquireLease(join(dir, 'locks', 'image'), { ttlMs: MAKE_WITHIN_MS });
  if (lease === null) throw new CellError('STACK_LOCKED', 'Another `cell box init` is making an image here');
  try {
    // What one that was killed left.
    for (const name of names(dirname(folder)).filter((one) => one.startsWith('.')))
      await removeTree(join(dirname(folder), name));
    const beside = join(dirname(folder), `.${wish.name}`);
    if (wish.base === undefined) await makeRoot(beside, wish, log);
    else await copyRoot(wish.base, beside);
    renameSync(beside, folder);
    return true;
  } finally {
    lease.release();
  }
}

/** Debootstrap and what comes after it. */
export async function makeRoot(
  root: string,
  { suite, mirror, packages }: Omit<ImageWish, 'name'>,
  log: (line: string) => void,
): Promise<void> {
  const all = [...new Set([...PACKAGES, ...packages])];
  log(`Making a root of ${suite} with ${all.length} packages; this takes some minutes.`);
  const what = ['--variant=minbase', `--include=${all.join(',')}`, suite, root];
  try {
    await run('debootstrap', mirror === undefined ? what : [...what, mirror], MAKE_WITHIN_MS);
  } catch (cause) {
    if (!(cause instanceof CellError) || cause.code !== 'REMOTE_FAILED') throw cause;
    throw new CellError('REMOTE_FAILED', `No root of ${suite} could be made`, {
      why: cause.why ?? '',
      suggestion: `See ${join(root, 'debootstrap/debootstrap.log')}, then run the same command again.`,
      cause,
    });
  }
  await settleRoot(root);
}

async function copyRoot(base: string, root: string): Promise<void> {
  if (!existsSync(join(base, 'etc/os-release'))) {
    throw new CellError('NOT_FOUND', `${base} is no root of an operating system`);
  }
  await run('cp', ['--archive', '--one-file-system', '--reflink=auto', '--', base, root], MAKE_WITHIN_MS);
  await settleRoot(root);
}

/** Makes a root blank: nothing of its own identity, nothing started that a cell did not ask for. */
async function settleRoot(root: string): Promise<void> {
  for (const name of names(join(root, 'etc/ssh')).filter((one) => one.startsWith('ssh_host_')))
    rmSync(join(root, 'etc/ssh', name));
  for (const path of ['etc/machine-id', 'var/lib/dbus/machine-id', 'etc/hostname', 'etc/resolv.conf'])
    rmSync(join(root, path), { force: true });
  // Some programs want the file to be there; empty, it is nobody's.
  writeFileSync(join(root, 'etc/machine-id'), '');
  disable(root);
  // Nobody sits at its console.
  await run('systemctl', [`--root=${root}`, 'mask', '--quiet', 'console-getty.service']);
  await run('systemctl', [`--root=${root}`, 'enable', 'systemd-networkd.service', 'ssh.service', 'cron.service']);
  rmSync(join(root, 'var/cache/apt/archives'), { recursive: true, force: true });
  mkdirSync(join(root, 'var/cache/apt/archives/partial'), { recursive: true });
}

/** Takes away the links by which units start: those of systemd, and of scripts as before systemd. */
function disable(root: string): void {
  const units = join(root, 'etc/systemd/system');
  for (const folder of names(units).filter((name) => /\.(wants|requires)$/.test(name))) {
    for (const unit of names(join(units, folder))) if (!ENABLED.has(unit)) rmSync(join(units, folder, unit));
  }
  for (const level of names(join(root, 'etc')).filter((name) => /^rc[2345S]\.d$/.test(name))) {
    for (const link of names(join(root, 'etc', level))) {
      if (/^S\d\d/.test(link) && !ENABLED.has(`${link.slice(3)}.service`)) rmSync(join(root, 'etc', level, link));
    }
  }
}

function check({ name, suite, mirror, packages, base }: ImageWish): void {
  const wrong = [
    ...(IMAGE.test(name) ? [] : [`image ${name}`]),
    ...(SUITE.test(suite) ? [] : [`suite ${suite}`]),
    ...(mirror === undefined || /^(https?:\/\/|file:\/)\S+$/.test(mirror) ? [] : [`mirror ${mirror}`]),
    ...packages.filter((one) => !PACKAGE.test(one)).map((one) => `package ${one}`),
    ...(base === undefined || /^\/[^:,\s]+$/.test(base) ? [] : [`base ${base}`]),
  ];
  if (wrong.length > 0) throw new CellError('USAGE', `This cannot be meant: ${wrong.join(', ')}`);
}
