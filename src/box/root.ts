/** What a machine's root gets beyond its image: who it is, where it is, who may come in. */
import { randomBytes } from 'node:crypto';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { identityFrom } from '../effects/keys.ts';
import { parseNetwork } from './network.ts';
import type { BoxFile, MachineFile, MachineOrder } from './words.ts';

interface RootFile {
  readonly path: string;
  readonly text: string;
  readonly mode: number;
}

/** The files, by path below the root; pure but for the machine id that is given. */
export function rootFiles(
  box: BoxFile,
  { id, address }: Pick<MachineFile, 'id' | 'address'>,
  { imprintKey, hostKey }: Pick<MachineOrder, 'imprintKey' | 'hostKey'>,
  machineUuid: string,
): readonly RootFile[] {
  const { gateway, prefix } = parseNetwork(box.network);
  const file = (path: string, lines: readonly string[], mode = 0o644) => ({
    path,
    text: `${lines.join('\n')}\n`,
    mode,
  });
  const names = [id, 'localhost'].map((name, index) => `${index === 0 ? '127.0.1.1' : '127.0.0.1'} ${name}`);
  return [
    file('etc/hostname', [id]),
    file('etc/hosts', [...names.reverse(), '::1 localhost ip6-localhost ip6-loopback']),
    // Without one, systemd would take the boot for the first of an installation and enable every service there is.
    file('etc/machine-id', [machineUuid], 0o444),
    file('etc/systemd/network/10-cell.network', [
      '[Match]',
      'Name=host0',
      '',
      '[Network]',
      `Address=${address}/${prefix}`,
      `Gateway=${gateway}`,
      'DHCP=no',
      'IPv6AcceptRA=no',
      'LinkLocalAddressing=no',
    ]),
    file(
      'etc/resolv.conf',
      box.dns === null ? ['# No name server was given: cell box init --dns'] : [`nameserver ${box.dns}`],
    ),
    file('etc/ssh/sshd_config.d/10-cell.conf', [
      'HostKey /etc/ssh/ssh_host_ed25519_key',
      'PermitRootLogin prohibit-password',
      'PasswordAuthentication no',
      'KbdInteractiveAuthentication no',
      'UseDNS no',
    ]),
    file('etc/ssh/ssh_host_ed25519_key', [hostKey.trim()], 0o600),
    file('etc/ssh/ssh_host_ed25519_key.pub', [identityFrom(hostKey).publicKey]),
    // Podman would start nothing where the box hands down no controller for its own limit (units of functions have theirs),
    // nor where the kernel's keyrings are out of reach, as they are here: they are not a machine's own.
    file('etc/containers/containers.conf.d/10-cell.conf', ['[containers]', 'pids_limit = 0', 'keyring = false']),
    file('root/.ssh/authorized_keys', [imprintKey], 0o600),
  ];
}

/** Writes them. Links of the image in their place are not followed. */
export function writeRoot(root: string, files: readonly RootFile[]): void {
  for (const { path, text, mode } of files) {
    const full = join(root, path);
    mkdirSync(dirname(full), { recursive: true });
    rmSync(full, { force: true });
    writeFileSync(full, text, { mode, flag: 'wx' });
    chmodSync(full, mode);
  }
  chmodSync(join(root, 'root/.ssh'), 0o700);
}

export const newMachineUuid = () => randomBytes(16).toString('hex');
