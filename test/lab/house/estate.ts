/**
 * An organism for what a cell makes of a machine: a service with a secret and a package, one that spies, one that is a
 * container, each at a name of its own.
 */
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type Here, lineageOf, openHome } from '../../../src/here.ts';
import { sshArguments } from '../../../src/memory/sync.ts';
import type { Cell } from '../../../src/model.ts';
import { packageRoot } from '../../../src/programs.ts';
import { type Ran, run } from '../../courses/organism.ts';
import { settleDown } from '../ground.ts';

const ORGANISM = 'house';
/** What nobody may find on a machine but root and the one function. */
export const SECRET = 'a-secret-that-only-web-knows';
/** A Debian package that no image has. */
export const PACKAGE = 'cell-lab-thing';
export const WEB_PORT = 7105;
const SPIES = ['one', 'two'] as const;

export interface Estate {
  readonly home: string;
  readonly rootOf: (cell: Cell) => string;
  cell(...args: readonly string[]): Promise<Ran>;
  here(): Promise<Here>;
  cells(): Promise<readonly Cell[]>;
  /** A command as root on a machine. */
  on(cell: Cell, command: string): Promise<Ran>;
  /** Its output. Throws for another exit code than 0. */
  must(cell: Cell, command: string): Promise<string>;
  /** What a function answers by its name through a cell's ingress. */
  ask(cell: Cell, name: string, path: string): Promise<string>;
  outage(cell: Cell): Promise<void>;
  stop(): Promise<void>;
}

