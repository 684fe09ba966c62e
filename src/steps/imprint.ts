/** Steps 3 and 5 of mitosis: a blank machine becomes a cell, and the organism hears of it. */
import type { ToolName } from '../../stacks/tools.ts';
import { aliveDuring } from '../dumps.ts';
import {
  type Artefact,
  cliArtefact,
  installShim,
  nodeFits,
  probe,
  runtimeArtefact,
  send,
  shim,
} from '../effects/artefacts.ts';
import { verify } from '../effects/keys.ts';
import {
  installPackages,
  keepPackages,
  neededPackages,
  type PackageFacts,
  packageFacts,
  packageProbe,
} from '../effects/packages.ts';
import type { Remote } from '../effects/ssh.ts';
import { encrypt } from '../effects/vault.ts';
import { CellError } from '../errors.ts';
import { hand } from '../hand.ts';
import { layout } from '../layout.ts';
import { PACKAGES_TIMEOUT_MS } from '../limits.ts';
import { uniqueName } from '../memory/names.ts';
import type { Birth } from '../model.ts';
import type { Inheritance, Mitosis, Parent, Stem } from '../saga.ts';
import { allTools, keepTools, runtimeFor, saying, toolsFor, toolsOn } from '../tools.ts';
import { bodyPlan, exportBody } from './body.ts';
import { endowment } from './endow.ts';

/** The artefacts of a cell on a machine: what runs there from now on, and how much was sent. */
export interface Furnished {
  readonly remote: Remote;
  readonly cli: Artefact;
  /** Null where the machine's own Node fits. */
  readonly runtime: Artefact | null;
  readonly bytes: number;
  /** ms until the machine let us in: most of it is its boot. */
  readonly bootMs: number;
}

/** Everything of an imprint that is the same for every cell. What is there already is not sent. */
export async function furnish(parent: Parent, saga: Mitosis | Stem): Promise<Furnished> {
  const onFetch = saying(parent.log);
  // Read while the machine boots and is asked: an operating system seldom has a Node that fits, and it is large.
  const reading = saga.reach !== null && layout(saga.reach.root).system ? runtimeArtefact() : null;
  reading?.catch(() => undefined);
  const cliReading = cliArtefact();
  cliReading.catch(() => undefined);
  const knocked = parent.now();
  const remote = await parent.reachChild(saga);
  const bootMs = parent.now() - knocked;
  const { system } = layout(remote.reach.root);
  // A machine that waits for its functions may get any of them.
  const functions = 'functions' in saga ? saga.functions : Object.keys(parent.genome.functions);
  const facts = await probe(remote, system ? packageProbe(neededPackages(parent.genome, functions)) : '');
  const packages = system ? packageFacts(facts) : null;
  // Programs that come as packages are asked for by those.
  const missing = facts.missing.filter((tool) => packages === null || !BY_PACKAGE.includes(tool));
  if (missing.length > 0) {
    throw new CellError('REMOTE_FAILED', `The machine at ${remote.reach.address} cannot be a cell`, {
      why: `it has no ${missing.join(', no ')}`,
      suggestion: 'Choose an image that has them.',
    });
  }
  const cli = await cliReading;
  // What this computer lacks is fetched, which may take minutes.
  const having = <T>(work: Promise<T>) => aliveDuring(parent.alive, 'fetches what a machine needs', work);
  const runtime = nodeFits(facts.node) ? null : await having(runtimeFor(facts, onFetch, reading));
  const tools = await having(toolsOn(facts, neededTools(parent, saga), onFetch));
  let bytes = 0;
  const bring = async (item: Artefact): Promise<void> => {
    bytes += await send(
      remote,
      facts,
      item,
      ({ kind, bytes: done, total }) => parent.onProgress(`imprint ${kind}`, done, total),
      saga.kind === 'divide' && saga.stem === true,
    );
  };
  for (const item of runtime === null ? [cli] : [runtime, cli]) await bring(item);
  for (const { artefact } of tools) await bring(artefact);
  if (tools.length > 0) await remote.must(keepTools(tools));
  if (packages !== null) await bringPackages(parent, saga, remote, packages, bring);
  return { remote, cli, runtime, bytes, bootMs };
}

/** What the cell's stacks will need; a machine that waits for its functions may need anything. */
function neededTools(parent: Parent, saga: Mitosis | Stem): readonly ToolName[] {
  if (saga.kind === 'stem') return allTools(parent.genome);
  const portion = { functions: saga.functions, tokens: saga.budget };
  return toolsFor(parent.genome, portion, parent.donor.runs ? null : saga.cloud);
}

/** Found on PATH where there are no packages to ask. */
const BY_PACKAGE = ['git', 'ssh'];

