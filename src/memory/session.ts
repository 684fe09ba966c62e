/**
 * One exchange of everything two cells know, both ways at once, over any pair of streams. Both ends run the same code:
 *
 * 1. Hello. Each says its organism, its version, who it is, and how far it knows every feed and pulse.
 * 2. News. From the two hellos each works out what the other lacks and sends it: newer pulses, the tips of feeds that
 *    are longer here, proofs of forks, the genome; and, if there is any of these but pulses, one pack with just the
 *    missing objects.
 * 3. Judgement. A pack goes beside the repository, is read and checked entry by entry up to the genesis, and only then
 *    are refs moved; what is refused comes with its reason, and holds up nothing else.
 * 4. Done. Who got a pack says what became of it; the other waits for that.
 *
 * When no feed has grown, no git process is started on either side. A peer is trusted with nothing: lengths, silence
 * and shapes are bounded (frames.ts, messages.ts), and what it passes on counts by its signatures only.
 */
import type { Readable, Writable } from 'node:stream';
import { CellError, messageOf } from '../errors.ts';
import type { CellId, Lineage } from '../model.ts';
import type { Refusal } from './entry.ts';
import type { Patience, Wire } from './frames.ts';
import { wire as wireOver } from './frames.ts';
import { MAX_FEEDS, PULSE_BATCH } from './limits.ts';
import type { Memory } from './memory.ts';
import type { Hello, News } from './messages.ts';
import { PROTOCOL, readMessage, sendMessage } from './messages.ts';
import { mergePulses, readPulses } from './pulses.ts';
import { forksOf } from './quarantine.ts';

export interface SessionOptions {
  readonly memory: Memory;
  readonly self: CellId;
  /** Who must be at the other end. */
  readonly peer?: CellId | undefined;
  readonly patience?: Patience;
}

export interface SessionResult {
  readonly peer: CellId;
  /** Entries that were new here. */
  readonly taken: number;
  /** Feeds of which the peer got more. */
  readonly given: number;
  /** Pulses that were new here. */
  readonly pulses: number;
  /** The genome came with it. */
  readonly genome: boolean;
  /** Feeds that were not taken, or not whole. */
  readonly refused: Readonly<Record<CellId, Refusal>>;
  /** Feeds that the peer did not take from us. */
  readonly refusedByPeer: Readonly<Record<CellId, Refusal>>;
}

/** Runs a session to its end. Throws SYNC_FAILED or TIMEOUT; what was taken in before stays. */
export async function converse(input: Readable, output: Writable, options: SessionOptions): Promise<SessionResult> {
  const wire = wireOver(input, output, options.patience);
  try {
    const result = await exchange(wire, options);
    wire.finish();
    return result;
  } catch (error) {
    const why = error instanceof CellError ? (error.why ?? error.message) : messageOf(error);
    await sendMessage(wire, { t: 'error', why: why.slice(0, 300) }).catch(() => undefined);
    wire.finish();
    setTimeout(() => wire.destroy(), 200).unref(); // time for the reason to arrive
    throw error;
  }
}

async function exchange(wire: Wire, { memory, self, peer }: SessionOptions): Promise<SessionResult> {
  // 1. Hello
  const mine = await helloOf(memory, self);
  const [theirs] = await Promise.all([readMessage(wire, 'hello'), sendMessage(wire, mine.hello)]);
  if (theirs.organism !== memory.organism)
    throw refusal(`it is of the organism ${theirs.organism}, this is ${memory.organism}`);
  if (peer !== undefined && theirs.from !== peer)
    throw refusal(`it says it is ${theirs.from}, where ${peer} was to answer`);

  // 2. News, and at the same time 3. what comes from the other side
  const news = newsFor(mine.hello, theirs);
  const giving = give(wire, memory, news, theirs, pulsesFor(memory, theirs, mine.lineage));
  const receiving = receive(wire, memory, theirs.from, mine.lineage, giving);
  const [received] = await Promise.all([receiving, giving]);

  // 4. Done
  const refusedByPeer = news.pack ? (await readMessage(wire, 'done')).refused : {};
  return { peer: theirs.from, given: Object.keys(news.heads).length, ...received, refusedByPeer };
}

async function helloOf(memory: Memory, self: CellId): Promise<{ readonly hello: Hello; readonly lineage: Lineage }> {
  const { lineage, heads, genome, proposals } = await memory.recall();
  const hello: Hello = {
    t: 'hello',
    v: PROTOCOL,
    organism: memory.organism,
    from: self,
    heads: Object.fromEntries(Object.entries(heads).map(([cell, { commit, entries }]) => [cell, [commit, entries]])),
    forks: Object.fromEntries([...forksOf(memory.quarantine())].map(([cell, { fork }]) => [cell, fork])),
    genome,
    ...(Object.keys(proposals).length === 0 ? {} : { proposals }),
    pulses: Object.fromEntries(Object.entries(readPulses(memory.home)).map(([cell, { seq }]) => [cell, seq])),
  };
  return { hello, lineage };
}

