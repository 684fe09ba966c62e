/** The provider as far as it needs no box; with one, see test/lab/nspawn.test.ts. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { genomeSchema } from '../../../genome/schema.ts';
import { generateHostKey } from '../../../src/effects/keys.ts';
import { credentialFor } from '../../../stacks/handler.ts';
import { machineHandler } from '../../../stacks/machines/nspawn.handler.ts';
import { nspawnCompute } from '../../../stacks/machines/nspawn.ts';
import { blank } from './need.ts';

const HOST = generateHostKey();
const need = { organism: 'yard', birth: 'b1', parent: 'seed', cloud: 'near' };
const geneOf = (more: object = {}) =>
  genomeSchema.shape.clouds.parse({
    near: {
      ...{ provider: 'nspawn', box: { address: '192.0.2.10', hostKey: HOST.publicKey }, credentials: 'file:box.key' },
      ...more,
    },
  }).near!;

describe('the provider', () => {
  test('says what a machine needs, without secrets, and always the same', () => {
    const gene = geneOf({ memory: '1GiB', cpus: 2, monthly: '4 EUR' });
    const resources = nspawnCompute.resources(blank(need), gene);
    expect(resources).toEqual(nspawnCompute.resources(blank(need), gene));
    expect(resources).toEqual([
      {
        type: 'cell:nspawn:Machine',
        name: 'machine',
        inputs: {
          ...blank(need),
          box: { address: '192.0.2.10', port: 22, hostKey: HOST.publicKey },
          image: 'debian-13',
          cpus: 2,
          memory: 1024 ** 3,
          imprintKey: { $value: 'imprintKey' },
          hostKey: { $secret: 'hostKey' },
        },
      },
    ]);
    expect(Object.keys(nspawnCompute.resources(blank(need), geneOf())[0]!.inputs)).not.toContain('memory');
    expect(nspawnCompute.monthly(gene)).toEqual({ cents: 400, currency: 'EUR' });
  });

  test('knows the way to a machine from its outputs', () => {
    const reach = { address: '10.77.0.9', sshPort: 22, httpPort: 80, user: 'root', root: '' };
    expect(nspawnCompute.reach({ machine: { address: '10.77.0.9' } })).toEqual(reach);
    expect(() => nspawnCompute.reach({})).toThrow('no machine');
  });
});

describe('the credential', () => {
  let dir: string;
  beforeEach(() => {
    dir = mkdtempSync(join(tmpdir(), 'cell-key-'));
  });
  afterEach(() => rmSync(dir, { recursive: true, force: true }));

  test('is the key, and the box it drives', async () => {
    const key = generateHostKey().privatePem;
    writeFileSync(join(dir, 'box.key'), key);
    const box = { address: '192.0.2.10', port: 22, hostKey: HOST.publicKey };
    const credential = await nspawnCompute.credential(geneOf({ credentials: `file:${dir}/box.key` }), dir);
    expect(credential).toEqual({ box, privateKey: key });
    const missing = nspawnCompute.credential(geneOf({ credentials: `file:${dir}/none` }), dir);
    await expect(missing).rejects.toMatchObject({ code: 'NOT_FOUND' });
  });

  test('without one nothing is asked of anybody', async () => {
    await expect(nspawnCompute.list('yard', null)).rejects.toMatchObject({ code: 'PROVIDER_REFUSED' });
    await expect(nspawnCompute.remove('../etc', { box: {}, privateKey: 'x' })).rejects.toThrow();
  });

  test('is that of the cloud where a provider has several', () => {
    const credentials = { nspawn: 1, 'nspawn/far': 2 };
    expect(credentialFor(machineHandler, { cloud: 'far' }, credentials)).toBe(2);
    expect(credentialFor(machineHandler, { cloud: 'near' }, credentials)).toBe(1);
    expect(credentialFor(machineHandler, {}, {})).toBeUndefined();
    expect(credentialFor(machineHandler, { cloud: '__proto__' }, {})).toBeUndefined();
  });
});

describe('inputs', () => {
  const good = {
    ...need,
    box: { address: '192.0.2.10', port: 22, hostKey: HOST.publicKey },
    image: 'debian-13',
    imprintKey: 'ssh-ed25519 AAAA',
    hostKey: '-----BEGIN OPENSSH PRIVATE KEY-----',
  };
  test('that can be used pass', () => expect(machineHandler.check({ ...good, cpus: 1, memory: 1e9 })).toEqual([]));
  test.each([
    ['organism', ''],
    ['birth', 'a-b'],
    ['parent', 7],
    ['image', '../up'],
    ['box', { address: '192.0.2.10', port: 22, hostKey: 'ssh-rsa AAAA' }],
    ['box', null],
    ['imprintKey', 'ssh-rsa AAAA'],
    ['hostKey', 'nothing'],
    ['memory', 'much'],
  ])('with a wrong %s do not', (key, value) => {
    expect(machineHandler.check({ ...good, [key]: value }).map((wrong) => wrong.key)).toEqual([key]);
  });
});
