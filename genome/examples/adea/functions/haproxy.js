/**
 * HAProxy: its configuration out of where.json, the server as a child that takes a new one without dropping a connection,
 * and what it says about each request.
 */
import { renameSync, rmSync, writeFileSync } from 'node:fs';
import { createConnection } from 'node:net';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { awaitLeftover, runFolder, runTool, startServer, worksIn } from './lib/children.js';

/** Where Debian has it, which is not on everybody's PATH. */
const HAPROXY = '/usr/sbin/haproxy';
/** The share of requests that a UI gets by its cell's pressure: one that has too much to do is spared. */
const WEIGHTS = { none: 100, one: 100, two: 50, many: 25 };
/** Of a server that is asked only when no other is up. */
const SPARE = 'spare:';

/** A line about a request, as JSON; HAProxy escapes the path, and the rest has nothing to escape. */
const LINE = '{"at":%Ts%ms,"method":"%HM","path":"%[var(txn.path),json(utf8s)]","status":%ST,"ms":%Ta,"server":"%s"}';

/**
 * The configuration; pure. Healthy UIs share the work, to the one with the fewest requests first; all of them stand by
 * again without checks, so that a request waits at a UI that is moving rather than be refused.
 */
export function configuration({ host, port, sockets, uis }) {
  const server = ({ name, host: address, port: at, options }) => `  server ${name} ${address}:${at} ${options}`;
  const known = uis.map(({ cell, url, healthy, level }) => {
    const { hostname, port: at } = new URL(url);
    return { cell, host: hostname, port: at || '80', healthy, weight: WEIGHTS[level] ?? WEIGHTS.one };
  });
  const working = known
    .filter(({ healthy }) => healthy)
    .map((ui) => server({ ...ui, name: ui.cell, options: `check weight ${ui.weight}` }));
  const spare = known.map((ui) => server({ ...ui, name: `${SPARE}${ui.cell}`, options: 'backup' }));
  return `global
  log stdout len 4096 format raw local0
  maxconn 2000
  stats socket ${sockets}/haproxy.sock mode 600 level user expose-fd listeners
  # After a reload, how long the old process may still have somebody to answer.
  hard-stop-after 60s

defaults
  mode http
  log global
  timeout connect 2s
  timeout client 60s
  timeout http-request 15s
  # The ingress holds a request to a UI that is moving.
  timeout server 20s
  timeout check 2s
  # A client may just be sending on a kept connection: it is told with the next answer.
  option idle-close-on-response
  http-error status 503 content-type application/json string '{"error":"no UI answers at the moment"}'

frontend www
  bind ${host}:${port}
  http-request set-var(txn.path) path
  http-request set-log-level silent if { path /health /metrics }
  http-request return status 200 content-type application/json string '{"ok":true}' if { path /health }
  http-request set-header x-forwarded-host %[req.hdr(host)]
  log-format '${LINE}'
  use_backend own if { path /metrics }
  default_backend uis

backend own
  server own unix@${sockets}/own.sock

backend uis
  balance leastconn
  option httpchk
  http-check send meth GET uri /health
  default-server inter 2s fastinter 500ms downinter 500ms fall 2 rise 1
  retries 3
  option redispatch 1
  # What was sent to a UI that then went away may have been done: only what changes nothing is asked again.
  retry-on conn-failure empty-response 502 503
  http-request disable-l7-retry unless METH_GET
  http-response set-header x-ui-cell %[srv_name,field(-1,:)]
${[...working, ...spare].join('\n')}
`;
}

/** A line of the log out of HAProxy's, or null for what is none. */
export function lineOf(text) {
  try {
    const { server, ...line } = JSON.parse(text);
    const cell = server.startsWith('<') ? null : server.slice(server.startsWith(SPARE) ? SPARE.length : 0);
    return { level: line.status > 0 && line.status < 500 ? 'info' : 'error', ...line, cell };
  } catch {
    return null;
  }
}

/**
 * Starts HAProxy. `uis()` gives the UIs as where.json has them, `line(line)` gets what is said about each request. Gives
 * { follow(), figures(), close() }: `follow` takes what changed in where.json, `figures` are { inFlight, uis }.
 */
export async function openHaproxy({ uis, line }) {
  const sockets = resolve(await runFolder());
  const [file, pidFile] = [join(sockets, 'haproxy.cfg'), join(sockets, 'haproxy.pid')];
  const { HOST: host = '127.0.0.1', PORT: port } = process.env;
  const wanted = () => configuration({ host, port, sockets, uis: uis() });
  await awaitLeftover(pidFile, (pid) => worksIn(pid, sockets));
  rmSync(join(sockets, 'own.sock'), { force: true });
  let current = wanted();
  writeFileSync(file, current);
  const server = startServer(HAPROXY, ['-W', '-f', file, '-p', pidFile], {
    cwd: sockets,
    stdout: 'pipe',
    // The soft stop answers what is under way, and waits for connections that are kept alive.
    endings: [
      ['SIGUSR1', 2_500],
      ['SIGTERM', 2_000],
    ],
    orphaned: 'SIGTERM',
  });
  createInterface({ input: server.child.stdout }).on('line', (text) => {
    const read = lineOf(text);
    if (read !== null) line(read);
  });
  return {
    async follow() {
      const next = wanted();
      if (next === current) return;
      writeFileSync(`${file}.new`, next);
      await runTool(HAPROXY, ['-c', '-q', '-f', `${file}.new`]);
      renameSync(`${file}.new`, file);
      current = next;
      // The new process takes the listening socket over, the old one ends with its last connection.
      server.child.kill('SIGUSR2');
    },
    figures: async () => figures(await tell(join(sockets, 'haproxy.sock'), 'show stat')),
    close: () => server.stop(),
  };
}

/** Asks HAProxy's runtime API, which answers one command a connection. */
function tell(path, command) {
  return new Promise((done, failed) => {
    let text = '';
    const socket = createConnection({ path });
    socket.setEncoding('utf8');
    socket.on('data', (chunk) => (text += chunk));
    socket.once('error', failed);
    socket.once('end', () => done(text));
    socket.write(`${command}\n`);
  });
}

/** How many requests the UIs work at, and how many UIs are up, out of the table of `show stat`. */
export function figures(table) {
  const [head, ...lines] = table.replace(/^# /, '').trim().split('\n');
  const names = head.split(',');
  const rows = lines.map((text) => Object.fromEntries(text.split(',').map((value, i) => [names[i], value])));
  const ours = rows.filter((row) => row.pxname === 'uis');
  const up = ours.filter(
    ({ svname, status }) => svname !== 'BACKEND' && !svname.startsWith(SPARE) && /^UP/.test(status),
  );
  return { inFlight: Number(ours.find(({ svname }) => svname === 'BACKEND')?.scur ?? 0), uis: up.length };
}
