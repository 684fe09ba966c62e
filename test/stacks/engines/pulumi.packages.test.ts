/** Resources of Pulumi's own packages: how their plugins get a credential, and that no checkpoint does. */
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { shellCommand } from '../../../src/effects/quote.ts';
import { engine } from '../../../stacks/engines/index.ts';
import { demanded, environmentOf } from '../../../stacks/engines/pulumi.credentials.ts';
import type { Json, StackPlan } from '../../../stacks/stack.ts';
import { texts } from './conformance/bench.ts';
import { PULUMI_WITHIN, withPulumi } from './pulumi.support.ts';

describe('the environment of plugins', () => {
  const near = { type: 'pulumi:providers:digitalocean', name: 'digitalocean/near' };
  const zone = { type: 'pulumi:providers:aws', name: 'route53-dns' };
  const far = { type: 'pulumi:providers:linode', name: 'linode/far' };
  const credentials = {
    'linode/far': { token: 'f' },
    'digitalocean/near': { token: 'n' },
    'route53-dns': { accessKeyId: 'a', secretAccessKey: 's' },
  };

  test('has the credential that the provider names, and nothing that happens to be on a computer', () => {
    expect(environmentOf([near, zone, far], credentials)).toEqual({
      DIGITALOCEAN_TOKEN: 'n',
      DIGITALOCEAN_ACCESS_TOKEN: '',
      DIGITALOCEAN_API_URL: '',
      AWS_ACCESS_KEY_ID: 'a',
      AWS_SECRET_ACCESS_KEY: 's',
      AWS_SESSION_TOKEN: '',
      AWS_PROFILE: '',
      AWS_CONFIG_FILE: '/dev/null',
      AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
      AWS_EC2_METADATA_DISABLED: 'true',
      LINODE_TOKEN: 'f',
      LINODE_URL: '',
      LINODE_API_VERSION: '',
    });
  });

  test('has nothing for our own resources, nor for providers that Pulumi adds', () => {
    const others = [
      { type: 'cell:local:Machine', name: 'machine' },
      { type: 'pulumi:providers:cell', name: 'default' },
      { type: 'pulumi:providers:aws', name: 'default_7_48_0' },
    ];
    expect(demanded(others, {})).toEqual([]);
    expect(environmentOf(others, credentials)).toEqual({});
  });

  test.each<[string, Json]>([
    ['none', null],
    ['a bare text', 'token'],
    ['a list', ['token']],
  ])('is refused where the credential is %s', (_, credential) => {
    const known = { 'digitalocean/near': credential, 'digitalocean/far': { token: 'f' } };
    expect(() => demanded([near], known)).toThrow('the provider digitalocean/near has no credential');
    expect(environmentOf([near], known)).toEqual({});
  });

  test('cannot have two of one package', () => {
    const far = { ...near, name: 'digitalocean/far' };
    const known = { 'digitalocean/near': { token: 'n' }, 'digitalocean/far': { token: 'f' } };
    expect(() => environmentOf([near, far], known)).toThrow('two providers');
  });
});

withPulumi('the Pulumi engine, resources of a package', () => {
  const path = process.env.PATH;
  let folder: string;
  let notes: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'cell-packages-'));
    notes = join(folder, 'notes');
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    const plugin = resolve(import.meta.dirname, 'support/plugin.main.ts');
    const line = shellCommand([process.execPath, plugin]);
    writeFileSync(join(bin, 'pulumi-resource-linode'), `#!/bin/sh\nexec ${line} "$@"\n`);
    chmodSync(join(bin, 'pulumi-resource-linode'), 0o755);
    process.env.PATH = [bin, path].join(delimiter);
    process.env.PLUGIN_NOTES = notes;
  });
  afterEach(() => {
    process.env.PATH = path;
    delete process.env.PLUGIN_NOTES;
    rmSync(folder, { recursive: true, force: true });
  });

  const planOf = (label: string): StackPlan => ({
    ...{ name: 'garden-b0123456789-body', kind: 'body', cell: 'b0123456789', engine: 'pulumi' },
    resources: [
      { type: 'pulumi:providers:linode', name: 'linode/far', inputs: { url: 'http://127.0.0.1:9' } },
      {
        type: 'linode:index/firewall:Firewall',
        name: 'firewall',
        provider: 'linode/far',
        inputs: { label, inboundPolicy: 'DROP', outboundPolicy: 'ACCEPT' },
      },
    ],
  });
  const home = () => join(folder, 'home');
  const open = (token: string | null) =>
    engine('pulumi', { home: home(), credentials: token === null ? {} : { 'linode/far': { token } } });

  test('a plugin has the credential of each call, and no checkpoint has any', { timeout: PULUMI_WITHIN }, async () => {
    const first = await (await open('token-of-the-parent')).up(planOf('garden'), {});
    expect(first.changes).toEqual([
      { operation: 'create', type: 'linode:index/firewall:Firewall', name: 'firewall', keys: [] },
    ]);
    expect(first.outputs.firewall).toMatchObject({ id: '17', label: 'garden' });
    expect(first.outputs).not.toHaveProperty('linode/far');

    const changed = await (await open('token-that-was-rotated')).up(planOf('yard'), {});
    expect(changed.changes).toMatchObject([{ operation: 'update', name: 'firewall' }]);
    const portable = await (await open(null)).export('garden-b0123456789-body');
    for (const text of [...texts(home()), JSON.stringify(portable)]) expect(text).not.toContain('token-');

    await expect((await open(null)).destroy('garden-b0123456789-body')).rejects.toMatchObject({
      code: 'PROVIDER_REFUSED',
      fields: { provider: 'linode/far' },
    });
    await (await open('token-of-the-child')).destroy('garden-b0123456789-body');
    expect(readFileSync(notes, 'utf8').trim().split('\n')).toEqual([
      'create with token-of-the-parent',
      'update with token-that-was-rotated',
      // What went by itself is noticed first, so that nothing is asked to end twice.
      'read with token-of-the-child',
      'delete with token-of-the-child',
    ]);
  });
});
