/**
 * Blank machines of a box on this computer, and an organism that is seeded on them: what the measurements of the lab
 * stand on. Needs root on Linux and what test/lab/needs.ts names.
 */
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createMachine } from '../../src/box/machines.ts';
import { machineId } from '../../src/box/words.ts';
import { generateHostKey } from '../../src/effects/keys.ts';
import { type LabBox, startBox } from '../../test/lab/box.ts';
import { login } from '../../test/lab/login.ts';
import { type NameServer, newKey, startKnot } from '../../test/lab/nameservers.ts';
import type { Command } from '../measure.ts';

const ROOT = join(import.meta.dirname, '../..');
const OCTET = 160;
/** Ansible's modules are programs for the Python of the machine. Nothing else needs it. */
const PACKAGES = ['python3'];

const ORGANISM = 'bench';
/** Machines of one measurement: cells, and blank ones beside them. */
const QUOTA = 24;

export interface Plot {
  readonly folder: string;
  readonly box: LabBox;
  /** A blank machine that answers SSH; `ssh` are the arguments that open it. */
  blank(): Promise<Blank>;
  /** The CLI as a user runs it, in the folder of the genome. */
  cell(...args: readonly string[]): Command;
  close(): Promise<void>;
}

export interface Blank {
  readonly address: string;
  readonly keyFile: string;
  readonly knownHosts: string;
  readonly ssh: readonly string[];
}

export async function plot(): Promise<Plot> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-bench-lab-'));
  const box = await startBox({ octet: OCTET, packages: PACKAGES, dns: `10.${OCTET}.0.1` });
  const key = newKey(ORGANISM);
  const knot: NameServer = await startKnot({ zone: `${ORGANISM}.test`, address: box.address, port: 53, keys: [key] });
  const { cloud } = await box.allow(ORGANISM, QUOTA);
  const secret = join(folder, 'tsig');
  writeFileSync(secret, key.secret, { mode: 0o600 });
  cpSync(join(ROOT, 'test/courses/functions'), join(folder, 'functions'), { recursive: true });
  writeFileSync(
    join(folder, 'genome.yaml'),
    `organism: ${ORGANISM}
zone: ${ORGANISM}.test
body: { maxCells: 32, heartbeat: 30s }
rhythm: { settle: 1s, hold: 2s, refractory: 1s, calm: 1h, jitter: 100ms }
clouds: { box: ${cloud} }
dns: { provider: rfc2136, server: ${box.address}, key: ${key.name}, credentials: "file:${secret}", ttl: 1s }
functions:
  web:
    run: exec node server.js
    source: ./functions
    domain: web.${ORGANISM}.test
    health: { http: /health, every: 1s, timeout: 1s, within: 10s }
    data: [./data]
    divide: replicate
`,
  );
  let made = 0;
  return {
    folder,
    box,
    async blank() {
      const id = `b${String(++made).padStart(10, '0')}`;
      const [imprint, host] = [generateHostKey(), generateHostKey()];
      const { address } = await createMachine(box.box, ORGANISM, QUOTA, {
        birth: id,
        parent: 'seed',
        cloud: 'box',
        image: 'debian-13',
        imprintKey: imprint.publicKey,
        hostKey: host.privatePem,
      });
      const [keyFile, knownHosts] = [join(folder, id), join(folder, `${machineId(ORGANISM, id)}.hosts`)];
      writeFileSync(keyFile, imprint.privatePem, { mode: 0o600 });
      writeFileSync(knownHosts, `${address} ${host.publicKey}\n`);
      const ssh = ['-T', '-i', keyFile, '-o', `UserKnownHostsFile=${knownHosts}`, '-o', 'IdentitiesOnly=yes'];
      const reach = { address, sshPort: 22, httpPort: 80, user: 'root', root: '' };
      (await login(reach, { privateKey: imprint.privatePem, hostKeys: [host.publicKey] })).close();
      return { address, keyFile, knownHosts, ssh: [...ssh, `root@${address}`] };
    },
    cell: (...args) => ({
      file: process.execPath,
      args: [join(ROOT, 'bin/cell.js'), ...args],
      env: { ...process.env, NO_COLOR: '1' },
      cwd: folder,
    }),
    async close() {
      await Promise.all([box.stop(), knot.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
