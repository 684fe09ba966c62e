/**
 * A load of 500 requests a second from elsewhere, which knows nothing but the name server, while an organism of real
 * machines does all it does. Of what is planned nobody notices more than a pause; a death is noticed until it is found
 * out, and what led there has led elsewhere for one TTL.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import type { Cell } from '../../src/model.ts';
import { livingOf, orderAway, settled } from '../courses/drill.ts';
import { newOrganism, ORGANISM, type Organism, TTL_MS } from '../courses/organism.ts';
import { seeded } from '../courses/stem.ts';
import { type LabGround, labGround } from './ground.ts';
import { type DistantLoad, type Failure, loadFrom, makeNamespace } from './load.ts';
import { KNOT, NSPAWN, needs } from './needs.ts';

const OCTET = 180;
const CLIENT = `10.${OCTET}.0.250`;
const TIMEOUT = 400_000;
/** Requests a second of each name: 500 in all. */
const RATES: Readonly<Record<string, number>> = { web: 200, site: 150, api: 150 };
/** Ticks and the load share a small computer: a beat each second would be most of it. */
const HEARTBEAT = '4s';
const SUSPECT_AFTER = '8s';
const DEAD_AFTER_MS = 14_000;
/** The tick that finds a death out: it fences the machine, starts what ran there, and writes the records. */
const TICK_MS = 16_000;
/** Longer than any client waits. */
const ANSWER_WITHIN_MS = 30_000;
const MAX_CELLS = 8;
const SETTLED_WITHIN_MS = 90_000;

describe.skipIf(needs('the load', NSPAWN, KNOT))('500 requests a second through the real names', () => {
  test(
    'lose nothing in what is planned, and after a death nothing when it is found out',
    async (context) => {
      const stood: { ground?: LabGround } = {};
      const organism = await newOrganism(
        {
          ...{ heartbeat: HEARTBEAT, suspectAfter: SUSPECT_AFTER, deadAfter: `${DEAD_AFTER_MS}ms` },
          ...{ maxCells: MAX_CELLS, more: ['site'] },
        },
        async () => {
          stood.ground = await labGround(OCTET, MAX_CELLS);
          return stood.ground;
        },
      );
      context.onTestFinished(organism.close, TIMEOUT);
      const clients = await from(stood.ground as LabGround);
      context.onTestFinished(clients.remove);
      const first = await seeded(organism);
      await clients.begin();

      await clients.during('a division', () => divided(organism, first, 'api', 2));
      await clients.during('delegation of web', () => divided(organism, first, 'web', 3));
      await clients.during('delegation of site', () => divided(organism, first, 'site', 4));
      await clients.during('a reload of Caddy everywhere', async () => {
        for (const cell of livingOf(await organism.lineage())) {
          for (let times = 0; times < 3; times++) {
            const ran = await organism.on(cell, 'systemctl reload cell-ingress');
            expect(ran.code, ran.stderr).toBe(0);
          }
        }
      });
      await clients.during('apoptosis', async () => {
        await orderAway(organism, await homeOf(organism, 'site'));
        await settled(organism, 3, SETTLED_WITHIN_MS);
      });
      expect((await clients.failures()).map(worded), 'what failed in planned moves').toEqual([]);

      const died = Date.now();
      const dead = await homeOf(organism, 'web');
      await clients.during('a death', async () => {
        await organism.cutPower(dead);
        await settled(organism, 2, SETTLED_WITHIN_MS);
      });
      const lost = await clients.failures();
      const last = Math.max(died, ...lost.map(({ at }) => at)) - died;
      say(`the death: ${lost.length} requests failed, the last one due ${last} ms after it`);
      expect(lost.length, 'the death was noticed').toBeGreaterThan(0);
      expect([...new Set(lost.map(({ to }) => to))]).toEqual([dead.reach.address]);
      expect(last).toBeLessThan(DEAD_AFTER_MS + TTL_MS + TICK_MS);
      await clients.end();
    },
    TIMEOUT,
  );
});

