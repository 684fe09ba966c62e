/**
 * An example as its user has it on machines of one's own: its `genome.servers.yaml` with a box on this computer and a Knot
 * for its zone filled in, seeded by the CLI, and loaded from a network namespace that knows only the name server.
 */
import { cpSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { shellQuote } from '../../../src/effects/quote.ts';
import { layout } from '../../../src/layout.ts';
import type { Status, StatusCell } from '../../../src/status.ts';
import { type Answer, type Plot, plotIn } from '../../e2e/garden.ts';
import type { LabBox } from '../box.ts';
import { settleDown } from '../ground.ts';
import { type DistantLoad, loadFrom, makeNamespace } from '../load.ts';
import type { NameServer } from '../nameservers.ts';

const EXAMPLES = join(import.meta.dirname, '../../../genome/examples');

export interface LabOrganism extends Plot {
  readonly box: LabBox;
  readonly knot: NameServer;
  seed(): Promise<void>;
  load(domain: string, path: string, rate: number): DistantLoad;
  /** Pulls a cell's plug. */
  cutPower(cell: StatusCell): Promise<void>;
  /** A command in a shell on a cell's machine, as its operator. Throws what it said when it fails. */
  on(cell: StatusCell, command: string): Promise<string>;
  /** A request to one of a cell's own ports, made there: its firewall lets other cells in, and clients to domains only. */
  fetchOn(cell: StatusCell, port: number, path: string, put?: string): Promise<Answer>;
  /** How it is, and what its machines said last: for whoever reads why a test failed. */
  diary(): Promise<string>;
  /** What is left of it outside of its folder: machines, interfaces of machines, records. */
  astray(): Promise<readonly string[]>;
  close(): Promise<void>;
}

export interface Planting {
  /** Makes the box and its network; one a test file. */
  readonly octet: number;
  /** Machines that the box makes for it. */
  readonly quota: number;
  readonly ttlMs: number;
  /** Changes of the genome's text, each of which must find its place. */
  readonly edits: readonly (readonly [string | RegExp, string])[];
}

export async function plantOnBox(example: string, { octet, quota, ttlMs, edits }: Planting): Promise<LabOrganism> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-lab-'));
  const { box, knot, places } = await settleDown(octet, example, quota, folder);
  const dns = { address: knot.address, port: knot.port };
  const namespace = await makeNamespace(box.bridge, `10.${octet}.0.254`);
  cpSync(join(EXAMPLES, example), folder, { recursive: true });
  const text = readFileSync(join(folder, 'genome.servers.yaml'), 'utf8');
  // The words that a reader fills in.
  const filled: (readonly [string | RegExp, string])[] = [
    [/^clouds:\n[\s\S]*?(?=^functions:)/m, `${places(ttlMs)}\n\n`],
  ];
  writeFileSync(join(folder, 'genome.yaml'), [...filled, ...edits].reduce(replaced, text));
  const plot = plotIn(folder, { dns, httpPort: 80 });
  const loads = new Set<DistantLoad>();
  const machineAt = (address: string) => box.machines().find((machine) => machine.address === address)?.id;

  const on: LabOrganism['on'] = async ({ name }, command) => {
    const { code, stdout, stderr } = await plot.cell('ssh', name, '--', command);
    if (code !== 0) throw new Error(`${name}: ${command}: ${code}\n${stdout}${stderr}`);
    return stdout.trim();
  };

  return {
    ...plot,
    box,
    knot,
    on,
    async seed() {
      const { code, stdout, stderr } = await plot.cell('seed', '--yes');
      if (code !== 0) throw new Error(`cell seed: ${code}\n${stdout}${stderr}`);
    },
    load(domain, path, rate) {
      const load = loadFrom({ netns: namespace.name, name: domain, path, rate, dns });
      loads.add(load);
      return load;
    },
    async cutPower({ name, address }) {
      const id = machineAt(address);
      if (id === undefined) throw new Error(`${name} has no machine on the box`);
      await box.powerOff(id);
    },
    async fetchOn(cell, port, path, put) {
      const headers = { 'content-type': 'application/json' };
      const options = JSON.stringify(put === undefined ? {} : { method: 'PUT', body: put, headers });
      const script = `fetch('http://${cell.address}:${port}${path}', ${options})
        .then(async (answer) => console.log(JSON.stringify({ status: answer.status, body: await answer.text() })))`;
      const { runtime } = layout('');
      return JSON.parse(await on(cell, `PATH=$PATH:${runtime} node -e ${shellQuote(script)}`)) as Answer;
    },
    async diary() {
      const pages = [(await plot.cell('status')).stdout];
      for (const cell of (await plot.status()).cells) {
        const lines = "journalctl --no-pager -o cat -n 60 -u 'cell-*' | cut -c1-300";
        pages.push(`${cell.name}:\n${await on(cell, lines).catch((error: Error) => error.message)}`);
      }
      return pages.join('\n\n');
    },
    async astray() {
      const records = (await knot.dump()).filter((record) => !/\sNS\s|^ns\./.test(record));
      const machines = box.machines().map(({ id }) => id);
      const interfaces = readdirSync(`/sys/class/net/${box.bridge}/brif`).filter((name) => !name.endsWith('-cl'));
      return [...machines, ...interfaces, ...records];
    },
    async close() {
      await Promise.all([...loads].map((load) => load.stop().catch(() => {})));
      await namespace.remove();
      await Promise.all([box.stop(), knot.stop()]);
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

function replaced(text: string, [what, by]: readonly [string | RegExp, string]): string {
  const found = typeof what === 'string' ? text.includes(what) : what.test(text);
  if (!found) throw new Error(`the genome has no ${what}`);
  return text.replace(what, () => by);
}

/** The cells that perform a function. */
export function homesOf(status: Status, name: string): readonly StatusCell[] {
  return status.cells.filter((cell) => cell.functions.some((one) => one.name === name));
}
