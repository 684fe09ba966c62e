/** Which packages a machine needs, and where they come from. That they arrive and install is held by test/lab/house.test.ts. */
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  installPackages,
  installScript,
  linkPackages,
  neededPackages,
  packageFacts,
  packagesArtefact,
  packagesOf,
} from '../../src/effects/packages.ts';
import type { Remote, RunResult } from '../../src/effects/ssh.ts';
import { layout } from '../../src/layout.ts';
import { gardenAfter, gardenGenome } from '../genome/garden.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'cell-packages-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const garden = (changes: Readonly<Record<string, unknown>> = {}) => gardenGenome(gardenAfter(changes));

describe('needed', () => {
  it.each<[string, Readonly<Record<string, unknown>>, readonly string[], readonly string[], readonly string[]]>([
    ['by every cell', {}, [], ['git', 'nftables', 'rsync', 'cron', 'caddy'], ['podman']],
    ['without cron where a timer keeps time', { 'body.schedule': 'timer' }, [], ['git'], ['cron']],
    ['without cron where it cannot', { 'body.heartbeat': '15s' }, [], ['git'], ['cron']],
    ['for functions that come', { 'functions.db.packages': ['redis-server'] }, ['db'], ['redis-server'], []],
    ['not for functions that stay away', { 'functions.db.packages': ['redis-server'] }, ['web'], [], ['redis-server']],
  ])('%s', (_what, changes, functions, some, none) => {
    const names = neededPackages(garden(changes), functions);
    expect(names).toEqual(expect.arrayContaining([...some]));
    expect(names.filter((name) => none.includes(name))).toEqual([]);
    expect(names).toEqual([...new Set(names)].sort());
  });

  it('for containers', () => {
    const { functions, ...rest } = garden();
    const db = { ...functions.db!, run: undefined, image: 'docker.io/library/redis:8' };
    const names = neededPackages({ ...rest, functions: { db } }, ['db']);
    expect(names).toEqual(expect.arrayContaining(['podman', 'netavark']));
  });
});

describe('carried', () => {
  const nspawn = (packages: string) => ({
    ...garden(),
    clouds: { near: { provider: 'nspawn', packages } } as unknown as ReturnType<typeof garden>['clouds'],
  });
  const here = () => ({ home: join(folder, 'home'), layout: layout(join(folder, 'machine')) });

  it('from a folder beside the genome, then out of the own store', async () => {
    mkdirSync(join(folder, 'genome/debs'), { recursive: true });
    writeFileSync(join(folder, 'genome/debs/a_1_all.deb'), 'a');
    writeFileSync(join(folder, 'genome/debs/notes.txt'), 'no package');
    await linkPackages(here().home, join(folder, 'genome/genome.yaml'), nspawn('./debs'));
    const first = await packagesArtefact(here(), 'near');
    expect(first?.files.map(({ path }) => path)).toEqual(['a_1_all.deb']);
    expect(await packagesArtefact(here(), 'far')).toBeNull();

    const { store } = here().layout;
    mkdirSync(join(store, first!.hash), { recursive: true });
    writeFileSync(join(store, first!.hash, 'a_1_all.deb'), 'a');
    mkdirSync(join(store, '../packages'));
    symlinkSync(`../store/${first!.hash}`, join(store, '../packages/near'));
    rmSync(packagesOf(here().home, 'near'));
    expect((await packagesArtefact(here(), 'near'))?.hash).toBe(first?.hash);
    writeFileSync(join(store, first!.hash, 'a_1_all.deb'), 'b');
    await expect(packagesArtefact(here(), 'near')).rejects.toMatchObject({ code: 'ARTEFACT_CORRUPT' });
  });

  it('is refused when the folder is not there', async () => {
    await expect(linkPackages(here().home, join(folder, 'genome.yaml'), nspawn('debs'))).rejects.toMatchObject({
      code: 'NOT_FOUND',
      why: `${join(folder, 'debs')} is no folder`,
    });
  });
});

describe('installed', () => {
  const machine = (result: Partial<RunResult>): Remote & { readonly ran: string[] } => {
    const ran: string[] = [];
    return {
      ran,
      reach: { address: '10.0.0.2', sshPort: 22, user: 'root', root: '', httpPort: 80 },
      run: async (command) => {
        ran.push(command);
        return { code: 0, stdout: '', stderr: '', ...result };
      },
      must: async () => '',
      close: () => {},
    };
  };
  const answers = (lines: readonly string[]) =>
    packageFacts({
      all: (word) => lines.filter((line) => line.startsWith(`${word}=`)).map((line) => line.slice(word.length + 1)),
    });

  it('only where something is missing', async () => {
    const complete = machine({});
    await installPackages(complete, answers(['system=Debian', 'debian=yes']), null, 1000);
    expect(complete.ran).toEqual([]);
    const lacking = machine({});
    await installPackages(lacking, answers(['system=Debian', 'debian=yes', 'package=rsync']), null, 1000);
    expect(lacking.ran).toEqual([installScript(['rsync'], null)]);
  });

  it('says which are absent and what apt said', async () => {
    const facts = answers(['system=Debian 13', 'debian=yes', 'package=caddy', 'package=rsync']);
    const stdout = 'Reading\nE: Unable to locate package caddy\nabsent=caddy\n';
    await expect(installPackages(machine({ code: 1, stdout }), facts, null, 1000)).rejects.toMatchObject({
      message: 'The machine at 10.0.0.2 (Debian 13) lacks packages: caddy',
      why: 'its mirror has not given them: E: Unable to locate package caddy',
      fields: { packages: 'caddy' },
    });
  });

  it('refuses what is no Debian', async () => {
    await expect(installPackages(machine({}), answers(['system=Alpine Linux']), null, 1000)).rejects.toMatchObject({
      why: 'it runs Alpine Linux, which has no Debian packages',
    });
  });

  it('from the artefact first, and from the mirror what is left', () => {
    const script = installScript(['rsync', 'caddy'], { hash: 'abc' });
    expect(script.indexOf('store/abc')).toBeLessThan(script.indexOf('update &&'));
    expect(script).toContain('for p in rsync caddy;');
    expect(installScript(['rsync'], null)).not.toContain('store/');
  });
});
