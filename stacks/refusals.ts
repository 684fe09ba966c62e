/**
 * What a cloud means that will not make a machine, whichever engine passed it on: a plugin's error is one text, in which the
 * maker's own words stand among others.
 */
import { CellError, messageOf } from '../src/errors.ts';

export interface Refusal {
  readonly kind: 'quota' | 'capacity' | 'credential' | 'outage' | 'refused';
  /** One line, for the lineage: `quota: …`. */
  readonly why: string;
}

/** In this order: an answer of 422 about a limit is a limit. */
const SAYS: readonly (readonly [Refusal['kind'], RegExp])[] = [
  [
    'quota',
    /(?:exceed|reached?)[^.\n]{0,60}\blimit|\blimit (?:reached|exceeded)|\bLimitExceeded|\w+LimitExceeded|\bquota\b/i,
  ],
  [
    'capacity',
    /Insufficient\w*Capacity|no capacity|not (?:currently )?available (?:in|for) |(?:size|region|plan|type) is (?:currently )?(?:un|not )available|None of the \d+ listed machines/i,
  ],
  [
    'credential',
    /Unable to authenticate|Invalid Token|ExpiredToken|InvalidClientTokenId|AuthFailure|RequestExpired|UnauthorizedOperation|OptInRequired|does not take this credential/i,
  ],
  [
    'outage',
    /\b(?:429|500|502|503|504)\b|InternalError|ServiceUnavailable|RequestLimitExceeded|does not answer|no such host|connection (?:refused|reset)|i\/o timeout|context deadline exceeded|handshake timeout/i,
  ],
];
/** As much of the maker's words as a person reads. */
const LONGEST = 160;

/** Null for an error that is not the cloud's: ours, a machine's, or that of an engine that is missing. */
export function refusalOf(thrown: unknown): Refusal | null {
  const all = chain(thrown);
  const cloudly = all.some(({ code }) => code === 'STACK_FAILED' || code === 'PROVIDER_REFUSED');
  if (!cloudly) return null;
  const text = all.flatMap((error) => [error.message, error.why ?? '']).join('\n');
  for (const [kind, says] of SAYS) {
    const line = text.split('\n').find((one) => says.test(one));
    if (line !== undefined) return { kind, why: `${kind}: ${short(line, says)}` };
  }
  const refused = all.find(({ code }) => code === 'PROVIDER_REFUSED');
  return refused === undefined ? null : { kind: 'refused', why: short(refused.why ?? refused.message) };
}

/** Whether asking the same cloud again at once is of no use. An outage, or what has no name, may be over by then. */
export function isFinal({ kind }: Refusal): boolean {
  return kind !== 'outage' && kind !== 'refused';
}

interface Said {
  readonly code: string | null;
  readonly message: string;
  readonly why: string | undefined;
}

function chain(thrown: unknown): readonly Said[] {
  const found: Said[] = [];
  for (let one = thrown; one !== undefined && one !== null && found.length < 10; one = (one as Error).cause) {
    const own = one instanceof CellError ? one : null;
    found.push({ code: own?.code ?? null, message: messageOf(one), why: own?.why });
  }
  return found;
}

/** The part of a line around what it says. */
function short(line: string, says?: RegExp): string {
  const words = line.replace(/\s+/g, ' ').trim();
  if (words.length <= LONGEST) return words;
  const at = says === undefined ? 0 : Math.max(0, words.search(says) - LONGEST / 2);
  return `${at > 0 ? '…' : ''}${words.slice(at, at + LONGEST)}…`;
}
