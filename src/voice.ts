/**
 * A cell's voice: its own records in DNS, and nobody else's. What they should be follows from the lineage; the stack is
 * run only when that differs from what was last said, so a tick that changes nothing loads no engine.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { compile } from '../genome/compile.ts';
import { stackNames } from '../stacks/names.ts';
import { readJson, writeAtomic } from './effects/files.ts';
import { engineOf, genomeOf, type Here, lineageOf } from './here.ts';
import { mended } from './mended.ts';
import type { FunctionName } from './model.ts';
import { change, hush, trafficOf } from './traffic.ts';
import { unspeak } from './unmake.ts';

const fileOf = (here: Pick<Here, 'home'>) => join(here.home, 'voice.json');

/**
 * Makes the own records what they should be; gives the number of resources that changed.
 *
 * @param coming functions that will be ours in a moment: requests for them wait here already.
 */
export async function speak(here: Here, coming: readonly FunctionName[] = []): Promise<number> {
  const [genome, lineage, traffic] = await Promise.all([genomeOf(here), lineageOf(here), trafficOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return 0;
  // A function that is held for a moment keeps its record: its requests wait here.
  const own = self.functions.filter((name) => traffic.running.includes(name) || traffic.holding.includes(name));
  // So does one that went, until its new home is seen in DNS: requests are sent on from here.
  const went = traffic.forwarding.filter((entry) => entry.spoken).map((entry) => entry.function);
  const known = [...own, ...went, ...coming].filter((name) => genome.functions[name] !== undefined);
  const functions = self.state === 'parted' ? [] : [...new Set(known)].sort();
  const who = { birth: self.birth, parent: self.parent, cloud: self.cloud, functions };
  const plan = compile(genome, who).find((stack) => stack.kind === 'voice');
  const text = JSON.stringify([plan ?? null, self.reach.address]);
  const hash = createHash('sha256').update(text).digest('hex');
  const last = await readJson<{ hash: string | null }>(fileOf(here), { hash: null });
  if (last.hash === hash) return 0;
  if (plan === undefined && last.hash === null) return 0;
  const name = stackNames(lineage.organism, self.birth).voice;
  const engine = await engineOf(here, plan?.engine ?? 'embedded', genome);
  // Without its checkpoint the stack knows of no record that is to go.
  let anew = false;
  const result = await mended(engine, name, here.log, async () => {
    if (anew) await unspeak(here, genome, self.birth);
    anew = true;
    return plan === undefined ? engine.destroy(name) : engine.up(plan, { values: { address: self.reach.address } });
  });
  const published = functions.flatMap((name) => genome.functions[name]?.domain ?? []);
  await change(here, () => ({ published: plan === undefined ? [] : published }));
  await writeAtomic(fileOf(here), JSON.stringify({ hash }));
  return result.changes.filter((change) => change.operation !== 'same').length;
}

/** No records any more, whatever went from here. */
export async function silence(here: Here): Promise<void> {
  await hush(here);
  const [genome, lineage] = await Promise.all([genomeOf(here), lineageOf(here)]);
  const self = lineage.cells[here.identity.id];
  if (self === undefined) return;
  const engine = await engineOf(here, 'embedded', genome);
  const name = stackNames(lineage.organism, self.birth).voice;
  await mended(engine, name, here.log, async () => {
    await engine.destroy(name);
  });
  await unspeak(here, genome, self.birth);
  await change(here, () => ({ published: [] }));
  await writeAtomic(fileOf(here), JSON.stringify({ hash: null }));
}