/**
 * What the machine's image lacks is installed out of its cloud's packages. Those of other clouds, in which it may make
 * machines of its own, go with it; what its own image has, its children of that image have, too.
 */
async function bringPackages(
  parent: Parent,
  saga: Mitosis | Stem,
  remote: Remote,
  facts: PackageFacts,
  bring: (item: Artefact) => Promise<void>,
): Promise<void> {
  const own = facts.missing.length > 0 ? await parent.packages(saga.cloud) : null;
  const others = 'budget' in saga && saga.budget > 0 ? Object.keys(parent.genome.clouds) : [];
  const clouds = others.filter((cloud) => cloud !== saga.cloud);
  for (const cloud of own === null ? clouds : [saga.cloud, ...clouds]) {
    const item = cloud === saga.cloud ? own : await parent.packages(cloud);
    if (item === null) continue;
    await bring(item);
    await remote.must(keepPackages(cloud, item));
  }
  await installPackages(remote, facts, own, PACKAGES_TIMEOUT_MS);
}

/** 3: artefacts, then the cell's first words. Everything here may be repeated. */
export async function imprint(parent: Parent, saga: Mitosis): Promise<void> {
  const { remote, cli, runtime, bytes, bootMs } = await furnish(parent, saga);
  Object.assign(saga.figures, { imprintBytes: bytes, bootMs });
  const node = runtime === null ? null : { hash: runtime.hash, file: runtime.files[0]?.path ?? 'node' };
  await installShim(remote, shim(cli.hash, node), node);

  const lineage = await parent.lineage();
  const challenge = `${saga.birth}:${saga.startedAt}`;
  const first = await hand(remote, 'awaken', {
    organism: lineage.organism,
    seeder: lineage.seeder.id,
    birth: saga.birth,
    challenge,
    hostKey: saga.ownHostKey ?? null,
  });
  if (!verify(first.key, Buffer.from(challenge), Buffer.from(first.proof, 'base64'))) {
    throw new CellError('FEED_REFUSED', 'The new cell could not prove its key', {
      suggestion: 'The machine is not to be trusted; it is destroyed if this goes on.',
    });
  }
  const taken = new Set(Object.values(lineage.cells).map((cell) => cell.name));
  saga.child = {
    birth: saga.birth,
    id: first.id,
    name: lineage.cells[first.id]?.name ?? uniqueName(first.id, taken),
    key: first.key,
    hostKey: saga.ownHostKey ?? first.hostKey,
    recipient: first.recipient,
    reach: remote.reach,
    cloud: saga.cloud,
  };
  saga.addresses = first.addresses;
}

export function childOf(saga: Mitosis): Birth {
  if (saga.child === null) throw new Error(`saga ${saga.id} is past its imprint and has no child`);
  return saga.child;
}

/** 5: announced with its budget and its body's checkpoint, then let in, told why it exists, and left to beat. */
export async function announce(parent: Parent, saga: Mitosis): Promise<void> {
  const child = childOf(saga);
  const before = await parent.lineage();
  if (before.cells[child.id] === undefined) {
    const plan = bodyPlan(parent, saga);
    const portable = await exportBody(parent, saga);
    const sealed = await encrypt([...parent.recipients, child.recipient], Buffer.from(JSON.stringify(portable)));
    await parent.say(
      { kind: 'birth', child, budget: saga.budget, why: saga.why },
      { [`stacks/${plan.name}.age`]: sealed },
    );
  }
  const remote = await parent.reachChild(saga);
  await hand(remote, 'settle', {
    birth: saga.birth,
    peer: parent.id,
    imprintKey: saga.imprintKey.publicKey,
    ...(await introduction(parent)),
  });
  await parent.sync(child);
  await hand(remote, 'hatch', { parent: parent.id, birth: saga.birth, inheritance: await inheritance(parent, saga) });
  await parent.sync(child);
  // It has them now, and here they are of no use.
  delete saga.endowment;
}

/** Whom the child lets in for a first sync: it has no lineage yet to know anybody from. */
async function introduction(parent: Parent): Promise<{ readonly peerKey: string }> {
  const lineage = await parent.lineage();
  return { peerKey: lineage.cells[parent.id]?.key ?? lineage.seeder.key };
}

/** Least authority: credentials that were minted for it, and the secrets of its own functions. */
async function inheritance(parent: Parent, saga: Mitosis): Promise<Inheritance> {
  const secrets = await parent.secrets();
  const credentials = saga.endowment ?? (await endowment(parent, saga));
  return {
    ...credentials,
    secrets: Object.fromEntries(saga.functions.flatMap((name) => (secrets[name] ? [[name, secrets[name]]] : []))),
  };
}
