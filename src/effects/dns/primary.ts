/**
 * The primary server of a zone, spoken to with the zone's key: questions and updates, each signed, each answer verified.
 *
 *   1 open     one TCP connection; the top of the zone that the organism's zone lies in is asked for (SOA)
 *   2 ask      what the server has now, with nothing between that remembers
 *   3 update   changes that are made all together or not at all
 */
import { randomInt } from 'node:crypto';
import { CellError } from '../../errors.ts';
import { type Line, type LineTimes, NoAnswer, openLine } from './line.ts';
import {
  type AskedType,
  questionMessage,
  type Reply,
  rcodeOf,
  readReply,
  type Update,
  updateMessage,
} from './message.ts';
import { type Asked, noAnswer, notBelieved, noZone, refused, unreadable, type Where } from './refusals.ts';
import { sign, type TsigKey, verify } from './tsig.ts';

export interface PrimaryCredential {
  readonly server: string;
  readonly port: number;
  /** The genome's zone, which may lie inside the zone that the server has. */
  readonly zone: string;
  readonly tsig: TsigKey;
}

export interface PrimaryOptions extends LineTimes {
  /** ms since the epoch. */
  readonly now?: () => number;
}

/** `unmet`: a condition of the update did not hold, and nothing was changed. */
export type Outcome = 'done' | 'unmet';

export interface Primary {
  /** The top of the zone on the server. */
  readonly apex: string;
  /** Throws CellError PROVIDER_REFUSED; NoAnswer when nobody answered. */
  ask(name: string, type: AskedType): Promise<Reply>;
  update(update: Update): Promise<Outcome>;
  close(): void;
}

const RCODES = { NOERROR: 0, NXDOMAIN: 3, YXDOMAIN: 6, YXRRSET: 7, NXRRSET: 8 } as const;
const UNMET: readonly number[] = [RCODES.NXDOMAIN, RCODES.YXDOMAIN, RCODES.YXRRSET, RCODES.NXRRSET];

/** Does something over one connection, which is closed afterwards. */
export async function withPrimary<T>(
  credential: PrimaryCredential,
  work: (primary: Primary) => Promise<T>,
  options: PrimaryOptions = {},
): Promise<T> {
  const where: Where = { ...credential, key: credential.tsig.name };
  let line: Line;
  try {
    line = await openLine(credential.server, credential.port, options);
  } catch (thrown) {
    throw thrown instanceof NoAnswer ? noAnswer(where, thrown) : thrown;
  }
  try {
    const speak = speaker(line, credential, where, options.now ?? Date.now);
    const apex = await apexOf(speak, where);
    return await work({
      apex,
      ask: (name, type) => speak.ask(name, type),
      async update(update) {
        const names = update.changes.map(({ record }) => record.name);
        const rcode = rcodeOf(await speak.exchange('update', names, (id) => updateMessage(id, apex, update)));
        if (UNMET.includes(rcode)) return 'unmet';
        if (rcode !== RCODES.NOERROR) throw refused(where, 'update', names, rcode);
        return 'done';
      },
      close: () => line.close(),
    });
  } catch (thrown) {
    throw thrown instanceof NoAnswer ? noAnswer(where, thrown) : thrown;
  } finally {
    line.close();
  }
}

interface Speaker {
  /** The answer, without its signature. */
  exchange(what: Asked, names: readonly string[], write: (id: number) => Buffer): Promise<Buffer>;
  ask(name: string, type: AskedType): Promise<Reply>;
}

function speaker(line: Line, { tsig }: PrimaryCredential, where: Where, now: () => number): Speaker {
  const ids = new Set<number>();
  let accepted = false;
  const freshId = (): number => {
    const id = randomInt(0x10000);
    return ids.has(id) ? freshId() : id;
  };
  async function exchange(what: Asked, names: readonly string[], write: (id: number) => Buffer): Promise<Buffer> {
    const id = freshId();
    ids.add(id);
    try {
      const signed = sign(write(id), tsig, Math.floor(now() / 1000));
      const answer = await line.ask(signed.bytes);
      const verdict = verify(answer, tsig, signed.mac, Math.floor(now() / 1000));
      if (verdict.kind !== 'good') {
        const rcode = answer.length < 4 ? 0 : rcodeOf(answer);
        // Knot names the key as the reason when it knows it, but not for these names.
        if (verdict.kind === 'badKey' && accepted) throw refused(where, what, names, rcode);
        throw notBelieved(where, verdict, what, names, rcode);
      }
      accepted = true;
      return verdict.message;
    } finally {
      ids.delete(id);
    }
  }
  return {
    exchange,
    async ask(name, type) {
      const answer = await exchange('question', [name], (id) => questionMessage(id, name, type));
      const reply = believable(where, answer);
      if (reply.rcode === RCODES.NOERROR || reply.rcode === RCODES.NXDOMAIN) return reply;
      throw refused(where, 'question', [name], reply.rcode);
    },
  };
}

/** An answer with a good signature can still be none. */
function believable(where: Where, answer: Buffer): Reply {
  try {
    return readReply(answer);
  } catch (thrown) {
    throw unreadable(where, thrown);
  }
}

/** A server that has the zone says so with authority, and names its top, also where the name itself is not there. */
async function apexOf(speak: Speaker, where: Where): Promise<string> {
  const { answers, authorities, authoritative } = await speak.ask(where.zone, 'SOA');
  const soa = [...answers, ...authorities].find(({ type }) => type === 'SOA');
  if (soa === undefined || !authoritative) throw noZone(where);
  return soa.name.toLowerCase();
}

/** Whether what was thrown leaves open if an update took effect. */
export function isUnclear(thrown: unknown): boolean {
  return thrown instanceof CellError && thrown.fields.answered === false && thrown.fields.sent === true;
}
