/**
 * An imprint of a blank machine beside two others that end with the same bytes and settings on it: Ansible, and the bare
 * copy of the bytes by one `ssh`, which is the limit. Each round takes three fresh machines of one box.
 */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { cliArtefact, runtimeArtefact, shim } from '../../src/effects/artefacts.ts';
import { type Measure, median, ratioOf, reported, run } from '../measure.ts';
import { divided } from './division.ts';
import type { Blank, Plot } from './plot.ts';

const ROUNDS = 3;
/** Pinned, so that two runs measure the same thing. */
const ANSIBLE = 'ansible-core==2.19.14';

export async function measureImprint(plot: Plot): Promise<readonly Measure[]> {
  const load = await pack(plot);
  const ansible = await playbook(plot, load);
  const [own, settled, bare, played]: [number[], number[], number[], number[]] = [[], [], [], []];
  await run(plot.cell('seed', '--yes'));
  // One round more than counts: caches are cold in the first.
  for (let round = -1; round < ROUNDS; round++) {
    const { phases, figures } = await divided(plot);
    const bareMs = await copied(load, await plot.blank());
    const playedMs = await ansible(await plot.blank());
    if (round < 0) continue;
    // The others find a machine that has booted.
    const imprint = (phases.imprint ?? Number.NaN) - (figures.bootMs ?? Number.NaN);
    own.push(imprint);
    settled.push(imprint + (phases.birth ?? Number.NaN));
    bare.push(bareMs);
    played.push(playedMs);
  }
  await run(plot.cell('destroy', '--yes'));
  return [
    ratioOf('imprint, against the bare copy of its bytes by one ssh', 'ms', [median(own), median(bare)], 2),
    ratioOf('imprint, against Ansible', 'ms', [median(own), median(played)], 1 / 3),
    ratioOf(
      'imprint and birth (until it beats by itself), against Ansible',
      'ms',
      [median(settled), median(played)],
      1,
    ),
    reported('bytes of an imprint', 'MB', load.bytes / 1e6),
  ];
}

interface Load {
  /** A tar file of the store: what all three bring. */
  readonly archive: string;
  readonly shim: string;
  readonly bytes: number;
}

async function pack({ folder }: Plot): Promise<Load> {
  const [cli, runtime] = await Promise.all([cliArtefact(), runtimeArtefact()]);
  const store = mkdtempSync(join(folder, 'store-'));
  for (const item of [cli, runtime]) {
    mkdirSync(join(store, item.hash));
    const paths = item.files.map(({ path }) => path).join('\n');
    const copy = `tar -C "$1" -cf - -T - | tar -C "$2" -xf -`;
    await run({
      file: 'sh',
      args: ['-c', `printf '%s\\n' "$3" | ${copy}`, 'sh', item.folder, join(store, item.hash), paths],
    });
  }
  const archive = join(folder, 'store.tar');
  await run({ file: 'tar', args: ['-C', store, '-cf', archive, cli.hash, runtime.hash] });
  const command = join(folder, 'shim');
  writeFileSync(command, shim(cli.hash, { hash: runtime.hash, file: basename(process.execPath) }), { mode: 0o755 });
  const bytes = [...cli.files, ...runtime.files].reduce((sum, file) => sum + file.bytes, 0);
  return { archive, shim: command, bytes };
}

async function copied({ archive }: Load, { ssh }: Blank): Promise<number> {
  const copy = `mkdir -p /opt/cell/store && tar -C /opt/cell/store -xf -`;
  return (await run({ file: 'sh', args: ['-c', 'exec ssh "$@" < "$0"', archive, ...ssh, copy] })).ms;
}

/** Ansible from PyPI in an environment of its own, and a way to run the playbook on a machine. */
async function playbook({ folder }: Plot, load: Load): Promise<(machine: Blank) => Promise<number>> {
  const environment = join(process.env.CELL_CACHE ?? join(homedir(), '.cache', 'cell'), 'lab', ANSIBLE);
  if (!existsSync(join(environment, 'bin/ansible-playbook'))) {
    await run({ file: 'python3', args: ['-m', 'venv', environment] });
    await run({ file: join(environment, 'bin/pip'), args: ['install', '--quiet', ANSIBLE] });
  }
  const home = mkdtempSync(join(tmpdir(), 'cell-ansible-'));
  process.once('exit', () => rmSync(home, { recursive: true, force: true }));
  return async ({ address, keyFile, knownHosts }) => {
    const inventory = join(folder, 'inventory');
    writeFileSync(
      inventory,
      `${address} ansible_user=root ansible_ssh_private_key_file=${keyFile} ansible_python_interpreter=/usr/bin/python3\n`,
    );
    const variables = JSON.stringify({ archive: load.archive, shim: load.shim });
    const { ms } = await run({
      file: join(environment, 'bin/ansible-playbook'),
      args: ['-i', inventory, '-e', variables, join(import.meta.dirname, 'imprint.yml')],
      env: {
        ...process.env,
        HOME: home,
        ANSIBLE_PIPELINING: 'True',
        ANSIBLE_SSH_COMMON_ARGS: `-o UserKnownHostsFile=${knownHosts}`,
        ANSIBLE_RETRY_FILES_ENABLED: 'False',
      },
    });
    return ms;
  };
}
