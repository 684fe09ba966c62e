/**
 * What cloud-init on Debian makes of a droplet's user data, as far as cells use it: which host key the machine answers
 * with, and who may log in as root. What else it is told is refused, so that nothing a program asks for is left undone
 * without a word.
 */
import { parse } from 'yaml';

/** What a machine is like once cloud-init is done with its first boot. */
export interface Settled {
  /** The private host key (OpenSSH PEM) that the maker gave; null: the machine makes its own. */
  readonly hostKey: string | null;
  /** Public keys that root is let in by. */
  readonly rootKeys: readonly string[];
}

interface User {
  readonly name?: unknown;
  readonly ssh_authorized_keys?: unknown;
}

const KNOWN = ['disable_root', 'ssh_pwauth', 'ssh_deletekeys', 'ssh_keys', 'users'];

/**
 * @param userData as it was posted; none is fine.
 * @param keys of the droplet's metadata: those it was made with.
 */
export function settledBy(userData: string | undefined, keys: readonly string[]): Settled {
  if (userData === undefined || userData === '') return { hostKey: null, rootKeys: keys };
  // Without this line it is no cloud-config, and nothing in it would be heard.
  if (!/^#cloud-config\n/.test(userData)) throw new Error('the user data is no cloud-config');
  const config = parse(userData) as Readonly<Record<string, unknown>>;
  const strange = Object.keys(config).filter((key) => !KNOWN.includes(key));
  if (strange.length > 0) throw new Error(`the cloud-config asks for ${strange.join(', ')}, which nobody here does`);
  const { disable_root = true, ssh_pwauth, ssh_deletekeys = true, ssh_keys, users } = config;
  if (ssh_pwauth === true) throw new Error('passwords are not for cells');
  const root = (Array.isArray(users) ? (users as readonly User[]) : []).find(({ name }) => name === 'root');
  const own = Array.isArray(root?.ssh_authorized_keys) ? (root.ssh_authorized_keys as readonly string[]) : [];
  // With root shut, its keys get a command in front of them that only says so.
  const rootKeys = disable_root === true ? [] : [...new Set([...keys, ...own].map((key) => key.trim()))];
  const given = (ssh_keys as Readonly<Record<string, unknown>> | undefined)?.ed25519_private;
  // Keys of the image that stay would be answered with by every machine made of it.
  if (given !== undefined && ssh_deletekeys !== true) throw new Error("the image's own host keys would stay");
  return { hostKey: typeof given === 'string' ? given : null, rootKeys };
}
