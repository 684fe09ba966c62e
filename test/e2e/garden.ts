/** An example as its user has it: copied into a folder, seeded by the CLI, on a network and a DNS port of its own. */
import { spawn } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePort } from '../../src/effects/services.ts';
import type { Status } from '../../src/status.ts';

const ROOT = join(import.meta.dirname, '../..');

export interface Answer {
  readonly status: number;
  readonly body: string;
}

/** Where its own DNS server answers, and its machines HTTP. */
export interface Ground {
  readonly dns: { readonly address: string; readonly port: number };
  readonly httpPort: number;
  /** Words before its command lines, where its user sits at another computer. */
  readonly through?: readonly string[];
}

/** An organism in a folder, looked at as its user does. */
export interface Plot {
  readonly folder: string;
  readonly home: string;
  cell(
    ...args: readonly string[]
  ): Promise<{ readonly code: number; readonly stdout: string; readonly stderr: string }>;
  status(): Promise<Status>;
  /** Looks at the status until it holds. */
  until(what: string, holds: (status: Status) => boolean, withinMs: number): Promise<Status>;
  /** Asks the organism's own DNS server. */
  addresses(domain: string): Promise<readonly string[]>;
  /** One request to a domain, by DNS, as any client. */
  ask(domain: string, path: string, post?: string): Promise<Answer>;
}

export interface Garden extends Plot {
  readonly dnsPort: number;
  /** Command lines of processes that belong to it. */
  processes(): readonly string[];
  close(): Promise<void>;
}

/** An organism whose genome is in a folder. */
export function plotIn(folder: string, { dns, httpPort, through = [] }: Ground): Plot {
  const home = join(folder, '.cell');
  const resolver = new Resolver({ timeout: 1_000, tries: 2 });
  resolver.setServers([`${dns.address}:${dns.port}`]);

  const plot: Plot = {
    folder,
    home,
    cell: (...args) =>
      new Promise((resolve) => {
        const env = { ...process.env, NO_COLOR: '1' };
        const [program = '', ...words] = [...through, process.execPath, join(ROOT, 'bin/cell.js'), ...args];
        const child = spawn(program, words, {
          cwd: folder,
          env,
          stdio: ['ignore', 'pipe', 'pipe'],
        });
        let [stdout, stderr] = ['', ''];
        child.stdout.on('data', (chunk) => (stdout += chunk));
        child.stderr.on('data', (chunk) => (stderr += chunk));
        child.on('close', (code) => resolve({ code: code ?? 1, stdout, stderr }));
      }),
    async status() {
      const ran = await plot.cell('status', '--json');
      if (ran.code !== 0) throw new Error(`cell status: ${ran.stdout}${ran.stderr}`);
      return JSON.parse(ran.stdout) as Status;
    },
    async until(what, holds, withinMs) {
      const deadline = Date.now() + withinMs;
      for (;;) {
        const status = await plot.status();
        if (holds(status)) return status;
        if (Date.now() > deadline) {
          throw new Error(
            `${what}: not within ${withinMs} ms\n${status.cells.map((cell) => `${cell.name} ${cell.state}: ${cell.why}`).join('\n')}`,
          );
        }
        await sleep(700);
      }
    },
    addresses: (domain) => resolver.resolve4(domain),
    async ask(domain, path, post) {
      const [address] = await plot.addresses(domain);
      return new Promise((resolve, reject) => {
        const call = request(
          {
            host: address,
            port: httpPort,
            path,
            method: post === undefined ? 'GET' : 'POST',
            headers: {
              host: domain,
              'content-type': post?.startsWith('{') ? 'application/json' : 'application/x-www-form-urlencoded',
            },
          },
          (response) => {
            let body = '';
            response.on('data', (chunk) => (body += chunk));
            response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
          },
        );
        call.setTimeout(20_000, () => call.destroy(new Error(`${domain}${path}: no answer`)));
        call.on('error', reject);
        call.end(post);
      });
    },
  };
  return plot;
}

/** Copies an example; `edit` changes its genome before anything is done. */
export async function plant(
  example: string,
  file: string,
  edit: (genome: string) => string = (text) => text,
): Promise<Garden> {
  const folder = mkdtempSync(join(tmpdir(), 'cell-garden-'));
  const home = join(folder, '.cell');
  const dnsPort = await freePort('127.0.0.1');
  const network = `127.${100 + Math.floor(Math.random() * 20)}.${Math.floor(Math.random() * 256)}.0/24`;
  const source = join(ROOT, 'genome/examples', example);
  cpSync(source, folder, { recursive: true });
  const text = readFileSync(join(source, file), 'utf8')
    .replace(/network: \S+/, `network: ${network}`)
    .replace(/port: 538\d/, `port: ${dnsPort}`);
  writeFileSync(join(folder, 'genome.yaml'), edit(text));

  const plot = plotIn(folder, { dns: { address: '127.0.0.1', port: dnsPort }, httpPort: 8080 });
  const garden: Garden = {
    ...plot,
    dnsPort,
    processes() {
      const found: string[] = [];
      for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
        try {
          const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
          const env = readFileSync(`/proc/${pid}/environ`, 'utf8');
          if (line.includes(folder) || env.includes(`${folder}/`)) found.push(`${pid} ${line}`);
        } catch {
          // It ended meanwhile.
        }
      }
      return found;
    },
    async close() {
      if (existsSync(home)) await garden.cell('destroy', '--yes');
      for (const line of garden.processes()) {
        try {
          process.kill(Number(line.split(' ')[0]), 'SIGKILL');
        } catch {
          // It ended meanwhile.
        }
      }
      rmSync(folder, { recursive: true, force: true });
    },
  };
  return garden;
}
