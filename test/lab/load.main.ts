/**
 * A load generator as a program of its own, so that it can run in a network namespace: it is given a name, a path and the
 * address of a DNS server, and knows nothing else.
 *
 * The loop is open: requests begin when the clock says so, however long others take, and a request's latency counts from
 * when it was due. A share of them makes a connection of its own; the others keep theirs. Names are asked for again when
 * their TTL has passed, not sooner and not later.
 *
 * One JSON object as its only argument (LoadOptions); then a line of JSON on stdin each: {"rate":N}, {"report":true},
 * {"stop":true}. It answers reports and the stop with a line of JSON, and ends by itself: when stdin closes, too.
 */
import { Resolver } from 'node:dns/promises';
import { Agent, request } from 'node:http';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Failure, Latency, LoadOptions, LoadReport } from './load.ts';

const options = JSON.parse(process.argv[2] ?? '{}') as LoadOptions;
const { name, path, dns, port = 80, fresh = 0.1, timeoutMs = 15_000, lifetimeMs = 30 * 60_000 } = options;
/** ms between two looks at the clock. */
const BEAT = 4;
/** A failing organism fails often; the first ones tell enough, and all are counted. */
const FAILURES_KEPT = 20_000;
/** Latencies are counted in steps of about 3 %, so that an hour of them takes no room. */
const STEP = 1.03;

const resolver = new Resolver({ timeout: 1_000, tries: 3 });
resolver.setServers([`${dns.address}:${dns.port ?? 53}`]);
const agent = new Agent({ keepAlive: true, maxFreeSockets: 64 });

let rate = options.rate;
let [sent, ok, failed, again, underWay] = [0, 0, 0, 0, 0];
const failures: Failure[] = [];
const byAddress: Record<string, number> = {};
const [all, recent] = [newCounts(), newCounts()];
const began = Date.now();
/** When nothing more was sent; what is under way then is waited for. */
let ended: number | null = null;

/** When this program did not get to run: the end, and how long, ms. */
const stalls: { readonly at: number; readonly ms: number }[] = [];
const STALL_MS = 100;
let stalled = 0;

let known: { addresses: readonly string[]; until: number } = { addresses: [], until: 0 };
let asking: Promise<void> | null = null;
let turn = 0;

async function ask(): Promise<void> {
  try {
    const answers = await resolver.resolve4(name, { ttl: true });
    known = {
      addresses: answers.map(({ address }) => address),
      until: Date.now() + 1_000 * Math.min(...answers.map(({ ttl }) => ttl)),
    };
  } catch (error) {
    known = { addresses: [], until: 0 };
    throw new Error(`DNS: ${(error as NodeJS.ErrnoException).code ?? (error as Error).message}`);
  }
}

async function address(): Promise<string> {
  if (known.until <= Date.now()) {
    asking ??= ask().finally(() => {
      asking = null;
    });
    await asking;
  }
  turn += 1;
  return known.addresses[turn % known.addresses.length] as string;
}

interface Outcome {
  readonly status: number;
  readonly kept: boolean;
}

function call(to: string, own: boolean): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: to,
      port,
      path,
      headers: { host: name },
      ...(own ? { agent: false } : { agent }),
    });
    const limit = setTimeout(() => outgoing.destroy(new Error('no answer in time')), timeoutMs);
    const fail = (error: NodeJS.ErrnoException) => {
      clearTimeout(limit);
      // Whoever closes a kept connection may do so while a request is on its way (RFC 9112, 9.3.1): to be sent again.
      const stale = outgoing.reusedSocket && error.code === 'ECONNRESET';
      reject(stale ? new StaleConnection() : error);
    };
    outgoing.once('error', fail);
    outgoing.once('response', (response) => {
      // From here on it is no longer a matter of the connection only.
      outgoing.removeListener('error', fail);
      outgoing.on('error', () => {});
      response.resume();
      response.once('close', () => {
        clearTimeout(limit);
        if (response.complete) resolve({ status: response.statusCode ?? 0, kept: outgoing.reusedSocket });
        else reject(new Error('the answer broke off'));
      });
    });
    outgoing.end();
  });
}

