/** The messages of a session, and their shapes: nothing of a peer's is looked at before it has one. */
import type { CellId, ProposalId, Pulse } from '../model.ts';
import type { Refusal } from './entry.ts';
import type { Wire } from './frames.ts';
import { unclear } from './frames.ts';
import { MAX_FEEDS, MAX_PROPOSALS } from './limits.ts';
import * as shapes from './shapes.ts';

export const PROTOCOL = 1;

/** A feed's tip and its number of entries. */
export type Tip = readonly [commit: string, entries: number];

export interface Hello {
  readonly t: 'hello';
  readonly v: number;
  readonly organism: string;
  readonly from: CellId;
  readonly heads: Readonly<Record<CellId, Tip>>;
  /** Feeds that are known to be forked, with the two tips that prove it. */
  readonly forks: Readonly<Record<CellId, readonly [string, string]>>;
  readonly genome: string | null;
  /** Commits of proposed genomes; left out where there is none. */
  readonly proposals?: Readonly<Record<ProposalId, string>>;
  /** The newest pulse known of each cell. */
  readonly pulses: Readonly<Record<CellId, number>>;
}

export interface Pulses {
  readonly t: 'pulses';
  readonly list: readonly Pulse[];
}

export interface News extends Pick<Hello, 'heads' | 'forks' | 'genome' | 'proposals'> {
  readonly t: 'news';
  /** A pack follows. */
  readonly pack: boolean;
}

export interface Done {
  readonly t: 'done';
  readonly refused: Readonly<Record<CellId, Refusal>>;
}

export interface Sorry {
  readonly t: 'error';
  readonly why: string;
}

export type Message = Hello | Pulses | News | Done | Sorry;

const tip: shapes.Check = (value) => {
  const [oid, entries, ...rest] = Array.isArray(value) ? (value as unknown[]) : [];
  return rest.length > 0 ? 'a pair' : (shapes.commit(oid) ?? shapes.count(entries));
};
const pair: shapes.Check = (value) => {
  if (!Array.isArray(value) || value.length !== 2) return 'a pair';
  return shapes.commit(value[0]) ?? shapes.commit(value[1]);
};
const commitOrNull: shapes.Check = (value) => (value === null ? null : shapes.commit(value));
const is =
  (word: string): shapes.Check =>
  (value) =>
    value === word ? null : word;
const text: shapes.Check = (value) => (typeof value === 'string' && value.length <= 1000 ? null : 'a text');
const refusal = shapes.shape({ reason: text, why: text });
const offer = {
  heads: shapes.mapOf(shapes.CELL_ID, tip, MAX_FEEDS),
  forks: shapes.mapOf(shapes.CELL_ID, pair, MAX_FEEDS),
  genome: commitOrNull,
  // twice as many as are kept: a peer may have others
  proposals: shapes.mapOf(shapes.CELL_ID, shapes.commit, 2 * MAX_PROPOSALS),
};
const MAY_MISS = ['proposals'];

const SHAPES: Readonly<Record<Message['t'], shapes.Check>> = {
  hello: shapes.shape(
    {
      t: is('hello'),
      v: shapes.count,
      organism: shapes.organism,
      from: shapes.id,
      ...offer,
      pulses: shapes.mapOf(shapes.CELL_ID, shapes.time, MAX_FEEDS),
    },
    MAY_MISS,
  ),
  // each pulse is checked where it is taken in, so that one bad one spoils no other
  pulses: shapes.shape({ t: is('pulses'), list: (value) => (Array.isArray(value) ? null : 'a list') }),
  news: shapes.shape(
    { t: is('news'), ...offer, pack: (value) => (typeof value === 'boolean' ? null : 'true or false') },
    MAY_MISS,
  ),
  done: shapes.shape({ t: is('done'), refused: shapes.mapOf(shapes.CELL_ID, refusal, MAX_FEEDS) }),
  error: shapes.shape({ t: is('error'), why: text }),
};

export async function sendMessage(wire: Wire, message: Message): Promise<void> {
  await wire.send('J', Buffer.from(JSON.stringify(message)));
}

/** Reads one of the messages that may come now. Throws SYNC_FAILED for any other, or with what the peer says it found. */
export async function readMessage<Kind extends Message['t']>(
  wire: Wire,
  ...kinds: readonly Kind[]
): Promise<Extract<Message, { t: Kind }>> {
  const { kind, body } = await wire.read();
  if (kind !== 'J') throw unclear('a message was to come');
  let message: unknown;
  try {
    message = JSON.parse(body.toString('utf8'));
  } catch {
    throw unclear('a message is not JSON');
  }
  const said = (message as { t?: unknown } | null)?.t;
  const wanted = [...kinds, 'error' as const].find((one) => one === said);
  if (wanted === undefined) throw unclear(`${kinds.join(' or ')} was to come`);
  // A hello of another version may have other fields; its version is looked at first.
  const v = (message as { v?: unknown }).v;
  if (wanted === 'hello' && v !== PROTOCOL)
    throw unclear(`it speaks version ${JSON.stringify(v)?.slice(0, 20)}, this program ${PROTOCOL}`);
  const wrong = SHAPES[wanted](message);
  if (wrong !== null) throw unclear(`in ${wanted}, expected ${wrong}`);
  if (wanted === 'error') throw unclear(`it says: ${(message as Sorry).why}`);
  return message as Extract<Message, { t: Kind }>;
}
