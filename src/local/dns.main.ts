/**
 * The process of the embedded DNS: `node dns.main.ts DIR PORT`. Its token is in DIR, never among its arguments. It says
 * where its API listens in DIR/server.json once it answers, and runs until it is told to stop.
 */
import { existsSync } from 'node:fs';
import { readFile, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { writeAtomic } from '../effects/files.ts';
import { messageOf } from '../errors.ts';
import { type DnsServer, serveDns } from './dns.ts';
import { type DnsApi, serveApi } from './dns-api.ts';
import { openStore } from './dns-store.ts';

const HOST = '127.0.0.1';
const FOLDER_CHECK_MS = 5_000;

async function main(dir: string, port: number): Promise<void> {
  const token = (await readFile(join(dir, 'token'), 'utf8')).trim();
  const store = await openStore(dir);
  // Taking the port is what makes this the only one: two that start at once cannot both have it.
  const dns: DnsServer = await serveDns({ host: HOST, port, zones: store.zones });
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    await store.settled();
    await rm(join(dir, 'server.json'), { force: true });
    await Promise.all([dns.close(), api.close()]);
    process.exit(0);
  };
  const api: DnsApi = await serveApi({ dir, token, dnsPort: dns.port, store, onStop: () => void end() });
  await writeAtomic(join(dir, 'server.json'), JSON.stringify({ v: 1, pid: process.pid, api: api.port }), 0o600);
  process.on('SIGTERM', () => void end());
  process.on('SIGINT', () => void end());
  // The terminal that it was started from may close.
  process.on('SIGHUP', () => {});
  // Who removes the folder by hand has forgotten it, too.
  setInterval(() => {
    if (!existsSync(dir)) void end();
  }, FOLDER_CHECK_MS).unref();
  console.error(`${new Date().toISOString()} serving ${HOST}:${dns.port}`);
}

const [, , dir, port] = process.argv;
main(dir ?? '', Number(port)).catch((thrown: unknown) => {
  console.error(`${new Date().toISOString()} ${messageOf(thrown)}`);
  process.exit(1);
});
