/**
 * The SSH server of a local machine: public keys (Ed25519) only, commands and shells only. No forwarding, no agent, no
 * subsystem, so that nothing works here that a hardened server elsewhere would refuse.
 *
 * authorized_keys is read at each login, the host key at the start and at `reload`, as sshd does.
 */
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type PseudoTtyInfo, type Session } from 'ssh2';
import { layout } from '../layout.ts';
import { type AuthorizedKey, parseAuthorizedKeys } from './authorized.ts';
import { IDENT, onEndOfWrite } from './eow.ts';
import type { GroupSpawner } from './groups.ts';
import { type Running, runOnChannel } from './session.ts';

export interface Sshd {
  /** Takes the host key that is in the root now. Connections that are open go on. */
  reload(): void;
  close(): void;
}

export interface SshdOptions {
  readonly address: string;
  readonly port: number;
  readonly root: string;
  readonly env: Readonly<Record<string, string>>;
  readonly spawn: GroupSpawner;
  readonly log: (line: string) => void;
}

const MAX_AUTH_TRIES = 6;
/** A connection that has not logged in by then is cut, in ms (sshd's LoginGraceTime is 2 minutes). */
const LOGIN_GRACE = 30_000;
const KEEPALIVE = { keepaliveInterval: 15_000, keepaliveCountMax: 3 };
/** The fastest first; what OpenSSH since 6.5 and the ssh2 client both have. */
const ALGORITHMS = {
  kex: ['curve25519-sha256', 'curve25519-sha256@libssh.org'],
  serverHostKey: ['ssh-ed25519'],
  cipher: ['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com', 'chacha20-poly1305@openssh.com'],
  hmac: ['hmac-sha2-256-etm@openssh.com', 'hmac-sha2-256'],
  compress: ['none'],
} as const;
const ACCEPTED_ENV = /^(?:LANG|LC_[A-Z_]+)$/;

/** Listens, or rejects with the socket's error (EADDRINUSE, EADDRNOTAVAIL). */
export async function startSshd(options: SshdOptions): Promise<Sshd> {
  const files = layout(options.root);
  const make = () => {
    const config = { ident: IDENT, hostKeys: [readFileSync(files.hostKey)], algorithms: ALGORITHMS, ...KEEPALIVE };
    // ssh2's types want mutable lists.
    const server = new ssh2.Server(config as unknown as ssh2.ServerConfig);
    return server.on('connection', (client) => serve(client, options, files.authorizedKeys));
  };
  let protocol = make();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    protocol.injectSocket(socket);
  });
  await listen(server, options.port, options.address);
  return {
    reload: () => {
      protocol = make();
    },
    close: () => {
      server.close();
      for (const socket of sockets) socket.destroy();
    },
  };
}

export function listen(server: Server, port: number, address: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen({ port, host: address, backlog: 511 }, () => {
      server.off('error', reject);
      resolve();
    });
  });
}

function serve(client: Connection, options: SshdOptions, authorizedKeys: string): void {
  let login: AuthorizedKey | null = null;
  let refused = 0;
  const grace = setTimeout(() => client.end(), LOGIN_GRACE);
  const running = new Map<number, Running>();
  onEndOfWrite(client, (channel) => running.get(channel)?.notRead());
  const refuse = (context: AuthContext) => {
    // `none` is how a client asks what there is, and costs no try.
    if (context.method !== 'none') refused++;
    if (refused >= MAX_AUTH_TRIES) client.end();
    else context.reject(['publickey']);
  };
  client.on('error', (error) => options.log(`ssh: ${error.message}`));
  client.on('authentication', (context) => {
    if (context.username !== 'root' || context.method !== 'publickey') return refuse(context);
    const key = readKeys(authorizedKeys).find((known) => known.blob.equals(context.key.data));
    if (key === undefined || context.key.algo !== key.type) return refuse(context);
    // Without a signature the client asks whether this key would do.
    if (context.signature !== undefined && context.blob !== undefined) {
      if (!verifies(key, context.blob, context.signature)) return refuse(context);
      login = key;
    }
    context.accept();
  });
  client.on('ready', () => clearTimeout(grace));
  client.on('session', (accept) => {
    if (login !== null) serveSession(accept(), login, options, running);
  });
  client.on('close', () => {
    clearTimeout(grace);
    for (const command of running.values()) command.hangUp();
  });
}

function readKeys(file: string): AuthorizedKey[] {
  try {
    return parseAuthorizedKeys(readFileSync(file, 'utf8'));
  } catch {
    return [];
  }
}

function verifies(key: AuthorizedKey, data: Buffer, signature: Buffer): boolean {
  const parsed = ssh2.utils.parseKey(`${key.type} ${key.blob.toString('base64')}`);
  return !(parsed instanceof Error) && parsed.verify(data, signature) === true;
}

function serveSession(
  session: Session,
  login: AuthorizedKey,
  options: SshdOptions,
  running: Map<number, Running>,
): void {
  const extra: Record<string, string> = {};
  let pty: PseudoTtyInfo | null = null;
  let command: Running | null = null;
  session.on('env', (accept, reject, info) => {
    if (!ACCEPTED_ENV.test(info.key)) return reject?.();
    extra[info.key] = info.val;
    accept?.();
  });
  session.on('pty', (accept, reject, info) => {
    if (!login.pty) return reject?.();
    pty = info;
    accept?.();
  });
  const start = (channel: ssh2.ServerChannel, asked: string | null) => {
    const env = { ...options.env, ...extra };
    if (login.command !== null && asked !== null) env.SSH_ORIGINAL_COMMAND = asked;
    const cwd = options.env.HOME ?? options.root;
    const started = runOnChannel(channel, { command: login.command ?? asked, env, cwd, pty }, options.spawn);
    command = started;
    const { id } = (channel as ssh2.ServerChannel & { readonly incoming: { readonly id: number } }).incoming;
    running.set(id, started);
    channel.on('error', () => {});
    channel.on('close', () => {
      // Its number may be another's by now.
      if (running.get(id) === started) running.delete(id);
      started.hangUp();
    });
  };
  session.on('exec', (accept, _reject, info) => start(accept(), info.command));
  session.on('shell', (accept) => start(accept(), null));
  session.on('signal', (accept, _reject, info) => {
    command?.signal(`SIG${info.name}` as NodeJS.Signals);
    accept?.();
  });
}
