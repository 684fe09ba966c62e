/**
 * What a cloud means that will not make a machine, whichever engine passed it on: a plugin's error is one text, in which the
 * maker's own words stand among others.
 */
import { advise, CellError, messageOf } from '../src/errors.ts';

export interface Refusal {
  readonly kind: 'busy' | 'quota' | 'capacity' | 'credential' | 'outage' | 'nonsense' | 'stuck' | 'refused';
  /** One line, for the lineage: `quota: …`. */
  readonly why: string;
}

/** In this order: an answer of 422 about a limit is a limit, and one of 429 about a limit is none of the account. */
const SAYS: readonly (readonly [Refusal['kind'], RegExp])[] = [
  ['busy', /\b429\b|\brate limit|too many requests|RequestLimitExceeded|\bThrottl/i],
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
  ['stuck', /stays new|last state: '?\w+'?|to become (?:ready|active)|to reach status/i],
  [
    'outage',
    /\b(?:500|502|503|504)\b|InternalError|ServiceUnavailable|does not answer|no such host|connection (?:refused|reset)|\bECONN\w+|socket hang up|other side closed|fetch failed|\bEOF\b|giving up after|i\/o timeout|Client\.Timeout|context deadline exceeded|handshake timeout/i,
  ],
  [
    'nonsense',
    /what makes no sense|what is no JSON|is no JSON|is not valid JSON|invalid character .* looking for|Unexpected token/i,
  ],
];

/** What each is to a person, and what there is to do: by himself, or by nobody. */
const WORDS: Readonly<Record<Refusal['kind'], readonly [what: (cloud: string) => string, advice: string]>> = {
  busy: [(cloud) => `has had too many requests of this account (${cloud})`, 'It is asked again by itself.'],
  quota: [
    (cloud) => `makes no more machines in ${cloud}, for a limit of the account is reached`,
    'Have the limit raised there, or end machines that nobody needs.',
  ],
  capacity: [
    (cloud) => `has no such machine for ${cloud}`,
    'Name another size or region in the genome, or one cloud more; this one is asked again by itself.',
  ],
  credential: [
    (cloud) => `does not take the credential of ${cloud}`,
    'Put a good one in its place and run `cell seed` again where the organism was seeded.',
  ],
  stuck: [
    (cloud) => `made a machine in ${cloud} that does not start`,
    'It is destroyed, and another is asked for, by itself.',
  ],
  outage: [
    (cloud) => `gave no good answer about a machine in ${cloud}`,
    'It is asked again by itself. If that lasts, look at its status page, and at the network from here.',
  ],
  nonsense: [
    (cloud) => `answered what makes no sense about a machine in ${cloud}`,
    'A proxy may stand between, or it is in trouble; it is asked again by itself.',
  ],
  refused: [(cloud) => `refused a machine in ${cloud}`, 'It is asked again by itself; its own words say why.'],
};

/** A parser shows what it stumbled over: the beginning of somebody's page. */
const NO_JSON = /is not valid JSON|invalid character .* looking for|Unexpected token/i;

const NAMES: Readonly<Record<string, string>> = { digitalocean: 'DigitalOcean', linode: 'Linode', aws: 'AWS' };

/**
 * The same for people: who refused what, in whose words, and what to do. An error that is not the cloud's stays as it is.
 *
 * @param provider as the genome names it. @param cloud its name in the genome.
 */
export function inWords(thrown: unknown, provider: string, cloud: string): unknown {
  const refusal = refusalOf(thrown);
  if (refusal === null) return thrown;
  const { kind } = refusal;
  const [what, suggestion] = WORDS[kind];
  const own = thrown instanceof CellError ? thrown.fields : {};
  // What the cell itself asked has its reason apart; of what a plugin asked the maker's words are a line among others.
  const asked = chain(thrown).find(({ code }) => code === 'PROVIDER_REFUSED')?.why;
  return new CellError('PROVIDER_REFUSED', `${NAMES[provider] ?? provider} ${what(cloud)}`, {
    why: `"${bare(asked === undefined ? refusal.why.replace(`${kind}: `, '') : short(asked))}"`,
    suggestion,
    fields: { ...own, provider: NAMES[provider] ?? provider, refusal: kind },
    cause: thrown,
  });
}

/** The maker's words without what was asked, and by which stack: of a plugin's error these are the beginning. */
function bare(words: string): string {
  if (NO_JSON.test(words)) return 'what came is no JSON';
  return words
    .replace(/^.*?\b(?:get|post|put|delete) "?(?:https?:\/\/|\/)\S+?"?:? (?=\S)/i, '')
    .replace(/\((?:request|cause) "[^"]*"\) ?/g, '')
    .replace(/[.;]*; giving up after \d+ attempt\(s\)/, '')
    .replaceAll('"', "'")
    .replace(/^[\s*:]+|[\s.]+$/g, '');
}

/** As much of the maker's words as a person reads. */
const LONGEST = 160;

/** Null for an error that is not the cloud's: ours, a machine's, or that of an engine that is missing. */
export function refusalOf(thrown: unknown): Refusal | null {
  const own = thrown instanceof CellError ? thrown.fields.refusal : undefined;
  // Put in words already.
  if (typeof own === 'string') return { kind: own as Refusal['kind'], why: `${own}: ${advise(thrown)}` };
  const all = chain(thrown);
  const cloudly = all.some(({ code }) => code === 'STACK_FAILED' || code === 'PROVIDER_REFUSED');
  if (!cloudly) return null;
  const text = all.flatMap((error) => [error.message, error.why ?? '']).join('\n');
  for (const [kind, says] of SAYS) {
    const line = text.split('\n').find((one) => says.test(one));
    if (line !== undefined) return { kind, why: `${kind}: ${short(bare(line), says)}` };
  }
  const refused = all.find(({ code }) => code === 'PROVIDER_REFUSED');
  return refused === undefined ? null : { kind: 'refused', why: short(refused.why ?? refused.message) };
}

/** Whether asking the same cloud again at once is of no use. All else may be over by then. */
export function isFinal({ kind }: Refusal): boolean {
  return kind === 'quota' || kind === 'capacity' || kind === 'credential';
}

/** Whether what was refused was not done: the maker said so. */
export function isNothing(refusal: Refusal): boolean {
  return isFinal(refusal) || refusal.kind === 'busy';
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
