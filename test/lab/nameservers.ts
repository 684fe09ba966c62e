/**
 * Real DNS servers for the lab, each in a temporary folder under the current user: Knot (`knotd`) and BIND (`named`) as
 * Debian packages them. A port under 1024 needs root, others nobody.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

export interface ServerKey {
  readonly name: string;
  readonly algorithm: 'hmac-sha256' | 'hmac-sha384' | 'hmac-sha512';
  readonly secret: string;
  /**
   * What it may change: domains of the organism, each with its claims, and the index of `zone`. Without it, everything in
   * the zone.
   */
  readonly only?: { readonly zone: string; readonly domains: readonly string[] };
}

export interface ServerOptions {
  readonly zone: string;
  readonly address: string;
  readonly port: number;
  readonly keys: readonly ServerKey[];
  /** Lines of the zone file besides SOA and NS. */
  readonly records?: readonly string[];
  /** Names in the NS records; `ns` of the zone, with the server's own address, when there are none. */
  readonly nameservers?: readonly string[];
  /** Addresses (at port 53) of servers that are notified and may transfer the zone. */
  readonly secondaries?: readonly string[];
  /** The most records that a set may have (BIND). */
  readonly largestSet?: number;
  /** A copy of a zone whose primary is there; `records` and `keys` say nothing then. */
  readonly primary?: { readonly address: string; readonly port: number };
}

export interface NameServer {
  readonly kind: 'knot' | 'bind';
  readonly zone: string;
  readonly address: string;
  readonly port: number;
  readonly pid: number;
  /** What a genome and a credential say of it, with one of its keys. */
  credential(key?: ServerKey): {
    server: string;
    port: number;
    zone: string;
    tsig: { name: string; algorithm: ServerKey['algorithm']; secret: string };
  };
  /** The whole zone by transfer, one record a line, sorted; without the SOA, whose serial moves. */
  dump(): Promise<readonly string[]>;
  log(): string;
  /** SIGSTOP and SIGCONT: it is there and answers nothing. Comes back when all of it stands still. */
  pause(): Promise<void>;
  goOn(): void;
  /** From here on nobody may change anything; or those may again who might before. */
  refuse(refusing: boolean): Promise<void>;
  /** Ends it and starts it again over the same data. */
  restart(): Promise<void>;
  /** Ends it, whatever state it is in, and keeps its data. */
  kill(): Promise<void>;
  /** Ends it and removes its folder. Twice is fine. */
  stop(): Promise<void>;
}

/** BIND listens only at addresses that an interface has; Knot at any of loopback, too. */
const READY_MS = 20_000;
/** Reads and transfers only; nothing that is tested uses it. */
const DUMP_KEY: ServerKey = {
  name: 'dump',
  algorithm: 'hmac-sha256',
  secret: 'ZHVtcC1vbmx5LW5vdC1hLXNlY3JldC1hdC1hbGwhIQ==',
};

export function newKey(
  name: string,
  algorithm: ServerKey['algorithm'] = 'hmac-sha256',
  only?: ServerKey['only'],
): ServerKey {
  const key = { name, algorithm, secret: randomBytes(32).toString('base64') };
  return only === undefined ? key : { ...key, only };
}

/** Where a program is, also where PATH leaves out the folders of root. */
function programAt(name: string): string | null {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin'];
  return folders.map((folder) => join(folder, name)).find((path) => existsSync(path)) ?? null;
}

/** The names that a key of an organism has to change, with the types: what docs/providers.md tells people to allow. */
function policyOf({ zone, domains }: NonNullable<ServerKey['only']>): readonly { name: string; types: string }[] {
  return [
    ...domains.map((name) => ({ name, types: 'A AAAA' })),
    ...[...new Set([...domains, zone])].map((name) => ({ name: `_cell.${name}`, types: 'TXT' })),
  ];
}

function zoneFile({ zone, address, records = [], nameservers }: ServerOptions): string {
  const own = nameservers === undefined ? [`ns ${address.includes(':') ? 'AAAA' : 'A'} ${address}`] : [];
  const names = nameservers ?? [`ns.${zone}.`];
  return [
    `$ORIGIN ${zone}.`,
    '$TTL 300',
    `@ SOA ${names[0]} hostmaster.${zone}. 1 3600 600 86400 5`,
    ...names.map((name) => `@ NS ${name}`),
    ...own,
    ...records,
    '',
  ].join('\n');
}

