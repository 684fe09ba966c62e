/** What tests of whole stacks at the stand-in share: two tokens, one for each purpose, and the plugin on PATH. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { DIGITALOCEAN_SCOPES } from '../../stacks/credentials/digitalocean.ts';
import type { Cloud } from './cloud.ts';
import { installPlugin } from './plugin/install.ts';

export const TOKENS = { compute: 'dop_v1_compute', dns: 'dop_v1_dns' } as const;

export function letIn(cloud: Cloud): void {
  for (const kind of ['compute', 'dns'] as const) cloud.tokens.set(TOKENS[kind], DIGITALOCEAN_SCOPES[kind]);
}

/** What an organism would leave behind at the maker: whatever costs something, or stands in the way of the next one. */
export function leftIn(cloud: Cloud): readonly string[] {
  const { droplets, keys, firewalls, tags, domains } = cloud;
  return [
    ...[...droplets.values()].map(({ name }) => `droplet ${name}`),
    ...[...keys.values()].map(({ name }) => `key ${name}`),
    ...[...firewalls.values()].map(({ name }) => `firewall ${name}`),
    ...[...tags].filter((tag) => tag.startsWith('cell-birth:')).map((tag) => `tag ${tag}`),
    ...domains.records.map(({ type, name, data }) => `record ${type} ${name} ${data}`),
  ];
}

/** Tags that are one organism's alone. Those of functions it may share; an empty one costs nothing. */
export function ownTagsIn({ tags }: Cloud): readonly string[] {
  return [...tags].filter((tag) => !tag.startsWith('cell-function:'));
}

/** For the processes that a test starts. Says on stderr which plugin it is. */
export async function pluginOnPath(): Promise<{ readonly folder: string; remove(): void }> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-plugin-'));
  const which = await installPlugin(folder);
  if (which === 'for tests')
    process.stderr.write("DigitalOcean's own plugin is not on PATH: its resources are made by the one for tests\n");
  const path = process.env.PATH;
  process.env.PATH = [folder, path].join(delimiter);
  return {
    folder,
    remove() {
      process.env.PATH = path;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
