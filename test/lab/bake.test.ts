/**
 * Baking on a real box: what one machine was sent, the next has from its start. Nobody else's machine has it, what is
 * damaged is sent anew, and nothing of it is left when the last machine is gone.
 */
import { existsSync, readdirSync, readFileSync, truncateSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { machineId } from '../../src/box/words.ts';
import { type Artefact, cliArtefact, probe, runtimeArtefact, send } from '../../src/effects/artefacts.ts';
import { generateHostKey } from '../../src/effects/keys.ts';
import type { Remote } from '../../src/effects/ssh.ts';
import { machineHandler } from '../../stacks/machines/nspawn.handler.ts';
import { nspawnCompute } from '../../stacks/machines/nspawn.ts';
import type { Json } from '../../stacks/stack.ts';
import { type LabBox, startBox } from './box.ts';
import { login } from './login.ts';
import { NSPAWN, needs } from './needs.ts';

const OCTET = 107;
const STORE = 'opt/cell/store';

interface Imprint {
  readonly bytes: number;
  readonly ms: number;
}

describe.skipIf(needs('baking', NSPAWN))('artefacts kept on the box', () => {
  let lab: LabBox;
  let artefacts: readonly Artefact[];
  beforeAll(async () => {
    lab = await startBox({ octet: OCTET });
    artefacts = [await runtimeArtefact(), await cliArtefact()];
  }, 600_000);
  afterAll(() => lab.stop());

  const hashes = () => artefacts.map(({ hash }) => hash);
  const layers = () => join(lab.dir, 'layers');

  async function right(organism: string): Promise<Json> {
    const { key } = await lab.allow(organism, 4);
    const box = { address: lab.address, port: lab.port, hostKey: lab.hostKey };
    return { box, privateKey: readFileSync(key, 'utf8') };
  }

  /** A blank machine, open to us. */
  async function machine(organism: string, birth: string, credential: Json): Promise<Remote> {
    const [imprint, host] = [generateHostKey(), generateHostKey()];
    const inputs = {
      ...{ organism, birth, parent: 'seed', cloud: 'box', image: 'debian-13' },
      ...{ imprintKey: imprint.publicKey, hostKey: host.privatePem },
      box: { address: lab.address, port: lab.port, hostKey: lab.hostKey },
    };
    const { outputs } = await machineHandler.create(inputs, { credential });
    const reach = { address: String(outputs.address), sshPort: 22, httpPort: 80, user: 'root', root: '' };
    return login(reach, { privateKey: imprint.privatePem, hostKeys: [host.publicKey] });
  }

  /** The part of an imprint that baking saves. */
  async function furnish(remote: Remote): Promise<Imprint> {
    const began = performance.now();
    const facts = await probe(remote);
    let bytes = 0;
    for (const artefact of artefacts) bytes += await send(remote, facts, artefact);
    const ms = performance.now() - began;
    remote.close();
    return { bytes, ms };
  }

  const remove = async (organism: string, birth: string, credential: Json) =>
    nspawnCompute.remove(machineId(organism, birth), credential);

  test('are on the next machine of the organism from its start', { timeout: 180_000 }, async () => {
    const ours = await right('lab');
    const sent = await furnish(await machine('lab', 'b1', ours));
    expect(sent.bytes).toBeGreaterThan(50_000_000);
    await nspawnCompute.bake?.keep('b1', hashes(), ours);
    expect(readdirSync(join(layers(), 'lab')).filter((name) => name !== 'current.json')).toEqual(hashes().sort());

    const baked = await furnish(await machine('lab', 'b2', ours));
    expect(baked.bytes).toBe(0);
    console.log(
      `artefacts on a machine: ${Math.round(sent.ms)} ms sent, ${Math.round(baked.ms)} ms baked (${(sent.ms / baked.ms).toFixed(1)} times)`,
    );
    // What runs there runs: the layer is below its own files, and the CLI of it starts.
    const remote = await machine('lab', 'b3', ours);
    const node = `/${STORE}/${artefacts[0]?.hash}/node`;
    expect(await remote.must(`${node} /${STORE}/${artefacts[1]?.hash}/bin/cell.js --version`)).toMatch(/^cell\//);
    expect(await remote.must(`stat -c %U:%a /${STORE}/${artefacts[0]?.hash}/node`)).toBe('root:755\n');
    // It is the machine's own to change, and nobody else's.
    await remote.must(`rm -r /${STORE}/*`);
    remote.close();
    expect(existsSync(join(lab.rootOf('lab-b2'), STORE, hashes()[1] as string, 'bin/cell.js'))).toBe(true);

    const theirs = await right('stranger');
    const stranger = await machine('stranger', 'b1', theirs);
    expect((await probe(stranger)).stored).toEqual([]);
    stranger.close();
    // Nor can they have them taken from a machine of ours.
    await expect(nspawnCompute.bake?.keep('b2', hashes(), theirs)).rejects.toMatchObject({ code: 'NOT_FOUND' });

    // The box's disk lost the end of a file.
    const [runtime = ''] = hashes();
    truncateSync(join(layers(), 'lab', runtime, STORE, runtime, 'node'), 1_000);
    const again = await furnish(await machine('lab', 'b4', ours));
    expect(again.bytes).toBe(artefacts[0]?.files[0]?.bytes);

    for (const birth of ['b1', 'b2', 'b3', 'b4']) await remove('lab', birth, ours);
    await remove('stranger', 'b1', theirs);
    expect(readdirSync(layers())).toEqual([]);
  });

  test('survive a machine that is switched off and on', { timeout: 120_000 }, async () => {
    const ours = await right('lab');
    await furnish(await machine('lab', 'b1', ours));
    await nspawnCompute.bake?.keep('b1', hashes(), ours);
    const remote = await machine('lab', 'b2', ours);
    remote.close();
    await nspawnCompute.bake?.keep('b1', [], ours);
    await lab.powerOff('lab-b2');
    await lab.boot('lab-b2');
    expect(readdirSync(join(lab.rootOf('lab-b2'), STORE)).sort()).toEqual(hashes().sort());
    expect((await probe(await machine('lab', 'b3', ours))).stored).toEqual([]);
  });
});
