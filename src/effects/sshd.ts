/**
 * How sshd behaves on a cell: no passwords, one host key, and for the user of the door nothing but its forced command.
 * A file of our own that is read before others of its folder, for sshd goes by what is said first.
 */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { CellError, messageOf } from '../errors.ts';
import { DOOR_USER, type Layout } from '../layout.ts';
import { writeIfChanged } from './files.ts';

/** Not on everybody's PATH. */
const SSHD = '/usr/sbin/sshd';

/** The file's text; pure. */
export function sshdText(layout: Pick<Layout, 'hostKey'>): string {
  return `# How sshd behaves on a cell. Written by the cell: changes are lost.
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitEmptyPasswords no
PermitRootLogin prohibit-password
HostKey ${layout.hostKey}
LoginGraceTime 20
# Cells come many at a time: beyond the first number some are turned away, beyond the last all.
MaxStartups 100:30:300
X11Forwarding no
AllowAgentForwarding no
GatewayPorts no
PermitTunnel no

Match User ${DOOR_USER}
	AuthenticationMethods publickey
	AllowTcpForwarding no
	AllowStreamLocalForwarding no
	PermitTTY no
	PermitUserRC no
	MaxSessions 1

Match all
`;
}

/**
 * Makes sshd so, from its next reload on, and gives the ports it listens on. Throws NOT_ALLOWED when it does not take it:
 * then the file is gone again and sshd as it was.
 */
export async function setSshd(layout: Layout): Promise<readonly number[]> {
  await writeIfChanged(layout.sshdFile, sshdText(layout));
  try {
    const { stdout } = await promisify(execFile)(SSHD, ['-T']);
    const said = stdout.toLowerCase().split('\n');
    if (!said.includes('passwordauthentication no')) throw new Error('it does not read /etc/ssh/sshd_config.d');
    return said.flatMap((line) => /^port (\d+)$/.exec(line)?.[1] ?? []).map(Number);
  } catch (cause) {
    await rm(layout.sshdFile, { force: true });
    const { stderr } = cause as { stderr?: string };
    throw new CellError('NOT_ALLOWED', 'sshd on this machine does not take how a cell wants it', {
      why: stderr?.trim().split('\n').at(-1) || messageOf(cause),
      suggestion: 'A cell needs OpenSSH 8.4 or later whose sshd_config includes sshd_config.d/*.conf.',
      cause,
    });
  }
}