function knotConf(dir: string, options: ServerOptions, refusing: boolean): string {
  const { zone, address, port, keys, secondaries = [], primary } = options;
  const acls = keys.flatMap(({ name, only }) => {
    const rule = (id: string, more: readonly string[]) => [
      `  - id: ${id}`,
      `    key: ${name}`,
      '    action: update',
      ...more,
    ];
    if (only === undefined) return rule(`all-${name}`, []);
    // An update has to match one rule as a whole, so that rule has all types and all names.
    return rule(`organism-${name}`, [
      '    update-type: [A, AAAA, TXT]',
      '    update-owner: name',
      '    update-owner-match: equal',
      `    update-owner-name: [${policyOf(only)
        .map((line) => `${line.name}.`)
        .join(', ')}]`,
    ]);
  });
  const updaters = keys.map(({ name, only }) => (only === undefined ? `all-${name}` : `organism-${name}`));
  return `server:
    rundir: ${dir}
    listen: ${address}@${port}
database:
    storage: ${dir}
log:
  - target: stderr
    any: info
key:
${[...keys, DUMP_KEY].map((key) => `  - id: ${key.name}\n    algorithm: ${key.algorithm}\n    secret: ${key.secret}`).join('\n')}
remote:
${[...secondaries.map((to, index) => `  - id: secondary${index}\n    address: ${to}\n    via: ${address}`), ...(primary === undefined ? [] : [`  - id: primary\n    address: ${primary.address}@${primary.port}\n    via: ${address}`])].join('\n')}
acl:
  - id: dump
    key: dump
    action: transfer
  - id: copies
    address: [${[...secondaries, '192.0.2.255'].join(', ')}]
    action: transfer
  - id: notified
    address: ${primary?.address ?? '192.0.2.255'}
    action: notify
${acls.join('\n')}
zone:
  - domain: ${zone}
    storage: ${dir}
    file: zone
    journal-content: changes
    zonefile-sync: -1
    acl: [${[...(primary === undefined && !refusing ? updaters : []), 'dump', 'copies', 'notified'].join(', ')}]
${secondaries.length > 0 ? `    notify: [${secondaries.map((_, index) => `secondary${index}`).join(', ')}]` : ''}
${primary === undefined ? '' : '    master: primary'}
`;
}

function bindConf(dir: string, options: ServerOptions, refusing: boolean): string {
  const { zone, address, port, keys, secondaries = [], primary, largestSet = 1000 } = options;
  const grants = keys.flatMap(({ name, only }) =>
    only === undefined
      ? [`grant ${name} zonesub ANY;`]
      : policyOf(only).map((line) => `grant ${name} name ${line.name}. ${line.types};`),
  );
  const kind =
    primary === undefined
      ? `type primary; file "zone"; ${refusing ? 'allow-update { none; };' : `update-policy { ${grants.join(' ')} };`}`
      : `type secondary; file "copy"; primaries { ${primary.address} port ${primary.port}; };`;
  const listen = address.includes(':')
    ? `listen-on { none; }; listen-on-v6 port ${port} { ${address}; };`
    : `listen-on port ${port} { ${address}; }; listen-on-v6 { none; };`;
  return `options {
  directory "${dir}"; pid-file none; session-keyfile none; managed-keys-directory "${dir}";
  ${listen} recursion no; dnssec-validation no; notify-delay 0; max-records-per-type ${largestSet};
  allow-transfer { key dump; ${secondaries.map((to) => `${to};`).join(' ')} };
  notify explicit; ${address.includes(':') ? '' : `transfer-source ${address}; notify-source ${address};`} also-notify { ${secondaries.map((to) => `${to};`).join(' ')} };
};
controls { };
${[...keys, DUMP_KEY].map((key) => `key "${key.name}" { algorithm ${key.algorithm}; secret "${key.secret}"; };`).join('\n')}
zone "${zone}" { ${kind} };
`;
}