/**
 * What the other side lacks. Where both have as many entries but others, both send: that is how a fork is found. A feed
 * that is known to be forked has as many entries as were good, so who has more of it knows a later fork, or none.
 */
function newsFor(mine: Hello, theirs: Hello): News {
  const heads = Object.entries(mine.heads).filter(([cell, [commit, entries]]) => {
    const known = theirs.heads[cell];
    if (Object.hasOwn(theirs.forks, cell)) return known === undefined || known[1] < entries;
    return known === undefined || known[1] < entries || (known[1] === entries && known[0] !== commit);
  });
  const entriesOf = (hello: Hello, cell: CellId) => hello.heads[cell]?.[1] ?? 0;
  const forks = Object.entries(mine.forks).filter(
    ([cell]) => !Object.hasOwn(theirs.forks, cell) || entriesOf(theirs, cell) > entriesOf(mine, cell),
  );
  const genome = theirs.genome === null ? mine.genome : null;
  const proposals = Object.entries(mine.proposals ?? {}).filter(([id]) => !Object.hasOwn(theirs.proposals ?? {}, id));
  const pack = heads.length > 0 || forks.length > 0 || genome !== null || proposals.length > 0;
  return {
    t: 'news',
    heads: Object.fromEntries(heads),
    forks: Object.fromEntries(forks),
    genome,
    ...(proposals.length === 0 ? {} : { proposals: Object.fromEntries(proposals) }),
    pack,
  };
}

/** Messages with the pulses that are newer here. */
function* pulsesFor(memory: Memory, theirs: Hello, lineage: Lineage) {
  let list = [];
  let size = 0;
  for (const pulse of Object.values(readPulses(memory.home))) {
    if (pulse.seq <= (theirs.pulses[pulse.cell] ?? 0) || lineage.cells[pulse.cell]?.state === 'gone') continue;
    list.push(pulse);
    size += JSON.stringify(pulse).length;
    if (size < PULSE_BATCH) continue;
    yield { t: 'pulses' as const, list };
    list = [];
    size = 0;
  }
  if (list.length > 0) yield { t: 'pulses' as const, list };
}

async function give(
  wire: Wire,
  memory: Memory,
  news: News,
  theirs: Hello,
  pulses: ReturnType<typeof pulsesFor>,
): Promise<void> {
  for (const message of pulses) await sendMessage(wire, message);
  await sendMessage(wire, news);
  if (!news.pack) return;
  const tips = [...Object.values(news.heads).map(([commit]) => commit), ...Object.values(news.forks).flat()];
  if (news.genome !== null) tips.push(news.genome);
  tips.push(...Object.values(news.proposals ?? {}));
  const known = [...new Set([...Object.keys(news.heads), ...Object.keys(news.forks)])].flatMap(
    (cell) => theirs.heads[cell]?.[0] ?? [],
  );
  if (theirs.genome !== null) known.push(theirs.genome);
  const { givePack } = await import('./pack.ts');
  await givePack(wire, memory.dir, tips, known);
}

async function receive(
  wire: Wire,
  memory: Memory,
  from: CellId,
  lineage: Lineage,
  giving: Promise<void>,
): Promise<Pick<SessionResult, 'taken' | 'pulses' | 'genome' | 'refused'>> {
  const pulses: unknown[] = [];
  let news: News | null = null;
  while (news === null) {
    const message = await readMessage(wire, 'pulses', 'news');
    if (message.t === 'news') news = message;
    else if (message.list.length === 0 || pulses.push(...message.list) > MAX_FEEDS)
      throw refusal('it sends too many pulses');
  }
  let accepted: Awaited<ReturnType<Memory['accept']>> = { refused: {}, taken: 0, genome: false };
  if (news.pack) {
    accepted = await judgePack(wire, memory, from, news);
    await giving; // our own pack must be out before anything else is said
    await sendMessage(wire, { t: 'done', refused: accepted.refused });
  }
  // Pulses last: the pack may have told of the births of those who speak.
  const known = news.pack ? (await memory.recall()).lineage : lineage;
  const merged = mergePulses(memory.home, memory.organism, known, pulses);
  return { ...accepted, pulses: merged.taken.length };
}

async function judgePack(wire: Wire, memory: Memory, from: CellId, news: News): ReturnType<Memory['accept']> {
  await memory.ready();
  const { takePack } = await import('./pack.ts');
  const incoming = await takePack(wire, memory.dir, memory.door);
  try {
    return await memory.accept({
      from,
      heads: new Map(Object.entries(news.heads).map(([cell, [commit]]) => [cell, commit])),
      proofs: new Map(Object.entries(news.forks)),
      genome: news.genome,
      proposals: new Map(Object.entries(news.proposals ?? {})),
      objects: incoming.objects,
      keep: incoming.keep,
    });
  } finally {
    await incoming.discard();
  }
}

function refusal(why: string): CellError {
  return new CellError('SYNC_FAILED', 'The session was refused', { why });
}
