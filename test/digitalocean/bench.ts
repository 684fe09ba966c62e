/** A stand-in, an engine and the plugin, for tests of whole stacks at DigitalOcean. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach } from 'vitest';
import { makeOnce } from '../../src/steps/lost.ts';
import type { Engine } from '../../stacks/engines/engine.ts';
import { engine } from '../../stacks/engines/index.ts';
import { computeProvider } from '../../stacks/machines/index.ts';
import type { StackPlan } from '../../stacks/stack.ts';
import { digitalocean, genomeWith, HOST_KEY, IMPRINT_KEY, WHO } from '../stacks/machines/rented.support.ts';
import { letIn, pluginOnPath, TOKENS } from './cloud.support.ts';
import { type Cloud, type CloudOptions, noMachines, startCloud } from './cloud.ts';

export const BINDINGS = { values: { imprintKey: IMPRINT_KEY }, secrets: { hostKey: HOST_KEY } };
export const ZONE = 'garden.example.org';

/** For the body of a `describe`: everything anew for each test but the plugin. */
export function aCloud() {
  let plugin: Awaited<ReturnType<typeof pluginOnPath>>;
  const at = {
    folder: '',
    cloud: undefined as unknown as Cloud,
    compute: computeProvider('digitalocean'),
    /** Another stand-in in its place. */
    async begin(options: Partial<CloudOptions> = {}): Promise<void> {
      await at.cloud?.close();
      at.cloud = await startCloud({ machines: noMachines(), zone: ZONE, ...options });
      letIn(at.cloud);
    },
    near: () => digitalocean({ endpoint: at.cloud.url }),
    credential: () => ({ token: TOKENS.compute, endpoint: at.cloud.url }),
    open: (token: string = TOKENS.compute, name = 'digitalocean/near'): Promise<Engine> =>
      engine('pulumi', { home: join(at.folder, 'home'), credentials: { [name]: { token } } }),
    /** The machine of a birth, as a division has it made. */
    async once(plan: StackPlan, failures = 0) {
      const pulumi = await at.open();
      const { compute } = at;
      const make = () => pulumi.up(plan, BINDINGS);
      return makeOnce(
        {
          provider: compute,
          lost: compute.lost!,
          engine: pulumi,
          plan,
          credential: at.credential(),
          unseen: async () => undefined,
          make,
        },
        { genome: genomeWith(at.near()), log: () => undefined },
        { birth: WHO.birth, failures },
      );
    },
    /** All of a birth, as a division that is taken back has it ended. */
    async unmake(plan: StackPlan): Promise<void> {
      for (const { id } of await at.compute.list('garden', at.credential()))
        await at.compute.remove(id, at.credential());
      await (await at.open()).destroy(plan.name);
      await at.compute.lost?.clear({ organism: 'garden', birth: WHO.birth }, at.credential());
    },
  };
  beforeAll(async () => {
    plugin = await pluginOnPath();
  });
  afterAll(() => plugin.remove());
  beforeEach(async () => {
    at.folder = mkdtempSync(join(tmpdir(), 'cell-do-'));
    await at.begin();
  });
  afterEach(async () => {
    await at.cloud.close();
    rmSync(at.folder, { recursive: true, force: true });
  });
  return at;
}