const say = (line: string) => void process.stderr.write(`planned: ${line}\n`);
const worded = ({ at, took, to, why }: Failure) => `${new Date(at).toISOString()} ${to}: ${why} after ${took} ms`;

async function divided(organism: Organism, first: Cell, name: string, cells: number): Promise<void> {
  await organism.until(
    `a division of ${name}`,
    async () => {
      if (organism.sagas(first).length === 0) await organism.tick(first, { now: name });
      const sagas = organism.sagas(first).length;
      return sagas === 0 && livingOf(await organism.lineage()).length === cells;
    },
    SETTLED_WITHIN_MS,
  );
  await settled(organism, cells, SETTLED_WITHIN_MS);
}

async function homeOf(organism: Organism, name: string): Promise<Cell> {
  const { cells, homes } = await organism.lineage();
  const [home, ...others] = homes[name] ?? [];
  if (home === undefined || others.length > 0 || cells[home] === undefined) throw new Error(`${name} has not one home`);
  return cells[home];
}

/** A client of each name, in one namespace. */
async function from({ box, dns }: LabGround) {
  // So that no machine gets it.
  const taken = join(box.dir, 'addresses', CLIENT);
  mkdirSync(dirname(taken), { recursive: true });
  writeFileSync(taken, 'the load');
  const namespace = await makeNamespace(box.bridge, CLIENT);
  const loads = new Map<string, DistantLoad>();
  const reports = () => Promise.all([...loads].map(async ([name, load]) => ({ name, ...(await load.report()) })));
  /** Failures that are nobody's but the client's, which did not get to run on a computer that had too much to do. */
  const ours = ({ why, stalled }: Failure) => /in time|TIMEOUT/.test(why) && stalled > ANSWER_WITHIN_MS / 30;

  return {
    async begin() {
      for (const [name, rate] of Object.entries(RATES)) {
        const options = { name: `${name}.${ORGANISM}.test`, path: '/', rate, dns, timeoutMs: ANSWER_WITHIN_MS };
        loads.set(name, loadFrom({ netns: namespace.name, ...options }));
      }
      await sleep(2_000);
      await reports();
    },
    /** What a move cost, in the time of whoever asked meanwhile. */
    async during(what: string, move: () => Promise<void>) {
      const began = Date.now();
      await move();
      const took = Date.now() - began;
      // What still waits has not been counted.
      await sleep(TTL_MS);
      for (const { name, sent, failed, underWay, again, recent, stalled, failures } of await reports()) {
        const figures = `p50 ${recent.p50} p99 ${recent.p99} p99.9 ${recent.p999} pause ${recent.max} ms`;
        const since = `${sent} sent, ${failed} failed, ${again} again, ${underWay} under way`;
        say(`${what} (${took} ms), ${name}: ${figures}; ${since}; the client stalled for ${stalled} ms`);
        const kinds = Map.groupBy(failures, ({ to, why }) => `${why} at ${to}`);
        for (const [kind, those] of kinds) say(`  ${those.length} times ${kind}, first ${worded(those[0] as Failure)}`);
      }
    },
    async failures(): Promise<readonly Failure[]> {
      const all = (await reports()).flatMap(({ failures }) => failures);
      const late = all.filter(ours).length;
      if (late > 0) say(`${late} failures were the client's own: it did not get to run`);
      return all.filter((failure) => !ours(failure));
    },
    async end() {
      for (const [name, load] of loads) {
        const { sent, ok, failed, ms, latency, cpu } = await load.stop();
        expect(ok + failed, name).toBe(sent);
        const rate = Math.round(sent / (ms / 1_000));
        say(`${name}: ${sent} sent, ${failed} failed, ${rate} a second, ${cpu} of a core, ${JSON.stringify(latency)}`);
        expect(rate, name).toBeGreaterThan((RATES[name] ?? 0) * 0.95);
      }
    },
    async remove() {
      await Promise.all([...loads.values()].map((load) => load.stop()));
      await namespace.remove();
      rmSync(taken, { force: true });
    },
  };
}
