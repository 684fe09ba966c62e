/**
 * A function on this machine: installed, started, held, let go. What both the ticks and the hands of a parent use.
 * Callers hold the cell's lock.
 */
import { existsSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { FunctionGene, Genome } from '../genome/schema.ts';
import { forgetMove, ownSide } from './effects/room.ts';
import { probeHealth } from './effects/sensors.ts';
import { folderOf as folderBelow, makeRoom, services } from './effects/services.ts';
import { placeSource } from './effects/source.ts';
import { CellError } from './errors.ts';
import { genomeOf, type Here, lineageOf, secretsOf } from './here.ts';
import { unitOf } from './layout.ts';
import type { FunctionName } from './model.ts';
import { change, direct, hostOf, portOf, trafficOf } from './traffic.ts';

export function geneOf(genome: Genome, name: FunctionName): FunctionGene {
  const gene = genome.functions[name];
  if (gene === undefined) throw new CellError('NOT_FOUND', `The genome has no function ${name}`);
  return gene;
}

/** The folder of a function: its source and, in the same place, its data. */
export const folderOf = (here: Pick<Here, 'layout'>, name: FunctionName): string => folderBelow(here.layout, name);

/** Source in place (data is left alone), settings written, unit known to the service manager. */
export async function install(here: Here, name: FunctionName): Promise<void> {
  const [genome, lineage, secrets] = await Promise.all([genomeOf(here), lineageOf(here), secretsOf(here)]);
  const gene = geneOf(genome, name);
  await makeRoom(here.layout, name);
  if (gene.source !== undefined) await placeSource(here.layout, name, join(here.home, 'genome', gene.source));
  const host = hostOf(lineage, here.identity.id);
  const port = await portOf(here, name, host);
  await services.prepare(name, {
    gene,
    layout: here.layout,
    host,
    port,
    organism: lineage.organism,
    cell: lineage.cells[here.identity.id]?.name ?? here.identity.id,
    // What an earlier genome asked for is not handed on.
    env: Object.fromEntries(Object.entries(secrets[name] ?? {}).filter(([key]) => Object.hasOwn(gene.secrets, key))),
  });
}

/** Starts programs and waits until each is healthy. Throws UNHEALTHY naming the first that is not in time. */
export async function start(here: Here, names: readonly FunctionName[]): Promise<void> {
  const genome = await genomeOf(here);
  await Promise.all(
    names.map(async (name) => {
      await forgetMove(ownSide(here.layout, name));
      await services.start(name);
    }),
  );
  await change(here, (traffic) => ({
    running: [...new Set([...traffic.running, ...names])].sort(),
    holding: traffic.holding.filter((name) => !names.includes(name)),
    forwarding: traffic.forwarding.filter((entry) => !names.includes(entry.function)),
  }));
  // Routes first: functions that start together may need each other, by way of the ingress, to become healthy.
  await direct(here, genome, await lineageOf(here));
  await Promise.all(names.map((name) => becomesHealthy(here, name, geneOf(genome, name))));
}

/** Throws UNHEALTHY when its health check does not say so in time. */
export async function becomesHealthy(here: Here, name: FunctionName, gene: FunctionGene): Promise<void> {
  const host = hostOf(await lineageOf(here), here.identity.id);
  const port = await portOf(here, name, host);
  const within = gene.health?.within ?? 10_000;
  const deadline = here.clock() + within;
  for (;;) {
    const health = await probeHealth(gene, {
      layout: here.layout,
      function: name,
      unit: unitOf(name),
      host,
      port,
      folder: folderOf(here, name),
    });
    if (health === 'healthy') return;
    if (here.clock() > deadline) {
      throw new CellError('UNHEALTHY', `${name} did not become healthy within ${within / 1000} s`, {
        why: `its health check says ${health}`,
        suggestion: `Read its output: cell logs ${name}`,
      });
    }
    await sleep(50);
  }
}

/**
 * Requests wait, those under way are answered, `last` is done, the program stops. Doing it again changes nothing. True
 * when it was held before: somebody who held it did not come to an end.
 */
export async function hold(here: Here, name: FunctionName, last = async () => {}): Promise<boolean> {
  const before = (await trafficOf(here)).holding.includes(name);
  await change(here, ({ holding, running }) => ({
    holding: [...new Set([...holding, name])],
    running: running.filter((other) => other !== name),
  }));
  await direct(here, await genomeOf(here), await lineageOf(here));
  await last();
  await services.stop(name);
  return before;
}

/** Does not run here; requests are neither held nor answered. Its data stays. */
export async function stop(here: Here, name: FunctionName): Promise<void> {
  await change(here, ({ holding, running }) => ({
    holding: holding.filter((other) => other !== name),
    running: running.filter((other) => other !== name),
  }));
  await direct(here, await genomeOf(here), await lineageOf(here));
  if (existsSync(join(here.layout.units, unitOf(name)))) await services.stop(name);
}

/** Runs it here and lets requests through. */
export async function resume(here: Here, name: FunctionName): Promise<void> {
  await install(here, name);
  await start(here, [name]);
}

/** What still comes here goes to the function's new home until a time. */
export async function forward(here: Here, name: FunctionName, to: string, until: number): Promise<void> {
  await change(here, ({ holding, forwarding, running }) => {
    const known = forwarding.find((entry) => entry.function === name && entry.to === to);
    return {
      holding: holding.filter((other) => other !== name),
      running: running.filter((other) => other !== name),
      forwarding: [
        ...forwarding.filter((entry) => entry.function !== name),
        { function: name, to, until, spoken: known?.spoken ?? true },
      ],
    };
  });
  await direct(here, await genomeOf(here), await lineageOf(here));
}

/** Nothing of the function is left here but its place in the lineage. */
export async function forget(here: Here, name: FunctionName): Promise<void> {
  await change(here, ({ forwarding, holding, ports }) => {
    const { [name]: _gone, ...rest } = ports;
    return {
      forwarding: forwarding.filter((entry) => entry.function !== name),
      holding: holding.filter((other) => other !== name),
      ports: rest,
    };
  });
  await direct(here, await genomeOf(here), await lineageOf(here));
  await services.remove(name, here.layout);
  await rm(folderOf(here, name), { recursive: true, force: true });
}

/** Functions that should run here and do not: lost to a power cut, or never begun. */
export async function missing(here: Here, homes: readonly FunctionName[]): Promise<readonly FunctionName[]> {
  const { running, holding } = await trafficOf(here);
  return homes.filter((name) => !running.includes(name) && !holding.includes(name));
}
