/** Load on one program, and what became of each request when the program was ended in the midst of it. */
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Options, Program, Stage } from './stage.ts';

export interface Outcome {
  /** The numbers of the requests that were answered with 2xx. */
  readonly acknowledged: readonly number[];
  /** Requests that may have reached the program and were not answered well. */
  readonly lost: readonly string[];
}

export type Write = (number: number) => { method: string; path: string; json: unknown };

/** Clients send one request after the other, until the program takes none any more or it is over. */
async function load(program: Program, write: Write, clients: number, over = () => false): Promise<Outcome> {
  const agent = new Agent({ keepAlive: true });
  const acknowledged: number[] = [];
  const lost: string[] = [];
  let number = 0;
  const send = ({ method, path, json }: ReturnType<Write>) =>
    new Promise<number>((resolve, reject) => {
      const content = json === undefined ? '' : JSON.stringify(json);
      const outgoing = request(program.url + path, {
        method,
        agent,
        headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(content) },
      });
      outgoing.once('error', reject);
      outgoing.once('response', (response) => {
        response.once('error', reject);
        response.once('end', () => resolve(response.statusCode ?? 0));
        response.resume();
      });
      outgoing.end(content);
    });
  const client = async () => {
    while (!over()) {
      const mine = number++;
      try {
        const status = await send(write(mine));
        if (status < 300) acknowledged.push(mine);
        else lost.push(`${mine}: ${status}`);
      } catch (error) {
        const { code, message } = error as NodeJS.ErrnoException;
        if (code !== 'ECONNREFUSED') lost.push(`${mine}: ${message}`);
        return;
      }
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
  agent.destroy();
  return { acknowledged, lost };
}

/** Ends a program with a signal while clients write to it; says what they got and how long the end took (ms). */
export async function endUnderLoad(program: Program, signal: NodeJS.Signals, write: Write, clients = 8) {
  const running = load(program, write, clients);
  await sleep(400);
  const began = Date.now();
  const code = await program.stop(signal);
  const took = Date.now() - began;
  return { ...(await running), code, took };
}

/** What clients got while something was done. */
export async function underLoad(program: Program, write: Write, act: () => Promise<void>, clients = 8) {
  let over = false;
  const running = load(program, write, clients, () => over);
  try {
    await act();
  } finally {
    over = true;
  }
  return running;
}

/** SIGKILL while clients write, then the same function again on the same folder. */
export async function killAndRestart(
  stage: Stage,
  program: Program,
  file: string,
  write: Write,
  options: Options = {},
) {
  const { acknowledged } = await endUnderLoad(program, 'SIGKILL', write);
  const again = await stage.start(program.name, file, { ...options, cell: program.cell, folder: program.folder });
  return { acknowledged, again };
}

/** The numbers to look up one by one: those that a crash would take first, and a few of the others. */
export function lastOf(numbers: readonly number[]): readonly number[] {
  return numbers.filter((_, i) => i >= numbers.length - 80 || i % 50 === 0);
}
