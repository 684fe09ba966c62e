/**
 * What a cell makes of a blank operating system before it lives there: the user of the door, the folders and whose they
 * are, how sshd behaves, what the packet filter lets in. Done again at each imprint, changing only what differs. Nothing of it where a machine is a folder.
 *
 * The home is root's. A sync session runs as the user of the door, which may read it but for keys, credentials, secrets,
 * sagas and checkpoints (0600 or in a closed folder), and write in three places only: `memory.git`, which belongs to it,
 * and `pulses/` and `door/`, which are root's and open to its group.
 */
import { existsSync } from 'node:fs';
import { chmod, chown, mkdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { DOOR_USER, type Layout } from '../layout.ts';
import { readJson, writeAtomic } from './files.ts';
import { setFirewall } from './firewall.ts';
import { setSshd } from './sshd.ts';
import { ensureUser } from './users.ts';

/** Folders of the home, and how open: to the door's group for reading, or for writing, too. */
const SHARED = ['door', 'pulses'];
const CLOSED = ['incoming', 'journal', 'stacks'];

/** The door's user and the folders. The home is there before: it may hold keys already. */
export async function buildHouse(layout: Layout): Promise<void> {
  if (!layout.system) return;
  const { home } = layout;
  const door = await ensureUser(DOOR_USER, { home, shell: '/bin/sh', why: 'syncs of a cell' });
  const room = async (path: string, mode: number, owner: { uid: number; gid: number }) => {
    await mkdir(path, { recursive: true });
    await chown(path, owner.uid, owner.gid);
    await chmod(path, mode);
  };
  const root = { uid: 0, gid: 0 };
  const group = { uid: 0, gid: door.gid };
  await room(home, 0o750, group);
  // The group stays that of the folder (setgid), whoever makes a file in it. sshd reads whom it lets in as that user.
  await room(dirname(layout.peerKeys), 0o2750, group);
  for (const name of SHARED) await room(join(home, name), 0o2770, group);
  for (const name of CLOSED) await room(join(home, name), 0o700, root);
  await room(join(home, 'memory.git'), 0o750, door);
  await room(layout.functions, 0o755, root);
  await room(dirname(layout.whereFile), 0o755, root);
  await room(dirname(layout.environments), 0o755, root);
  await room(layout.environments, 0o700, root);
  const ssh = await setSshd(layout);
  await writeAtomic(portsFile(layout), JSON.stringify({ v: 1, ports: ssh }));
  // Until it has a genome, it lets in nothing but SSH. One that has may serve already.
  if (!existsSync(layout.firewallFile)) await setFirewall(layout, { ssh, web: [], ports: [], cells: [] });
}

const portsFile = (layout: Layout) => join(layout.home, 'sshd.json');

/** Where sshd listened when the house was built. */
export async function sshPorts(layout: Layout): Promise<readonly number[]> {
  const { ports } = await readJson<{ ports: readonly number[] }>(portsFile(layout), { ports: [] });
  return ports.length === 0 ? [22] : ports;
}
