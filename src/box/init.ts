/** `cell box init` and `cell box start`: what a box is before it makes a machine, and after it was off. */
import { existsSync, mkdirSync } from 'node:fs';
import { isIP } from 'node:net';
import { join } from 'node:path';
import { writeIfChanged } from '../effects/files.ts';
import { CellError } from '../errors.ts';
import { checkedDir, imagesOf, readBox, writeBox } from './files.ts';
import { run } from './host.ts';
import { ensureImage, type ImageWish } from './image.ts';
import { type Box, startMachines } from './machines.ts';
import { parseNetwork, taken } from './network.ts';
import { linuxHost } from './power.ts';
import { type BoxFile, BRIDGE } from './words.ts';

export interface InitWish {
  readonly dir: string;
  readonly bridge: string;
  readonly network: string;
  readonly dns?: string | undefined;
  readonly image: ImageWish;
  /** The command line that starts this program, for the unit that boots machines. */
  readonly program: readonly string[];
  readonly log: (line: string) => void;
}

export interface BoxMade extends BoxFile {
  readonly dir: string;
  readonly images: readonly string[];
  readonly limits: { readonly cpus: string; readonly memory: string };
  /** What boots the machines when the box itself boots. */
  readonly startsBy: string;
}

/** Makes a box, or what is missing of it; the same call again changes nothing. Throws USAGE, NOT_ALLOWED. */
export async function initBox(wish: InitWish): Promise<BoxMade> {
  const dir = checkedDir(wish.dir);
  const { bridge, network, dns = null } = wish;
  parseNetwork(network);
  if (!BRIDGE.test(bridge)) throw new CellError('USAGE', `${bridge} is no name for a bridge: at most 15 characters`);
  if (dns !== null && isIP(dns) === 0) throw new CellError('USAGE', `${dns} is no address of a name server`);
  if (process.getuid?.() !== 0) {
    throw new CellError('NOT_ALLOWED', 'A box is made by root', { suggestion: 'Run the same command with sudo.' });
  }
  mkdirSync(join(dir, 'machines'), { recursive: true, mode: 0o700 });
  mkdirSync(join(dir, 'locks'), { recursive: true });
  const box: BoxFile = { v: 1, bridge, network, dns };
  refuseToMove(dir, box);
  await refuseTaken(box);
  writeBox(dir, box);
  await ensureBridge(box);
  const made = await ensureImage(dir, wish.image, wish.log);
  wish.log(made ? `Image ${wish.image.name} is made.` : `Image ${wish.image.name} is there and stays as it is.`);
  const startsBy = await install(dir, wish.program);
  return { ...box, dir, images: imagesOf(dir), limits: linuxHost().limits(), startsBy };
}

/** Machines hold addresses of the network they were made in. */
function refuseToMove(dir: string, box: BoxFile): void {
  if (!existsSync(join(dir, 'box.json'))) return;
  const before = readBox(dir);
  if (before.network === box.network && before.bridge === box.bridge) return;
  throw new CellError('NOT_ALLOWED', `The box at ${dir} has another network`, {
    why: `it is ${before.network} on ${before.bridge}, and its machines have addresses there`,
    suggestion: `Say --network ${before.network} --bridge ${before.bridge}, or make another box with --dir.`,
  });
}

/** Throws NOT_ALLOWED where the network is another interface's, too: its machines would not be reached. */
async function refuseTaken({ bridge, network }: BoxFile): Promise<void> {
  const other = taken(parseNetwork(network), bridge, await run('ip', ['-o', '-4', 'address', 'show']));
  if (other === null) return;
  throw new CellError('NOT_ALLOWED', `Part of the network ${network} is on the interface ${other} already`, {
    suggestion: 'Give the machines a network of their own: --network 10.N.0.1/24.',
  });
}

/** The bridge with its address, up. The box forwards nothing for it: that is left as it is. */
async function ensureBridge({ bridge, network }: BoxFile): Promise<void> {
  if (!existsSync(`/sys/class/net/${bridge}`)) await run('ip', ['link', 'add', 'name', bridge, 'type', 'bridge']);
  if (!existsSync(`/sys/class/net/${bridge}/bridge`)) {
    throw new CellError('NOT_ALLOWED', `${bridge} is an interface, and no bridge`, {
      suggestion: 'Give another name: --bridge.',
    });
  }
  const shown = await run('ip', ['-o', '-4', 'address', 'show', 'dev', bridge]);
  if (!shown.includes(` ${network} `)) await run('ip', ['address', 'add', network, 'dev', bridge]);
  await run('ip', ['link', 'set', 'dev', bridge, 'up']);
}

/** Brings the bridge and every machine that should run back up. */
export async function startBox(box: Box): Promise<Awaited<ReturnType<typeof startMachines>>> {
  await ensureBridge(readBox(box.dir));
  return startMachines(box);
}

async function install(dir: string, program: readonly string[]): Promise<string> {
  const start = [...program, 'box', 'start', '--dir', dir];
  if (!existsSync('/run/systemd/system')) return `nothing: let the system run \`${start.join(' ')}\` as it boots`;
  const unit = `cell-box${dir.replaceAll('/', '-').replace(/^-var-lib-cell-box$/, '')}.service`;
  const text = `[Unit]
Description=Machines of cell in ${dir}
After=network.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=${start.map((word) => `"${word}"`).join(' ')}

[Install]
WantedBy=multi-user.target
`;
  await writeIfChanged(join('/etc/systemd/system', unit), text);
  await run('systemctl', ['daemon-reload']);
  await run('systemctl', ['enable', unit]);
  return unit;
}