async function start(kind: NameServer['kind'], options: ServerOptions): Promise<NameServer> {
  const program = kind === 'knot' ? 'knotd' : 'named';
  const path = programAt(program);
  if (path === null)
    throw new Error(`${program} is not installed: apt-get install ${kind === 'knot' ? 'knot' : 'bind9'}`);
  const dir = mkdtempSync(join(tmpdir(), `cell-${kind}-`));
  const { zone, address, port } = options;
  const conf = join(dir, 'server.conf');
  const configure = (refusing: boolean) => {
    const text = kind === 'knot' ? knotConf(dir, options, refusing) : bindConf(dir, options, refusing);
    writeFileSync(conf, text, { mode: 0o600 });
  };
  configure(false);
  if (options.primary === undefined) writeFileSync(join(dir, 'zone'), zoneFile(options));
  const args = kind === 'knot' ? ['-c', conf] : ['-g', '-c', conf];
  let child: ChildProcess;
  let log = '';

  async function run(): Promise<void> {
    child = spawn(path as string, args, { stdio: ['ignore', 'pipe', 'pipe'] });
    const mine = child;
    for (const stream of [mine.stdout, mine.stderr]) stream?.on('data', (chunk: Buffer) => (log += chunk));
    const deadline = Date.now() + READY_MS;
    while (!(await answers(address, port, zone))) {
      if (mine.exitCode !== null || Date.now() > deadline) throw new Error(`${program} did not come up:\n${log}`);
      await sleep(50);
    }
  }
  async function kill(signal: NodeJS.Signals): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise((done) => child.once('exit', done));
    child.kill(signal);
    // One that was paused hears nothing else.
    child.kill('SIGCONT');
    await gone;
  }
  try {
    await run();
  } catch (failed) {
    await kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
    throw failed;
  }
  return {
    kind,
    zone,
    address,
    port,
    get pid() {
      return child.pid as number;
    },
    credential(key = options.keys[0]) {
      if (key === undefined) throw new Error('a server without keys has no credential');
      const { name, algorithm, secret } = key;
      return { server: address, port, zone, tsig: { name, algorithm, secret } };
    },
    async dump() {
      const key = `${DUMP_KEY.algorithm}:${DUMP_KEY.name}:${DUMP_KEY.secret}`;
      const dig = ['-y', key, `@${address}`, '-p', String(port), zone, 'AXFR', '+noall', '+answer', '+onesoa'];
      const { stdout } = await promisify(execFile)('dig', dig, { timeout: 10_000, maxBuffer: 64 << 20 });
      const lines = stdout.split('\n').filter((line) => /\sIN\s/.test(line) && !/\sSOA\s/.test(line));
      if (lines.length === 0) throw new Error(`the zone ${zone} was not transferred: ${stdout}`);
      return lines.map((line) => line.replace(/\s+/g, ' ')).sort();
    },
    log: () => log,
    async pause() {
      child.kill('SIGSTOP');
      while (!standsStill(child.pid as number)) await sleep(5);
    },
    goOn: () => void child.kill('SIGCONT'),
    async refuse(refusing) {
      configure(refusing);
      const from = log.length;
      child.kill('SIGHUP');
      const deadline = Date.now() + READY_MS;
      while (!/reload(ed|ing configuration succeeded)/.test(log.slice(from))) {
        if (Date.now() > deadline) throw new Error(`${program} did not read its configuration:\n${log.slice(from)}`);
        await sleep(50);
      }
    },
    async restart() {
      await kill('SIGTERM');
      await run();
    },
    kill: () => kill('SIGKILL'),
    async stop() {
      await kill('SIGTERM');
      rmSync(dir, { recursive: true, force: true });
    },
  };
}

function standsStill(pid: number): boolean {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.every((id) =>
    readFileSync(`/proc/${pid}/task/${id}/stat`, 'utf8').split(') ').at(-1)?.startsWith('T'),
  );
}

/** Whether the zone is served there. */
async function answers(address: string, port: number, zone: string): Promise<boolean> {
  const dig = [`@${address}`, '-p', String(port), zone, 'SOA', '+short', '+time=1', '+tries=1', '+norecurse'];
  const { stdout } = await promisify(execFile)('dig', dig, { timeout: 5_000 }).catch(() => ({ stdout: '' }));
  return stdout.includes('hostmaster');
}

export const startKnot = (options: ServerOptions): Promise<NameServer> => start('knot', options);
export const startBind = (options: ServerOptions): Promise<NameServer> => start('bind', options);
