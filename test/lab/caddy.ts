/**
 * Real Caddys for the lab: each in a folder of its own and on a loopback address of its own, with gates turned by the
 * same code as on a machine. CADDY names another binary than the one on PATH.
 */
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type CaddySettings, caddyConfig } from '../../src/decide/caddy.ts';
import type { Gate } from '../../src/decide/gates.ts';
import { stand } from '../../src/effects/caddy.ts';
import { until } from '../local/machine.support.ts';

const run = promisify(execFile);
const CADDY = process.env.CADDY ?? 'caddy';

export interface LabCaddy {
  readonly dir: string;
  readonly settings: CaddySettings;
  readonly log: () => string;
  /** Loads another configuration when it differs, turns the gates, and waits as an ingress does. */
  apply(gates: readonly Gate[], more?: Partial<CaddySettings>): Promise<void>;
  reload(): Promise<void>;
  stop(): Promise<void>;
}

export async function startCaddy(self: string, more: Partial<CaddySettings> = {}): Promise<LabCaddy> {
  const dir = mkdtempSync(join(tmpdir(), 'cell-caddy-'));
  for (const folder of ['run', 'gates/gate', 'gates/open', 'storage', 'public'])
    mkdirSync(join(dir, folder), { recursive: true });
  let settings: CaddySettings = {
    self,
    httpPort: 8480,
    httpsPort: 8443,
    address: '127.0.0.1',
    sockets: join(dir, 'run'),
    gates: join(dir, 'gates'),
    storage: join(dir, 'storage'),
    whereFile: join(dir, 'public/where.json'),
    metricsFile: null,
    acme: null,
    cells: [],
    ...more,
  };
  const file = join(dir, 'caddy.json');
  writeFileSync(file, JSON.stringify(caddyConfig([], settings), null, 1));
  let output = '';
  const child: ChildProcess = spawn(CADDY, ['run', '--config', file], {
    env: { ...process.env, HOME: dir, XDG_DATA_HOME: dir, XDG_CONFIG_HOME: dir },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream?.on('data', (data) => {
      output += data;
    });
  }
  const admin = join(settings.sockets, 'admin');
  const load = () => run(CADDY, ['reload', '--force', '--address', `unix/${admin}`, '--config', file]).then(() => {});
  await until('Caddy answers', async () =>
    load().then(
      () => true,
      () => false,
    ),
  );
  return {
    dir,
    get settings() {
      return settings;
    },
    log: () => output,
    async apply(gates, changed = {}) {
      settings = { ...settings, ...changed };
      const places = { ...settings, config: file, roots: join(dir, 'roots.pem') };
      await stand(places, { front: settings, gates, roots: null, unread: join(dir, 'unread') }, load);
    },
    reload: load,
    async stop() {
      const ended = new Promise((resolve) => child.once('exit', resolve));
      child.kill('SIGKILL');
      await ended;
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
