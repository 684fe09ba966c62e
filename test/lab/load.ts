/**
 * Load from elsewhere: a client in a network namespace of its own, whose only connections are to the box's bridge and
 * whose only knowledge is the address of a DNS server. The client itself is load.main.ts.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { run } from '../../src/box/host.ts';

export interface LoadOptions {
  /** The zone's real name, which goes into the Host header. */
  readonly name: string;
  readonly path: string;
  /** Requests a second. */
  readonly rate: number;
  readonly dns: { readonly address: string; readonly port?: number };
  readonly port?: number;
  /** The share of requests that make a connection of their own; a tenth. */
  readonly fresh?: number;
  readonly timeoutMs?: number;
  /** It ends by itself after this. */
  readonly lifetimeMs?: number;
}

export interface Failure {
  /** When the request was due, ms since the epoch; and how long it took to fail, ms. */
  readonly at: number;
  readonly took: number;
  /** The address it went to, if there was one. */
  readonly to: string | null;
  readonly why: string;
  /** The longest that the client itself did not get to run while this was under way, ms: late by its own fault. */
  readonly stalled: number;
}

/** ms from when a request was due until it was answered. */
export interface Latency {
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  readonly max: number;
}

export interface LoadReport {
  readonly sent: number;
  readonly ok: number;
  readonly failed: number;
  /** Sent once more, for the kept connection was closed at that moment. */
  readonly again: number;
  readonly underWay: number;
  /** How long the client has run. */
  readonly ms: number;
  readonly failures: readonly Failure[];
  readonly byAddress: Readonly<Record<string, number>>;
  readonly latency: Latency;
  /** The same for what was answered since the last report. */
  readonly recent: Latency;
  /** The longest that the client did not get to run since the last report, ms. */
  readonly stalled: number;
  /** The share of a core that the client took. */
  readonly cpu: number;
}

export interface DistantLoad {
  rate(perSecond: number): void;
  report(): Promise<LoadReport>;
  /** Sends nothing more and waits for what is under way. Twice gives the same. */
  stop(): Promise<LoadReport>;
}

/** `netns` is a namespace that `ip netns` knows; null: this one. */
export function loadFrom({ netns, ...options }: LoadOptions & { readonly netns: string | null }): DistantLoad {
  const enter = netns === null ? [] : ['ip', 'netns', 'exec', netns];
  const [command = '', ...args] = [...enter, process.execPath, join(import.meta.dirname, 'load.main.ts')];
  const child = spawn(command, [...args, JSON.stringify(options)], { stdio: ['pipe', 'pipe', 'pipe'] });
  const reports = reportsOf(child);
  let last: Promise<LoadReport> | null = null;
  const order = (what: object) => child.stdin.write(`${JSON.stringify(what)}\n`);
  return {
    rate: (perSecond) => void order({ rate: perSecond }),
    report() {
      order({ report: true });
      return reports.next();
    },
    stop() {
      if (last === null) {
        order({ stop: true });
        last = reports.next();
      }
      return last;
    },
  };
}

/** Its lines, in their order: whoever asks first gets the first. Rejects with what it said when it ends otherwise. */
function reportsOf(child: ChildProcess): { next(): Promise<LoadReport> } {
  const waiting: { done: (report: LoadReport) => void; failed: (error: Error) => void }[] = [];
  let complaints = '';
  let over: Error | null = null;
  child.stderr?.on('data', (chunk: Buffer) => (complaints += chunk));
  child.stdin?.on('error', () => {});
  createInterface({ input: child.stdout as NodeJS.ReadableStream }).on('line', (line) => {
    waiting.shift()?.done(JSON.parse(line) as LoadReport);
  });
  child.once('close', (code) => {
    over = new Error(`the load generator ended with ${code}: ${complaints.trim()}`);
    for (const { failed } of waiting.splice(0)) failed(over);
  });
  return {
    next: () =>
      new Promise((done, failed) => {
        if (over !== null) failed(over);
        else waiting.push({ done, failed });
      }),
  };
}

export interface Namespace {
  readonly name: string;
  remove(): Promise<void>;
}

/** A namespace with one interface, which is on the bridge; what a killed run left of it goes first. */
export async function makeNamespace(bridge: string, address: string): Promise<Namespace> {
  const name = `${bridge}-client`;
  const [inside, outside] = ['eth0', `${bridge.slice(0, 11)}-cl`];
  const remove = async () => {
    // The namespace takes its interface along, and that one its other end.
    await run('ip', ['netns', 'delete', name]).catch(() => {});
    await run('ip', ['link', 'delete', outside]).catch(() => {});
  };
  await remove();
  await run('ip', ['netns', 'add', name]);
  await run('ip', ['link', 'add', outside, 'type', 'veth', 'peer', 'name', inside, 'netns', name]);
  await run('ip', ['link', 'set', outside, 'master', bridge, 'up']);
  await run('ip', ['-n', name, 'address', 'add', `${address}/24`, 'dev', inside]);
  await run('ip', ['-n', name, 'link', 'set', 'lo', 'up']);
  await run('ip', ['-n', name, 'link', 'set', inside, 'up']);
  return { name, remove };
}
