/**
 * Functions that are container images: podman runs them, and systemd runs podman. The container's processes stay in the
 * unit's own control group, so the genome's limits, the journal, restarts and the sensors are those of any other function.
 *
 * It runs as the function's user with no rights, unless `sandbox: off` leaves that to the image. It listens inside on the
 * function's `port`, else on the one port that the image exposes, else where any function would; that is published at the
 * private address of the function. Its folder is at the same place inside.
 */
import { execFile } from 'node:child_process';
import { existsSync, statfsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { dirname, isAbsolute, join, normalize } from 'node:path';
import { promisify } from 'node:util';
import type { FunctionGene } from '../../genome/schema.ts';
import { CellError } from '../errors.ts';
import type { Layout } from '../layout.ts';
import type { FunctionName } from '../model.ts';
import { writeIfChanged } from './files.ts';
import { isPlainCommand, systemdQuote } from './quote.ts';
import type { Ids } from './users.ts';

/** An image as podman knows it. */
export interface Image {
  readonly reference: string;
  /** TCP ports that it says it listens on. */
  readonly exposed: readonly number[];
}

/** Where an image comes from; pure. Archives are files of the function's source. */
export function sourceOf(image: string, folder: string): { readonly pull: string; readonly archive: boolean } {
  const [, transport, file] = /^(docker-archive|oci-archive):(.+)$/.exec(image) ?? [];
  if (transport === undefined || file === undefined) return { pull: image, archive: false };
  const path = normalize(file);
  if (isAbsolute(path) || path.startsWith('..')) {
    throw new CellError('NOT_ALLOWED', `The image ${image} is outside of the function's source`);
  }
  return { pull: `${transport}:${join(folder, path)}`, archive: true };
}

/** The port that it listens on inside; pure. */
export function portInside(gene: Pick<FunctionGene, 'port'>, image: Image, port: number): number {
  return gene.port ?? (image.exposed.length === 1 ? (image.exposed[0] as number) : port);
}

export interface Container {
  readonly name: FunctionName;
  readonly gene: Pick<FunctionGene, 'run' | 'port' | 'sandbox'>;
  readonly image: Image;
  readonly ids: Ids;
  readonly folder: string;
  /** Read-only folders that it sees, too. */
  readonly seen: readonly string[];
  readonly host: string;
  readonly port: number;
  /** Names of the variables it gets; their values are in the unit's environment, not on a command line. */
  readonly variables: readonly string[];
  readonly settings: readonly string[];
}

/** Set for the machine, not for what is inside, or anew for the inside. */
const OUTSIDE = new Set(['PATH', 'HOME', 'HOST', 'PORT']);

/** The unit's name of the container. */
const containerOf = (name: FunctionName): string => `cell-fn-${name}`;

/** The lines of the unit that run it; pure. */
export function containerLines(container: Container): { readonly start: string; readonly lines: readonly string[] } {
  const { name, gene, image, ids, folder, seen, host, port, variables, settings } = container;
  const called = containerOf(name);
  const inside = portInside(gene, image, port);
  const strict = gene.sandbox === 'strict';
  const words = [
    'run',
    ...['--name', called, '--replace', '--rm', '--detach', '--sdnotify=conmon', '--pull=never'],
    ...['--log-driver=passthrough', '--cgroups=disabled'],
    ...(strict ? [`--user=${ids.uid}:${ids.gid}`, '--cap-drop=all', '--security-opt=no-new-privileges'] : []),
    `--publish=${host}:${port}:${inside}`,
    `--volume=${folder}:${folder}`,
    ...seen.map((path) => `--volume=${path}:${path}:ro`),
    ...variables.filter((variable) => !OUTSIDE.has(variable)).map((variable) => `--env=${variable}`),
    ...[`--env=HOST=0.0.0.0`, `--env=PORT=${inside}`],
    // With a command of the genome it is a runtime for the source; without one, what its maker meant.
    ...(gene.run === undefined ? [] : [`--workdir=${folder}`]),
    image.reference,
    ...commandOf(gene.run),
  ];
  return {
    start: `podman ${words.map(systemdQuote).join(' ')}`,
    lines: [
      'NotifyAccess=all',
      ...settings.map((setting) => `Environment=${setting}`),
      `ExecStop=podman stop --ignore --time 8 ${called}`,
      `ExecStopPost=-podman rm --force --ignore --time 0 ${called}`,
      // Not a plain program's: an image may be large, and podman itself takes a moment to end one.
      'TimeoutStartSec=300',
    ],
  };
}

/** A plain command as words for the image's own entry point; anything that needs a shell by the image's. */
function commandOf(run: string | undefined): readonly string[] {
  if (run === undefined) return [];
  return isPlainCommand(run) && !/["']/.test(run) ? run.trim().split(/\s+/) : ['/bin/sh', '-c', run];
}

/** What podman is told by variables on this machine. */
async function settingsOf(layout: Layout): Promise<readonly string[]> {
  const conf = join(dirname(layout.environments), 'containers.conf');
  // Where a machine is itself a container, it may not make kernel keyrings, which nothing here uses.
  await writeIfChanged(conf, '[containers]\nkeyring = false\n');
  const stacked = statfsSync('/var/lib').type === OVERLAYFS;
  return [`CONTAINERS_CONF_OVERRIDE=${conf}`, ...(stacked ? ['STORAGE_DRIVER=vfs'] : [])];
}

/** Of statfs(2). The kernel stacks no overlay on another one, so there images are unpacked as plain folders. */
const OVERLAYFS = 0x794c7630;
/** ms; a registry may be far. */
const PULL_TIMEOUT_MS = 10 * 60_000;

/** Has the image here, pulled or loaded if need be. Throws REMOTE_FAILED with what podman said. */
export async function ensureImage(
  layout: Layout,
  gene: FunctionGene,
  folder: string,
): Promise<{ readonly image: Image; readonly settings: readonly string[] }> {
  await mkdir(dirname(layout.environments), { recursive: true });
  const settings = await settingsOf(layout);
  const asked = gene.image as string;
  const { pull, archive } = sourceOf(asked, folder);
  if (archive && !existsSync(pull.slice(pull.indexOf(':') + 1))) {
    throw new CellError('NOT_FOUND', `The image ${asked} is not in the function's source`);
  }
  const known = !archive && (await podman(settings, 'image', 'exists', asked)).code === 0;
  // An archive is asked for each time: podman finds layers it has, and the file may be another one now.
  const reference = known ? asked : await must(settings, asked, 'pull', '--quiet', pull);
  const ports = await must(settings, asked, 'image', 'inspect', '--format', '{{json .Config.ExposedPorts}}', reference);
  const exposed = Object.keys(JSON.parse(ports) ?? {}).flatMap((key) => /^(\d+)(?:\/tcp)?$/.exec(key)?.[1] ?? []);
  return { image: { reference: archive ? reference : asked, exposed: exposed.map(Number) }, settings };
}

async function must(settings: readonly string[], image: string, ...args: readonly string[]): Promise<string> {
  const { code, stdout, stderr } = await podman(settings, ...args);
  if (code === 0) return stdout.trim().split('\n').at(-1) ?? '';
  throw new CellError('REMOTE_FAILED', `The image ${image} cannot be had on this machine`, {
    why: stderr.trim().split('\n').at(-1) || `podman ended with ${code}`,
    suggestion: 'See that the registry answers, or carry the image: docker-archive:FILE in the function’s source.',
  });
}

/** podman in a unit of its own: a tick is kept from what it needs, mounts and namespaces. */
async function podman(settings: readonly string[], ...args: readonly string[]) {
  const own = ['--quiet', '--collect', '--pipe', '--wait', ...settings.map((setting) => `--setenv=${setting}`)];
  const words = [...own, '--', 'podman', ...args];
  return promisify(execFile)('systemd-run', words, { timeout: PULL_TIMEOUT_MS }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: Error & { code?: number | string; stderr?: string }) => ({
      code: typeof error.code === 'number' ? error.code : 1,
      stdout: '',
      stderr: error.stderr || error.message,
    }),
  );
}