export async function openEstate(octet: number): Promise<Estate> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-lab-house-'));
  const { box, knot, places } = await settleDown(octet, ORGANISM, 3, folder);
  const home = join(folder, '.cell');
  mkdirSync(join(folder, 'source'));
  for (const name of ['web.js', 'spy.js']) cpSync(join(import.meta.dirname, name), join(folder, 'source', name));
  writeFileSync(join(folder, 'token'), SECRET, { mode: 0o600 });
  mkdirSync(join(folder, 'debs'));
  makePackage(join(folder, 'debs'));
  mkdirSync(join(folder, 'image'));
  makeImage(join(folder, 'image', 'tiny.tar'));
  const genome = join(folder, 'genome.yaml');
  // The cloud is one line that ends in a brace: what this organism carries goes into it.
  writeFileSync(genome, genomeText(join(folder, 'token'), places(1_000).replace(/ } }\n/, ', packages: ./debs } }\n')));
  const env = { ...process.env, NO_COLOR: '1', CELL_HOME: home };
  const here = () => openHome(home, () => {});
  const on = (cell: Cell, command: string) => run('ssh', ['-T', ...sshArguments(cell, home), command], env);
  const id = (cell: Cell) => box.machines().find((machine) => machine.birth === cell.birth)?.id ?? '';
  return {
    ...{ home, here, on },
    rootOf: (cell) => box.rootOf(id(cell)),
    cell: (...args) => run(process.execPath, [join(packageRoot(), 'bin/cell.js'), ...args, '-g', genome], env, 240_000),
    async cells() {
      const found = Object.values((await lineageOf(await here())).cells).filter((cell) => cell.state !== 'gone');
      return found.sort((a, b) => a.bornAt - b.bornAt);
    },
    async must(cell, command) {
      const ran = await on(cell, command);
      if (ran.code !== 0) throw new Error(`${command}: ${ran.code} ${ran.stderr}`);
      return ran.stdout.trim();
    },
    ask: (cell, name, path) => get(cell.reach.address, `${name}.${ORGANISM}.test`, path),
    async outage(cell) {
      await box.powerOff(id(cell));
      await box.boot(id(cell));
    },
    async stop() {
      await Promise.all([box.stop(), knot.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function genomeText(token: string, places: string): string {
  const spies = SPIES.map(
    (name) => `  spy-${name}:
    run: node spy.js
    source: ./source
    domain: ${name}.${ORGANISM}.test
    health: { http: /health, every: 1s, within: 30s }
`,
  ).join('');
  return `organism: ${ORGANISM}
zone: ${ORGANISM}.test
body: { maxCells: 3, heartbeat: 60s, schedule: timer }
rhythm: { refractory: 0s }
${places}
functions:
  web:
    run: node web.js
    source: ./source
    domain: web.${ORGANISM}.test
    port: ${WEB_PORT}
    packages: [${PACKAGE}]
    secrets: { TOKEN: "file:${token}" }
    limits: { cpu: 50%, memory: 256MiB, tasks: 64 }
    health: { http: /, every: 1s, within: 30s }
    pressure: { cpu: { bounds: [1%, 90%] } }
    divide: replicate
${spies}  tiny:
    image: docker-archive:tiny.tar
    source: ./image
    domain: tiny.${ORGANISM}.test
    health: { http: /, every: 1s, within: 60s }
`;
}

/** A package with a service that wants to run as soon as it is installed. */
function makePackage(into: string): void {
  const root = mkdtempSync(join(tmpdir(), 'cell-lab-deb-'));
  const file = (path: string, text: string, mode = 0o644) => {
    mkdirSync(join(root, path, '..'), { recursive: true });
    writeFileSync(join(root, path), text);
    chmodSync(join(root, path), mode);
  };
  file(
    'DEBIAN/control',
    `Package: ${PACKAGE}\nVersion: 1\nArchitecture: all\nMaintainer: lab <lab@house.test>\nDescription: a thing\n`,
  );
  file(
    'DEBIAN/postinst',
    `#!/bin/sh\nsystemctl enable ${PACKAGE}.service\ninvoke-rc.d ${PACKAGE} start || deb-systemd-invoke start ${PACKAGE}.service || true\n`,
    0o755,
  );
  file(
    `usr/lib/systemd/system/${PACKAGE}.service`,
    '[Service]\nExecStart=/usr/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n',
  );
  file(`usr/bin/${PACKAGE}`, '#!/bin/sh\necho here\n', 0o755);
  execFileSync('dpkg-deb', ['--root-owner-group', '--build', root, join(into, `${PACKAGE}_1_all.deb`)]);
  rmSync(root, { recursive: true });
}

/** A container image with nothing but busybox, which serves one page; as `docker save` would write it. */
function makeImage(to: string): void {
  const work = mkdtempSync(join(tmpdir(), 'cell-lab-image-'));
  const layer = join(work, 'layer');
  mkdirSync(join(layer, 'bin'), { recursive: true });
  mkdirSync(join(layer, 'www'));
  cpSync(execFileSync('sh', ['-c', 'command -v busybox'], { encoding: 'utf8' }).trim(), join(layer, 'bin/busybox'), {
    dereference: true,
  });
  for (const name of ['sh', 'httpd', 'id']) symlinkSync('busybox', join(layer, 'bin', name));
  writeFileSync(join(layer, 'www/index.html'), 'from a container\n');
  execFileSync('tar', ['-C', layer, '-cf', join(work, 'layer.tar'), '.']);
  const diff = createHash('sha256')
    .update(readFileSync(join(work, 'layer.tar')))
    .digest('hex');
  const config = {
    ...{ architecture: process.arch === 'arm64' ? 'arm64' : 'amd64', os: 'linux' },
    config: { Cmd: ['/bin/httpd', '-f', '-p', '8080', '-h', '/www'], ExposedPorts: { '8080/tcp': {} } },
    rootfs: { type: 'layers', diff_ids: [`sha256:${diff}`] },
  };
  writeFileSync(join(work, 'config.json'), JSON.stringify(config));
  const manifest = [{ Config: 'config.json', RepoTags: ['localhost/tiny:1'], Layers: ['layer.tar'] }];
  writeFileSync(join(work, 'manifest.json'), JSON.stringify(manifest));
  execFileSync('tar', ['-C', work, '-cf', to, 'manifest.json', 'config.json', 'layer.tar']);
  rmSync(work, { recursive: true });
}

function get(address: string, host: string, path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const asked = request({ host: address, port: 80, path, headers: { host }, timeout: 20_000 }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('end', () => resolve(text));
    });
    asked.once('timeout', () => asked.destroy(new Error('no answer')));
    asked.once('error', reject);
    asked.end();
  });
}
