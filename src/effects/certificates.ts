/**
 * Certificates as Caddy keeps them: certificates/AUTHORITY/DOMAIN/DOMAIN.{crt,key,json}, readable by Caddy and root alone.
 *
 * They go with a function, over the SSH session that hands it over, so that its new home answers HTTPS before any record
 * names it. They are in no feed, no log and no checkpoint.
 */
import { chown, mkdir, readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { CellError } from '../errors.ts';
import type { CaddyPlaces } from '../layout.ts';
import { codeOf, readIfThere, writeAtomic } from './files.ts';

/** Text by path below the storage. */
export type Certificates = Readonly<Record<string, string>>;

type Places = Pick<CaddyPlaces, 'storage'>;
const KINDS = ['crt', 'key', 'json'] as const;
const FOLDER = 'certificates';
const PATH = /^certificates\/[A-Za-z0-9_.:-]+\/([a-z0-9_.-]+)\/([a-z0-9_.-]+)\.(?:crt|key|json)$/;

async function authorities({ storage }: Places): Promise<readonly string[]> {
  try {
    return await readdir(join(storage, FOLDER));
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return [];
    throw thrown;
  }
}

/** The certificates there are for these domains, whole ones only. */
export async function certificatesOf(places: Places, domains: readonly string[]): Promise<Certificates> {
  const found: Record<string, string> = {};
  for (const authority of await authorities(places)) {
    for (const domain of domains) {
      const paths = KINDS.map((kind) => `${FOLDER}/${authority}/${domain}/${domain}.${kind}`);
      const texts = await Promise.all(paths.map((path) => readIfThere(join(places.storage, path))));
      if (texts.some((text) => text === null)) continue;
      for (const [index, path] of paths.entries()) found[path] = texts[index] ?? '';
    }
  }
  return found;
}

/** Which of these domains have one. */
export async function certified(places: Places, domains: readonly string[]): Promise<readonly string[]> {
  const found = Object.keys(await certificatesOf(places, domains));
  return domains.filter((domain) => found.some((path) => path.endsWith(`/${domain}.key`)));
}

/** Puts certificates where Caddy looks for them, as its own. Throws NOT_ALLOWED for a path that is none of one. */
export async function keepCertificates(places: Places, certificates: Certificates): Promise<void> {
  const entries = Object.entries(certificates);
  for (const [path] of entries) {
    const [, folder, name] = PATH.exec(path) ?? [];
    if (folder === undefined || folder !== name || path.includes('/../') || path.includes('/./')) {
      throw new CellError('NOT_ALLOWED', `${path} is no place for a certificate`);
    }
  }
  if (entries.length === 0) return;
  const { uid, gid } = await stat(places.storage);
  for (const [path, text] of entries) {
    const file = join(places.storage, path);
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    await writeAtomic(file, text, 0o600);
    for (let at = file; at !== places.storage; at = dirname(at)) await chown(at, uid, gid);
  }
}
