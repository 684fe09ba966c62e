/**
 * The installed package's half of the Pulumi engine: bin/pulumi-resource-cell, found on PATH by the real CLI, serving
 * from the bundle. The program and the Automation API are the test's own.
 */
import { mkdirSync, readdirSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { LocalWorkspace, type Stack } from '@pulumi/pulumi/automation/index.js';
import { expect, test } from 'vitest';
import { freePort } from '../../src/effects/services.ts';
import { processesWith } from '../../src/local/processes.ts';
import { commandOf } from '../../stacks/engines/pulumi.command.ts';
import { findPulumi } from '../../stacks/engines/pulumi.find.ts';
import { machineHandler } from '../../stacks/machines/local.handler.ts';
import { program } from '../../stacks/program.ts';
import { dnsProvider } from '../../stacks/records/index.ts';
import type { Json, ResourceSpec, StackPlan } from '../../stacks/stack.ts';
import { openYard } from '../local/machine.support.ts';
import { PULUMI_WITHIN, withPulumi } from '../stacks/engines/pulumi.support.ts';

const DOMAIN = 'www.yard.test';

/** `installed` is the package's folder. */
export function plugin(installed: () => string): void {
  withPulumi('the installed plugin under a real Pulumi CLI', () => {
    test('makes a machine and a record, and takes them away', { timeout: PULUMI_WITHIN }, async () => {
      const yard = openYard('127.81.5.0/24');
      const dns = dnsProvider('local');
      const gene = { provider: 'local', port: await freePort('127.0.0.1'), ttl: 5_000 } as const;
      const record = await dns.credential(gene, yard.dir, { zone: 'small.test' });
      const credentials: Record<string, Json> = { local: yard.credential, 'local-dns': record };
      let stack: Stack | null = null;
      try {
        const need = { organism: 'yard', birth: 'b1', zone: 'yard.test', domains: [DOMAIN] };
        const plan: StackPlan = {
          name: 'yard',
          kind: 'body',
          cell: 'b1',
          engine: 'pulumi',
          resources: [
            { type: machineHandler.type, name: 'machine', inputs: yard.inputs('b1') },
            ...dns.resources(need, gene).map(takingTheAddress),
          ],
        };
        stack = await stackOf(plan, yard.dir, installed(), credentials);
        await stack.up({ color: 'never' });
        const { deployment } = await stack.exportStack();
        const [machine] = deployment.resources.filter(({ type }: { type: string }) => type === machineHandler.type);
        expect(machine.id).toBe('yard-b1');
        const { address } = machine.outputs as { address: string };
        expect(await dns.resolve(DOMAIN, 'A', record)).toEqual([address]);
        // It has the programs of the package it was made by, and answers.
        const again = await yard.make('b1');
        expect(again.address).toBe(address);
        expect((await again.ssh('echo $CELL_ROOT')).out.toString().trim()).toBe(again.root);
        expect(readdirSync(join(again.folder, 'host'))).toContain('machine.js');
        await stack.destroy({ color: 'never' });
        expect(processesWith({ CELL_MACHINE: again.marker })).toEqual([]);
        expect(await dns.list('yard', record)).toEqual([]);
      } finally {
        await stack?.destroy({ color: 'never' });
        await dns.forget?.('yard', record);
        await yard.close();
      }
    });
  });
}

/** The record of the machine beside it, by a reference in place of a value that is known before. */
function takingTheAddress(spec: ResourceSpec): ResourceSpec {
  const text = JSON.stringify(spec).replace('{"$value":"address"}', '{"$ref":"machine.address"}');
  return JSON.parse(text) as ResourceSpec;
}

async function stackOf(plan: StackPlan, base: string, installed: string, credentials: Json): Promise<Stack> {
  for (const folder of ['state', 'work', 'home']) mkdirSync(join(base, folder));
  return LocalWorkspace.createStack(
    { stackName: plan.name, projectName: 'cell', program: program(plan, {}, {}) },
    {
      workDir: join(base, 'work'),
      pulumiHome: join(base, 'home'),
      pulumiCommand: await commandOf(findPulumi() as string, join(base, 'home')),
      secretsProvider: 'passphrase',
      projectSettings: {
        name: 'cell',
        runtime: 'nodejs',
        backend: { url: `file://${join(base, 'state')}` },
      },
      envVars: {
        PATH: [join(installed, 'bin'), process.env.PATH].join(delimiter),
        PULUMI_CONFIG_PASSPHRASE: 'for a test',
        PULUMI_SKIP_UPDATE_CHECK: 'true',
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: 'true',
        CELL_NODE: process.execPath,
        CELL_CREDENTIALS: JSON.stringify(credentials),
      },
    },
  );
}
