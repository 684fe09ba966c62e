/**
 * How sshd behaves on a cell: no passwords, one host key, and for the user of the door nothing but its forced command.
 * A file of our own that is read before others of its folder, for sshd goes by what is said first.
 *
 * No address is shut out for log-ins that were refused, as newer sshds do by themselves. Cells refuse each other in good
 * faith (one that was just born calls those who have not heard of it; a parent tries whether its imprint key is gone), and
 * whoever shares a cell's address, be it a function of its own, could have it shut out by failing on purpose. There is no
 * password to guess. What one address may take is the number of log-ins under way at once.
 */
import { execFile } from 'node:child_process';
import { rm } from 'node:fs/promises';
import { promisify } from 'node:util';
import { CellError, messageOf } from '../errors.ts';
import { DOOR_USER, type Layout } from '../layout.ts';
import { writeIfChanged } from './files.ts';

/** Not on everybody's PATH. */
const SSHD = '/usr/sbin/sshd';

/** What only newer sshds know, by option; one that does not know it goes without. */
const NEWER = {
  /** OpenSSH 8.5. Of the log-ins under way, of which MaxStartups counts those of all. */
  PerSourceMaxStartups: '50',
  /** 9.8. What has crashed an sshd is no log-in that was refused in good faith. */
  PerSourcePenalties: 'authfail:0 noauth:0 grace-exceeded:0',
  /** 9.2. For who logs in and asks for no session; in one, the session itself is who ends it. */
  UnusedConnectionTimeout: '30',
} as const;

type Newer = keyof typeof NEWER;
export const NEWER_OPTIONS = Object.keys(NEWER) as readonly Newer[];

/** The file's text for an sshd that knows these of the newer options; pure. */
export function sshdText(layout: Pick<Layout, 'hostKey'>, known: readonly Newer[] = NEWER_OPTIONS): string {
  const newer = (...options: readonly Newer[]) =>
    options.filter((option) => known.includes(option)).map((option) => `${option} ${NEWER[option]}`);
  const all = [
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'PermitEmptyPasswords no',
    'PermitRootLogin prohibit-password',
    `HostKey ${layout.hostKey}`,
    'LoginGraceTime 20',
    '# Cells come many at a time: beyond the first number some are turned away, beyond the last all.',
    'MaxStartups 100:30:300',
    ...newer('PerSourceMaxStartups', 'PerSourcePenalties'),
    'X11Forwarding no',
    'AllowAgentForwarding no',
    'GatewayPorts no',
    'PermitTunnel no',
  ];
  const door = [
    'AuthenticationMethods publickey',
    'AllowTcpForwarding no',
    'AllowStreamLocalForwarding no',
    'PermitTTY no',
    'PermitUserRC no',
    'MaxSessions 1',
    "# In place of the names that the system's own file lists: a variable that nothing reads.",
    'AcceptEnv none',
    '# Whose power has gone does not say goodbye.',
    'ClientAliveInterval 15',
    'ClientAliveCountMax 4',
    ...newer('UnusedConnectionTimeout'),
  ];
  return `# How sshd behaves on a cell. Written by the cell: changes are lost.
${all.join('\n')}

Match User ${DOOR_USER}
${door.map((line) => `\t${line}\n`).join('')}
Match all
`;
}

/**
 * Makes sshd so, from its next reload on, and gives the ports it listens on. Throws NOT_ALLOWED when it does not take it:
 * then the file is gone again and sshd as it was.
 */
export async function setSshd(layout: Layout): Promise<readonly number[]> {
  // Asked before the file is there: one that sshd does not take must not be there when it starts.
  const asked = await Promise.all(NEWER_OPTIONS.map(async (one) => ((await knows(one)) ? [one] : [])));
  await writeIfChanged(layout.sshdFile, sshdText(layout, asked.flat()));
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

/** Whether sshd takes an option as it is meant here. */
async function knows(option: Newer): Promise<boolean> {
  return promisify(execFile)(SSHD, ['-T', '-o', `${option}=${NEWER[option]}`]).then(
    () => true,
    () => false,
  );
}
