/**
 * Conformance of the engines, last part: the real thing. The stacks of the example `small`, compiled from its genome, with
 * the local machine and the local DNS behind them; after each call the machine is asked over SSH, and the name over DNS.
 */
import { Resolver } from 'node:dns/promises';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { compile, firstCell } from '../../../../genome/compile.ts';
import { parseGenome } from '../../../../genome/parse.ts';
import type { Genome } from '../../../../genome/schema.ts';
import { dnsOf } from '../../../../src/decide/dns.ts';
import { freePort } from '../../../../src/effects/services.ts';
import { readMachine } from '../../../../src/local/host.ts';
import { processesWith } from '../../../../src/local/processes.ts';
import type { Reach } from '../../../../src/model.ts';
import { packageRoot } from '../../../../src/programs.ts';
import { engine } from '../../../../stacks/engines/index.ts';
import { computeProvider } from '../../../../stacks/machines/index.ts';
import { dnsProvider } from '../../../../stacks/records/index.ts';
import type { EngineName, Json, StackPlan } from '../../../../stacks/stack.ts';
import { run } from '../../../local/machine.support.ts';
import { failure, short } from './bench.ts';

const DOMAIN = 'www.small.test';

/** `network` must be the caller's own. */
export function small(name: EngineName, network: string, timeoutMs: number): void {
  let base: string;
  let port: number;
  let credentials: Record<string, Json>;

  const genomeWith = (ttl: string): Genome => {
    const file = join(packageRoot(), 'genome/examples/small/genome.yaml');
    const text = readFileSync(file, 'utf8')
      .replace('127.70.0.0/16', network)
      .replace('port: 5384', `port: ${port}`)
      .replace('ttl: 5s', `ttl: ${ttl}`);
    const { genome, findings } = parseGenome(text, file);
    if (genome === null) throw new Error(JSON.stringify(findings));
    return genome;
  };
  /** Made for the embedded engine by its providers; here either engine runs them. */
  const plans = (ttl: string): readonly [StackPlan, StackPlan] => {
    const genome = genomeWith(ttl);
    const [body, voice] = compile(genome, firstCell(genome)).map((plan) => ({ ...plan, engine: name }));
    return [body!, voice!];
  };
  const at = (home: string) => engine(name, { home: join(base, home), credentials });
  const key = () => {
    const { private: secret, public: open } = ssh2.utils.generateKeyPairSync('ed25519');
    return { secret, open: open.trim() };
  };
  const dns = () => dnsProvider('local');
  /** What a resolver anywhere would get: addresses with their TTLs. */
  const answers = async () => {
    const resolver = new Resolver({ timeout: 2_000, tries: 3 });
    resolver.setServers([`127.0.0.1:${port}`]);
    return resolver.resolve4(DOMAIN, { ttl: true });
  };

  beforeEach(async () => {
    base = mkdtempSync(join(tmpdir(), `cell-small-${name}-`));
    port = await freePort('127.0.0.1');
    const genome = genomeWith('5s');
    credentials = {
      local: await computeProvider('local').credential(genome.clouds.here!, base),
      'local-dns': await dns().credential(dnsOf(genome)[0]!.gene, base, genome),
    };
  });

  afterEach(async () => {
    // What a failed test left goes the way that `cell sweep` takes.
    for (const { id } of await computeProvider('local').list('small', credentials.local!)) {
      await computeProvider('local').remove(id, credentials.local!);
    }
    for (const { id } of await dns().list('small', credentials['local-dns']!)) {
      await dns().remove(id, credentials['local-dns']!);
    }
    await dns().forget?.('small', credentials['local-dns']!);
    rmSync(base, { recursive: true, force: true });
  }, 60_000);

  test('the stacks of `small` come up, change, move to another home and go', { timeout: timeoutMs }, async () => {
    const [body, voice] = plans('5s');
    const [hostKey, imprintKey] = [key(), key()];
    const bodyBindings = { values: { imprintKey: imprintKey.open }, secrets: { hostKey: hostKey.secret } };
    writeFileSync(join(base, 'id'), imprintKey.secret, { mode: 0o600 });
    const greeting = async ({ address, sshPort, user }: Reach) => {
      writeFileSync(join(base, 'known'), `[${address}]:${sshPort} ${hostKey.open}\n`);
      const options = ['-F', 'none', '-i', join(base, 'id'), '-p', String(sshPort), '-o', 'BatchMode=yes'];
      const known = ['-o', `UserKnownHostsFile=${join(base, 'known')}`, '-o', 'StrictHostKeyChecking=yes'];
      const { out, err } = await run('ssh', [...options, ...known, `${user}@${address}`, 'echo hello']);
      return `${out.toString()}${err}`.trim();
    };

    const here = await at('here');
    expect(short((await here.preview(body, bodyBindings)).changes)).toEqual(['create machine']);
    const made = await here.up(body, bodyBindings);
    expect(short(made.changes)).toEqual(['create machine']);
    const reach = computeProvider('local').reach(made.outputs);
    expect(await greeting(reach)).toBe('hello');
    const { folder, marker, pid } = machineAt(reach);

    const address = { values: { address: reach.address, address6: '' } };
    expect(short((await here.up(voice, address)).changes)).toEqual([`create ${DOMAIN}/A`, `create ${DOMAIN}/owner`]);
    expect(await answers()).toEqual([{ address: reach.address, ttl: 5 }]);
    expect(await dns().resolve(`_cell.${DOMAIN}`, 'TXT', credentials['local-dns']!)).toEqual([
      `v=cell1 organism=small cell=${body.cell}`,
    ]);

    expect(short((await here.up(body, bodyBindings)).changes)).toEqual(['same machine']);
    expect(short((await here.up(voice, address)).changes)).toEqual([`same ${DOMAIN}/A`, `same ${DOMAIN}/owner`]);
    expect(machineAt(reach).pid).toBe(pid);

    const slower = plans('7s')[1];
    expect(short((await here.up(slower, address)).changes)).toEqual([
      `update ${DOMAIN}/A ttl`,
      `update ${DOMAIN}/owner ttl`,
    ]);
    expect(await answers()).toEqual([{ address: reach.address, ttl: 7 }]);

    const there = await at('there');
    for (const { name: stack } of [body, voice]) {
      const portable = JSON.parse(JSON.stringify(await here.export(stack)));
      expect(JSON.stringify(portable)).not.toContain(hostKey.secret.split('\n')[2]);
      await there.import(stack, portable);
      await here.forget(stack);
    }
    expect(await here.list()).toEqual([]);
    expect(short((await there.up(body, bodyBindings)).changes)).toEqual(['same machine']);
    expect(short((await there.up(slower, address)).changes)).toEqual([`same ${DOMAIN}/A`, `same ${DOMAIN}/owner`]);
    expect(short((await there.refresh(body.name)).changes)).toEqual(['same machine']);
    expect(await greeting(reach)).toBe('hello');

    await there.destroy(voice.name);
    expect((await failureOf(answers())).code).toMatch(/ENOTFOUND|ENODATA|EREFUSED/);
    expect(await dns().list('small', credentials['local-dns']!)).toEqual([]);
    expect(await greeting(reach)).toBe('hello');
    await there.destroy(body.name);
    expect(existsSync(folder)).toBe(false);
    expect(processesWith({ CELL_MACHINE: marker })).toEqual([]);
    expect(await greeting(reach)).toContain('Connection refused');
    expect(await there.list()).toEqual([]);
  });

  test('what a real provider refuses is told with its reason', { timeout: timeoutMs }, async () => {
    const [body] = plans('5s');
    const bindings = { values: { imprintKey: key().open }, secrets: { hostKey: 'nothing' } };
    const error = await failure((await at('here')).up(body, bindings));
    expect(error).toMatchObject({ code: 'STACK_FAILED', fields: { resource: 'machine' } });
    expect(error.why).toContain('expected an OpenSSH key');
    await (await at('here')).destroy(body.name);
  });

  const machineAt = ({ root }: Reach) => {
    const folder = join(root, '..');
    const file = readMachine(folder);
    if (file === null) throw new Error('there is no machine');
    return { folder, marker: file.marker, pid: readFileSync(join(folder, 'host/machine.pid'), 'utf8') };
  };
}

async function failureOf(work: Promise<unknown>): Promise<NodeJS.ErrnoException> {
  return work.then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  );
}