class StaleConnection extends Error {}

async function once(due: number): Promise<void> {
  let to: string | null = null;
  try {
    to = await address();
    const own = Math.random() < fresh;
    let answer: Outcome;
    try {
      answer = await call(to, own);
    } catch (error) {
      if (!(error instanceof StaleConnection)) throw error;
      again += 1;
      answer = await call(to, true);
    }
    if (answer.status < 200 || answer.status > 299) throw new Error(`answered ${answer.status}`);
    ok += 1;
    byAddress[to] = (byAddress[to] ?? 0) + 1;
    const took = Date.now() - due;
    count(all, took);
    count(recent, took);
  } catch (error) {
    failed += 1;
    const { code, message } = error as NodeJS.ErrnoException;
    if (failures.length >= FAILURES_KEPT) return;
    const theirs = stalls.filter(({ at }) => at >= due).map(({ ms }) => ms);
    failures.push({
      at: Math.round(due),
      took: Math.round(Date.now() - due),
      to,
      why: code ?? message,
      stalled: Math.max(0, ...theirs),
    });
  }
}

interface Counts {
  answers: number;
  slowest: number;
  readonly steps: Map<number, number>;
}

function newCounts(): Counts {
  return { answers: 0, slowest: 0, steps: new Map() };
}

function count(counts: Counts, took: number): void {
  counts.answers += 1;
  counts.slowest = Math.max(counts.slowest, took);
  const step = Math.ceil(Math.log(Math.max(took, 1)) / Math.log(STEP));
  counts.steps.set(step, (counts.steps.get(step) ?? 0) + 1);
}

function latencyOf({ answers, slowest, steps }: Counts): Latency {
  const sorted = [...steps].sort(([a], [b]) => a - b);
  const percentile = (share: number): number => {
    let left = Math.ceil(answers * share);
    for (const [step, many] of sorted) {
      left -= many;
      if (left <= 0) return Math.round(STEP ** step);
    }
    return 0;
  };
  return {
    ...{ p50: percentile(0.5), p90: percentile(0.9), p99: percentile(0.99), p999: percentile(0.999) },
    max: Math.round(slowest),
  };
}

function report(): LoadReport {
  const { user, system } = process.cpuUsage();
  const ms = (ended ?? Date.now()) - began;
  const told = {
    ...{ sent, ok, failed, again, underWay, ms, failures, byAddress, stalled },
    cpu: Math.round((user + system) / 10 / ms) / 100,
    latency: latencyOf(all),
    recent: latencyOf(recent),
  };
  Object.assign(recent, newCounts());
  stalled = 0;
  return told;
}

const say = (what: LoadReport) =>
  new Promise<void>((done) => process.stdout.write(`${JSON.stringify(what)}\n`, () => done()));

let due = Date.now();
let ran = Date.now();
const timer = setInterval(() => {
  const now = Date.now();
  if (now - ran > STALL_MS) stalls.push({ at: now, ms: now - ran });
  stalled = Math.max(stalled, now - ran);
  ran = now;
  if (rate <= 0) due = now;
  // What was due while this program did not get to run is sent all the same, and counts as late.
  for (; rate > 0 && due <= now; due += 1_000 / rate) {
    sent += 1;
    underWay += 1;
    void once(due).finally(() => {
      underWay -= 1;
    });
  }
}, BEAT);

async function end(): Promise<void> {
  clearInterval(timer);
  ended = Date.now();
  while (underWay > 0) await sleep(10);
  await say(report());
  process.exit(0);
}

createInterface({ input: process.stdin })
  .on('line', (line) => {
    const order = JSON.parse(line) as { rate?: number; report?: true; stop?: true };
    if (order.rate !== undefined) rate = order.rate;
    if (order.report) void say(report());
    if (order.stop) void end();
  })
  .once('close', () => void end());
setTimeout(() => void end(), lifetimeMs);
