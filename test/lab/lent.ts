/** Somebody's own machines for the lab: real ones on a box, with keys, users and files that are their owner's. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { genomeSchema } from '../../genome/schema.ts';
import { generateHostKey } from '../../src/effects/keys.ts';
import type { Remote } from '../../src/effects/ssh.ts';
import { machineHandler } from '../../stacks/machines/nspawn.handler.ts';
import { nspawnCompute } from '../../stacks/machines/nspawn.ts';
import { blank } from '../stacks/machines/need.ts';
import { type LabBox, startBox } from './box.ts';
import { login } from './login.ts';

const { parse } = await import('yaml');

export interface LentMachine {
  readonly id: string;
  readonly address: string;
  readonly hostKey: string;
  /** Its root as this computer sees it. */
  readonly root: string;
  /** A shell of its owner, whoever else has it. */
  shell(): Promise<Remote>;
  /** Every file, folder and link that is its owner's, with owner, mode and content. */
  listing(): Promise<readonly string[]>;
}

export interface Lent {
  readonly box: LabBox;
  /** Opens them all, for root. */
  readonly key: { readonly privatePem: string; readonly publicKey: string };
  readonly machines: readonly LentMachine[];
  close(): Promise<void>;
}

/**
 * What is left out: logs, caches, what systemd notes of the clock and of chance, locks, and the backups that the tools
 * for accounts make of their files (`/etc/passwd-`).
 */
const NOT_KEPT = [
  ...['/var/log', '/var/cache', '/var/tmp', '/var/lib/systemd', '/var/lib/apt', '/etc/.pwd.lock', '/root/.cache'],
  ...['passwd', 'group', 'shadow', 'gshadow', 'subuid', 'subgid'].map((name) => `/etc/${name}-`),
];
const LISTING = `find /etc /var /opt /root /home /srv /usr/local ${NOT_KEPT.map((path) => `-path ${path} -prune -o`).join(' ')} \\
  -printf '%p %y %m %u %g %l\\n' | sort
find /etc /var /opt /root /home /srv /usr/local ${NOT_KEPT.map((path) => `-path ${path} -prune -o`).join(' ')} -type f -print0 |
  sort -z | xargs -0 sha256sum`;

export async function lentMachines(octet: number, count: number, box_?: LabBox): Promise<Lent> {
  const box = box_ ?? (await startBox({ octet }));
  const { cloud } = await box.allow('owner', count);
  const gene = genomeSchema.shape.clouds.parse({ near: parse(cloud) }).near as Parameters<
    typeof nspawnCompute.resources
  >[1];
  const credential = await nspawnCompute.credential(gene, '');
  const key = generateHostKey();
  const make = async (birth: string): Promise<LentMachine> => {
    const own = generateHostKey();
    const [resource] = nspawnCompute.resources(
      blank({ organism: 'owner', birth, parent: 'seed', cloud: 'near' }),
      gene,
    );
    const inputs = { ...resource?.inputs, imprintKey: key.publicKey, hostKey: own.privatePem };
    const { id, outputs } = await machineHandler.create(inputs, { credential });
    const reach = nspawnCompute.reach({ machine: outputs });
    const shell = () => login(reach, { privateKey: key.privatePem, hostKeys: [own.publicKey] });
    const remote = await shell();
    // What an owner might have there: another key, without a line's end, a user of his own, a unit, a setting of sshd.
    await remote.must(
      `printf 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f his' >>/root/.ssh/authorized_keys
useradd --create-home --shell /bin/sh keeper
mkdir -p ~keeper/.ssh && printf '%s\\n' '${key.publicKey}' >~keeper/.ssh/authorized_keys
chown -R keeper: ~keeper/.ssh && chmod 700 ~keeper/.ssh
if [ -d /etc/sudoers.d ]; then echo 'keeper ALL=(ALL) NOPASSWD: ALL' >/etc/sudoers.d/keeper; fi
mkdir -p /srv/own /opt/own && echo mine >/srv/own/file && ln -s file /srv/own/link
systemctl is-system-running --wait >/dev/null; true`,
    );
    remote.close();
    return {
      ...{ id, address: reach.address, hostKey: own.publicKey, root: box.rootOf(id), shell },
      async listing() {
        const there = await shell();
        try {
          return (await there.must(LISTING)).trim().split('\n');
        } finally {
          there.close();
        }
      },
    };
  };
  const machines: LentMachine[] = [];
  for (let number = 1; number <= count; number++) machines.push(await make(`o${number}`));
  return { box, key, machines, close: () => box.stop() };
}

/** The machines as a cloud of a genome, in one line of YAML. */
export function lentCloud(lent: Lent, keyFile: string, user = 'root'): string {
  const list = lent.machines.map(
    ({ address, hostKey }) => `{ address: ${address}, hostKey: ${hostKey}, user: ${user} }`,
  );
  return `{ provider: hosts, machines: [${list.join(', ')}], credentials: "file:${keyFile}" }`;
}

/** A file of a machine as this computer sees it. */
export const fileOn = (machine: LentMachine, path: string): string => readFileSync(join(machine.root, path), 'utf8');
