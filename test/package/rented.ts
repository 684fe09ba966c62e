/**
 * The installed package renting a machine: the Pulumi engine and the classes of a maker's package are in it, and run. A cloud
 * that makes no machine is enough to see it, and quick.
 */
import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { letIn, TOKENS } from '../digitalocean/cloud.support.ts';
import { noMachines, startCloud } from '../digitalocean/cloud.ts';
import { installPlugin } from '../digitalocean/plugin/install.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';

const SMALL = join(import.meta.dirname, '../../genome/examples/small');

/** `installed` gives the command, and the environment it is to run in. */
export function rented(installed: () => { readonly command: string; readonly env: NodeJS.ProcessEnv }): void {
  withPulumi('the installed package at a cloud', () => {
    test('asks for a machine by the real Pulumi CLI', { timeout: PULUMI_WITHIN }, async ({ onTestFinished }) => {
      const folder = mkdtempSync(join(tmpdir(), 'cell-rented-'));
      const cloud = await startCloud({ machines: noMachines(), zone: 'small.test' });
      onTestFinished(async () => {
        await cloud.close();
        rmSync(folder, { recursive: true, force: true });
      });
      letIn(cloud);
      cloud.trouble = ({ method, path }) =>
        method === 'POST' && path === '/v2/droplets'
          ? { status: 422, body: { id: 'unprocessable_entity', message: 'no room for this droplet' } }
          : null;
      cpSync(SMALL, folder, { recursive: true });
      for (const [kind, token] of Object.entries(TOKENS)) writeFileSync(join(folder, kind), token, { mode: 0o600 });
      const at = (kind: string) => `credentials: file:${kind}, endpoint: "${cloud.url}"`;
      const places = `clouds:
  near: { provider: digitalocean, region: ams3, size: s-1vcpu-1gb, ${at('compute')} }
dns: { provider: digitalocean, ${at('dns')}, ttl: 30s }

`;
      const genome = readFileSync(join(folder, 'genome.yaml'), 'utf8')
        .replace(/^clouds:\n[\s\S]*?(?=^functions:)/m, places)
        .replace('10 USD', '20 USD');
      writeFileSync(join(folder, 'genome.yaml'), genome);
      const bin = join(folder, 'bin');
      await installPlugin(bin);
      const { command, env } = installed();
      const ran = promisify(execFile)(command, ['seed', '--yes'], {
        cwd: folder,
        env: { ...env, NO_COLOR: '1', CELL_NODE: process.execPath, PATH: [bin, env.PATH].join(delimiter) },
      });
      await expect(ran).rejects.toMatchObject({ stderr: expect.stringContaining('no room for this droplet') });
      expect([...cloud.firewalls.values()].map(({ name }) => name)).toHaveLength(1);
      expect(cloud.wrong).toEqual([]);
    });
  });
}
