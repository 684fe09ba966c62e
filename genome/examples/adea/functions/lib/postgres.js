/**
 * PostgreSQL as the child of a program: a cluster of its own among the function's data, reached by a socket file in a
 * folder that only the function's user may enter (which is what `trust` below trusts), and by no port.
 *
 * Its files are not copied while it runs, and not from one version of PostgreSQL to another: what moves is a dump.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { awaitLeftover, refuseRoot, runFolder, runTool, startServer, until, worksIn } from './children.js';
import { connect } from './pgwire.js';

const USER = 'cell';
const DATABASE = 'cell';
const FOLDER = resolve(process.env.CELL_DATA ?? '.', 'postgres');
/** Where Debian has the programs of each version. */
const VERSIONS = '/usr/lib/postgresql';
/** PostgreSQL's own name for it: the port, although there is none. */
const SOCKET = '.s.PGSQL.5432';
/** Small: it shares a machine with the rest of its cell. */
const SETTINGS = {
  listen_addresses: '',
  max_connections: 20,
  shared_buffers: '32MB',
  max_wal_size: '128MB',
  dynamic_shared_memory_type: 'mmap',
  jit: 'off',
  log_checkpoints: 'off',
  log_min_error_statement: 'panic',
};
/** Smart would wait for clients, fast ends them; immediate leaves the rest to the next start's recovery. */
const ENDINGS = [
  ['SIGINT', 6_000],
  ['SIGQUIT', 1_500],
];

/** The programs of the version that made a cluster; for a new one, of the newest here. */
function programs(cluster = FOLDER) {
  const made = join(cluster, 'PG_VERSION');
  const found = existsSync(VERSIONS) ? readdirSync(VERSIONS).filter((name) => /^\d+$/.test(name)) : [];
  const version = existsSync(made) ? readFileSync(made, 'utf8').trim() : found.sort((a, b) => b - a)[0];
  const folder = join(VERSIONS, version ?? '', 'bin');
  if (version === undefined || !existsSync(join(folder, 'postgres'))) {
    throw new Error(`PostgreSQL ${version ?? ''} is not on this machine (${VERSIONS})`);
  }
  return (name) => join(folder, name);
}

async function makeCluster(folder) {
  await rm(folder, { recursive: true, force: true });
  const how = ['--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8', '--wal-segsize=4'];
  await runTool(programs(folder)('initdb'), [`--pgdata=${folder}`, `--username=${USER}`, ...how]);
}

/** Starts the server, on a new cluster when there is none, and waits until it takes connections. */
async function start(folder = FOLDER) {
  refuseRoot();
  const sockets = resolve(await runFolder());
  for (const cluster of new Set([FOLDER, folder])) {
    const pidFile = join(cluster, 'postmaster.pid');
    await awaitLeftover(pidFile, (pid) => worksIn(pid, cluster));
    // Its process is gone. PostgreSQL looks for one of that number, and after a power cut may find somebody else.
    await rm(pidFile, { force: true });
  }
  for (const name of [SOCKET, `${SOCKET}.lock`]) await rm(join(sockets, name), { force: true });
  if (!existsSync(join(folder, 'PG_VERSION'))) {
    await makeCluster(`${folder}.new`);
    await rename(`${folder}.new`, folder);
  }
  const settings = { ...SETTINGS, unix_socket_directories: sockets };
  const options = Object.entries(settings).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const server = startServer(programs(folder)('postgres'), ['-D', folder, ...options], { endings: ENDINGS });
  const first = await until('PostgreSQL takes connections', () => to('postgres').catch(() => null), 60_000);
  if ((await first.query('select 1 from pg_database where datname = $1', [DATABASE])).length === 0) {
    await first.query(`create database ${DATABASE}`);
  }
  await first.end();
  return server;
}

/** A connection to the server that runs here. */
async function to(database) {
  return connect(join(await runFolder(), SOCKET), { user: USER, database });
}

/**
 * Starts the server and connects to it. Gives { query(text, values), write(text, values), close() }: reading on several
 * connections, writing on one, so that what is asked for first is committed first.
 */
export async function openPostgres(schema) {
  const server = await start();
  const connections = await Promise.all(Array.from({ length: 4 }, () => to(DATABASE)));
  const [writer, ...readers] = connections;
  let closing = false;
  for (const { closed } of connections) {
    void closed.then(() => {
      if (closing) return;
      console.error('PostgreSQL closed a connection');
      process.exit(1);
    });
  }
  for (const statement of schema) await writer.query(statement);
  return {
    query: (text, values) => readers.reduce((a, b) => (b.waiting() < a.waiting() ? b : a)).query(text, values),
    write: (text, values) => writer.query(text, values),
    async close() {
      closing = true;
      await Promise.all(connections.map((connection) => connection.end()));
      await server.stop();
    },
  };
}

const DUMP = 'database.dump';
const where = async () => [`--host=${await runFolder()}`, `--username=${USER}`];

/** Writes what the server that runs here holds into a folder. */
export async function dump(folder) {
  const file = join(folder, DUMP);
  await runTool(programs()('pg_dump'), [
    ...(await where()),
    '--format=custom',
    '--compress=1',
    `--file=${file}`,
    DATABASE,
  ]);
}

/** Makes the cluster anew from a dump; the server does not run. What was here is replaced, in one step at the end. */
export async function restore(folder) {
  const fresh = `${FOLDER}.restored`;
  await rm(fresh, { recursive: true, force: true });
  const server = await start(fresh);
  try {
    await load(folder, DATABASE, fresh);
  } finally {
    await server.stop();
  }
  await rm(FOLDER, { recursive: true, force: true });
  await rename(fresh, FOLDER);
}

async function load(folder, database, cluster = FOLDER) {
  const how = [...(await where()), '--no-owner', '--exit-on-error', `--dbname=${database}`];
  await runTool(programs(cluster)('pg_restore'), [...how, join(folder, DUMP)]);
}

/**
 * Reads a dump by way of a database of its own beside ours: `use(query)` gets what asks there. The server is started for
 * that while none runs here.
 */
export async function readDump(folder, use) {
  if (!existsSync(join(folder, DUMP))) throw new Error(`there is no dump in ${folder}`);
  const running = await to('postgres').catch(() => null);
  const server = running === null ? await start() : null;
  const admin = running ?? (await to('postgres'));
  try {
    await admin.query('drop database if exists incoming with (force)');
    await admin.query('create database incoming');
    await load(folder, 'incoming');
    const incoming = await to('incoming');
    await use((text, values) => incoming.query(text, values));
    await incoming.end();
    await admin.query('drop database incoming with (force)');
  } finally {
    await admin.end();
    await server?.stop();
  }
}
