/** `cell doctor`: what this computer and this genome still lack, and how to get it. Looks, changes nothing. */
import { execFile } from 'node:child_process';
import { stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { promisify } from 'node:util';
import type { Genome } from '../genome/schema.ts';
import { type About, examineCredential, isExamined } from '../stacks/credentials/examine.ts';
import type { Gene } from '../stacks/credentials/index.ts';
import { findPulumi, findTool } from '../stacks/engines/pulumi.find.ts';
import { dnsProvider } from '../stacks/records/index.ts';
import type { Json } from '../stacks/stack.ts';
import { divisionMb, toolOf } from '../stacks/tools.ts';
import { dnsFor, dnsOf, ONLY } from './decide/dns.ts';
import { OLDEST_NODE } from './effects/artefacts.ts';
import { resolveSecret } from './effects/secrets.ts';
import { CellError, messageOf } from './errors.ts';
import { allTools } from './tools.ts';

export interface Check {
  readonly name: string;
  readonly ok: boolean;
  /** Without it something works less, but everything needed works. */
  readonly optional: boolean;
  readonly found: string;
  readonly mend: string | null;
}

type Look = { readonly found: string; readonly mend?: string };

async function check(name: string, optional: boolean, look: () => Promise<Look>): Promise<Check> {
  try {
    const { found, mend } = await look();
    return { name, ok: mend === undefined, optional, found, mend: mend ?? null };
  } catch (error) {
    const mend =
      error instanceof CellError ? (error.suggestion ?? error.why ?? null) : 'Install it and put it on PATH.';
    return { name, ok: false, optional, found: messageOf(error).split('\n')[0] ?? '', mend };
  }
}

const version = async (file: string, args: readonly string[]): Promise<string> => {
  const { stdout, stderr } = await promisify(execFile)(file, [...args], { timeout: 10_000 });
  return (stdout || stderr).trim().split('\n')[0] ?? '';
};

/** Every check, in the order in which a reader would mend them. */
export async function doctor(genome: Genome | null): Promise<readonly Check[]> {
  const tools = [
    check('node', false, async () => {
      const [major = 0, minor = 0] = process.versions.node.split('.').map(Number);
      const fits = major > OLDEST_NODE[0] || (major === OLDEST_NODE[0] && minor >= OLDEST_NODE[1]);
      const found = `v${process.versions.node}`;
      return fits ? { found } : { found, mend: `Node ${OLDEST_NODE.join('.')} or later is needed.` };
    }),
    check('git', false, async () => ({ found: await version('git', ['--version']) })),
    check('ssh', false, async () => ({ found: await version('ssh', ['-V']) })),
    check('tar', false, async () => ({ found: await version('tar', ['--version']) })),
    check('sha256sum', false, async () => ({ found: await version('sha256sum', ['--version']) })),
    ...aboutTools(genome),
  ];
  const checks = await Promise.all([...tools, ...(genome === null ? [] : aboutGenome(genome))]);
  // What two of them lack is said once.
  const said = (one: Check) => checks.find(({ ok, found, mend }) => !ok && found === one.found && mend === one.mend);
  return checks.filter((one) => one.ok || said(one) === one);
}

/** The engine of clouds and its plugins: those that the genome needs, how large they are, and what runs them take. */
function aboutTools(genome: Genome | null): Promise<Check>[] {
  const needed = genome === null ? [] : allTools(genome);
  if (needed.length === 0) {
    return [
      check('pulumi', true, async () => {
        const found = findPulumi();
        if (found !== null) return { found: `${await version(found, ['version'])} at ${found}` };
        return { found: 'not found', mend: 'Needed for clouds only; `local` runs on the embedded engine.' };
      }),
    ];
  }
  return needed.map((name) => {
    const { file, version: wanted, disk } = toolOf(name);
    return check(file, true, async () => {
      const found = name === 'pulumi' ? findPulumi() : findTool(file, wanted);
      const takes = name === 'pulumi' ? `; a division takes some ${divisionMb(needed)} MB of memory while it runs` : '';
      if (found === null) {
        const size = disk === null ? 'nobody has measured how large it is' : `${disk} MB`;
        return {
          found: `${wanted} is not here (${size})${takes}`,
          mend: 'Put it on PATH, or let `cell seed` fetch it.',
        };
      }
      const size = `${Math.round((await stat(found)).size / 1e6)} MB`;
      // A plugin answers nobody but the CLI.
      const says = name === 'pulumi' ? `${await version(found, ['version'])} ` : '';
      return { found: `${says}at ${found} (${size})${takes}` };
    });
  });
}

function aboutGenome(genome: Genome): Promise<Check>[] {
  const clouds = Object.entries(genome.clouds).map(([name, gene]) =>
    check(`cloud ${name}`, false, async () => {
      const { computeProvider } = await import('../stacks/machines/index.ts');
      const examined = await computeProvider(gene.provider).examine?.(gene, genome.organism);
      if (examined !== undefined) return { ...examined, found: `${gene.provider}: ${examined.found}` };
      if (gene.provider !== 'local') return { found: gene.provider };
      const address = gene.network.replace(/\.0\/(16|24)$/, '.1');
      const free = await canListen(address, gene.sshPort);
      if (free) return { found: `${gene.provider}, addresses in ${gene.network}` };
      const mend = `This computer lets nobody listen at ${address}:${gene.sshPort}. On macOS add loopback aliases: sudo ifconfig lo0 alias ${address}`;
      return { found: `${gene.provider}: ${address} is not usable`, mend };
    }),
  );
  const domains = Object.values(genome.functions).flatMap(({ domain }) => domain ?? []);
  const dns = dnsOf(genome).map(({ name, zone, gene }) =>
    check(name === ONLY ? name : `dns ${name}`, false, async () => {
      const provider = dnsProvider(gene.provider);
      if (provider.examine === undefined)
        return { found: `${gene.provider}${'port' in gene ? ` on port ${gene.port}` : ''} for ${zone}` };
      const spoken = domains.filter((domain) => dnsFor(genome, domain).some((one) => one.name === name));
      const credential = await provider.credential(gene, '', { zone });
      return { found: await provider.examine({ organism: genome.organism, zone, domains: spoken }, credential) };
    }),
  );
  const secrets = Object.entries(genome.functions).flatMap(([name, gene]) =>
    Object.entries(gene.secrets).map(([variable, source]) =>
      check(`secret ${name}.${variable}`, false, async () => {
        await resolveSecret(source);
        return { found: `${source} is there` };
      }),
    ),
  );
  return [...clouds, ...dns, ...aboutCredentials(genome), ...secrets];
}

/** What each credential may do, where its provider says it or it can be proved: too little, and too much. */
function aboutCredentials(genome: Genome): Promise<Check>[] {
  const { organism } = genome;
  const look = (gene: Gene, credential: Json, about: Omit<About, 'organism'>) =>
    examineCredential(gene, credential, { ...about, organism });
  const clouds = Object.entries(genome.clouds).flatMap(([name, gene]) =>
    isExamined(gene)
      ? check(`credential ${name}`, false, async () => {
          const { computeProvider } = await import('../stacks/machines/index.ts');
          const credential = await computeProvider(gene.provider).credential(gene, '');
          return look(gene, credential, { kind: 'compute', zone: null });
        })
      : [],
  );
  const dns = dnsOf(genome).flatMap(({ name, zone, gene }) =>
    isExamined(gene)
      ? check(`credential ${name === ONLY ? name : `dns ${name}`}`, false, async () => {
          const credential = await dnsProvider(gene.provider).credential(gene, '', { zone });
          return look(gene, credential, { kind: 'dns', zone });
        })
      : [],
  );
  return [...clouds, ...dns];
}

/** Whether an address can be listened on; one that somebody of ours listens on can. */
function canListen(host: string, port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code === 'EADDRINUSE'));
    server.listen({ host, port, exclusive: true }, () => server.close(() => resolve(true)));
  });
}

export function doctorText(checks: readonly Check[]): string {
  const width = Math.max(18, ...checks.map(({ name }) => name.length));
  const lines = checks.map(({ name, ok, optional, found, mend }) => {
    const mark = ok ? 'ok     ' : optional ? 'absent ' : 'MISSING';
    return `${mark}  ${name.padEnd(width)}  ${found}${mend === null ? '' : `\n${' '.repeat(width + 11)}${mend}`}`;
  });
  return lines.join('\n');
}
