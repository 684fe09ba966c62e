/**
 * Baking: a cloud that can keeps the cells' artefacts, so that its next machines have them from their start and an imprint
 * sends none. A cell gives its own store, or that of a child in another cloud, and remembers in `baked.json` what each
 * cloud was told, so that a quiet tick asks nobody. Cells do not agree on it: who comes second finds it done.
 */
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Genome } from '../genome/schema.ts';
import { computeProvider } from '../stacks/machines/index.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { explain } from './errors.ts';
import { credentialsOf, type Here } from './here.ts';
import { BAKE_RETRY_MS, MOST_BAKED } from './limits.ts';
import type { BirthId, Lineage, View } from './model.ts';

/** By cloud: the hashes it was told to keep, and when; a refusal is not repeated at once. */
type Baked = Readonly<
  Record<string, { readonly hashes: readonly string[]; readonly at: number; readonly ok: boolean }>
>;

const fileOf = (here: Here) => join(here.home, 'baked.json');
const bakedBy = (here: Here) => readJson<Baked>(fileOf(here), {}, 'fallback');

/** Clouds that should be told, each with a machine there that has what this cell has. Looks at small files only. */
export async function bakeable(here: Here, genome: Genome, lineage: Lineage): Promise<NonNullable<View['bakeable']>> {
  const clouds = Object.entries(genome.clouds).filter(
    ([, { provider }]) => computeProvider(provider).bake !== undefined,
  );
  if (clouds.length === 0) return [];
  const [{ compute }, baked] = await Promise.all([credentialsOf(here), bakedBy(here)]);
  const found: { cloud: string; birth: BirthId }[] = [];
  for (const [cloud] of clouds) {
    const birth = machineIn(here, lineage, cloud);
    if (compute?.[cloud] === undefined || birth === null) continue;
    const told = baked[cloud] ?? { hashes: [], at: 0, ok: true };
    if (!told.ok && here.clock() - told.at < BAKE_RETRY_MS && here.clock() >= told.at) continue;
    if (!told.ok || told.hashes.join() !== (await wanted(here, genome, cloud)).join()) found.push({ cloud, birth });
  }
  return found;
}

export async function bake(here: Here, genome: Genome, cloud: string, birth: BirthId): Promise<string> {
  const gene = genome.clouds[cloud];
  const credential = (await credentialsOf(here)).compute?.[cloud];
  const baking = gene === undefined ? undefined : computeProvider(gene.provider).bake;
  if (baking === undefined || credential === undefined) return `nothing is baked in ${cloud}`;
  const hashes = await wanted(here, genome, cloud);
  let refusal: string | null = null;
  try {
    await baking.keep(birth, hashes, credential);
  } catch (error) {
    // A division goes without: it sends what it always sent.
    refusal = explain(error);
  }
  const told = { hashes, at: here.clock(), ok: refusal === null };
  await writeAtomic(fileOf(here), JSON.stringify({ ...(await bakedBy(here)), [cloud]: told }));
  return refusal === null ? `${cloud} keeps ${hashes.length} artefacts` : `${cloud} keeps no artefacts: ${refusal}`;
}

/** This machine, or a child's in that cloud. */
function machineIn(here: Here, { cells }: Lineage, cloud: string): BirthId | null {
  const self = cells[here.identity.id];
  const children = Object.values(cells).filter(({ parent, state }) => parent === self?.id && state === 'living');
  return [...(self === undefined ? [] : [self]), ...children].find((cell) => cell.cloud === cloud)?.birth ?? null;
}

/** The own store as it came with the imprint, the newest of it; nothing where the genome does not want it. */
async function wanted(here: Here, genome: Genome, cloud: string): Promise<readonly string[]> {
  const gene = genome.clouds[cloud];
  if (gene === undefined || computeProvider(gene.provider).bake?.wanted(gene) !== true) return [];
  const names = (await readdir(here.layout.store).catch(() => [])).filter((name) => /^[0-9a-f]{64}$/.test(name));
  const dated = await Promise.all(
    names.map(async (name) => ({ name, at: (await stat(join(here.layout.store, name))).mtimeMs })),
  );
  const newest = dated.sort((a, b) => b.at - a.at || (a.name < b.name ? -1 : 1)).slice(0, MOST_BAKED);
  return newest.map(({ name }) => name).sort();
}
