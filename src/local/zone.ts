/**
 * The embedded DNS without the network: what is in the zones, whose it is, and what a question gets for an answer. Pure.
 *
 * Rules: RFC 1034 4.3.2 (the algorithm), RFC 2308 (negative answers), RFC 4343 (case), RFC 2181 5.2 (one TTL a record
 * set), RFC 8482 (ANY), RFC 8020 (an empty non-terminal exists).
 */
import { isIPv4, isIPv6 } from 'node:net';

export type RecordType = 'A' | 'AAAA' | 'CNAME' | 'TXT' | 'SRV';
const RECORD_TYPES: readonly RecordType[] = ['A', 'AAAA', 'CNAME', 'TXT', 'SRV'];

export interface Owner {
  readonly organism: string;
  readonly birth: string;
}

/** What one owner says under one name and type. Several owners' values are answered together. */
export interface RecordSet extends Owner {
  readonly zone: string;
  readonly name: string;
  readonly type: RecordType;
  /** As in a zone file without quotes; SRV: `PRIORITY WEIGHT PORT TARGET`. */
  readonly values: readonly string[];
  /** Seconds. */
  readonly ttl: number;
}

export interface Zones {
  /** SOA serial by zone. A zone that was once there stays, so that what is gone is NXDOMAIN and not a refusal. */
  readonly serials: Readonly<Record<string, number>>;
  readonly sets: readonly RecordSet[];
}

export interface ResourceRecord {
  readonly name: string;
  readonly type: RecordType | 'SOA' | 'NS' | 'HINFO';
  readonly ttl: number;
  readonly value: string;
}

export type Rcode = 'NOERROR' | 'NXDOMAIN' | 'REFUSED';

export interface Reply {
  readonly rcode: Rcode;
  readonly authoritative: boolean;
  readonly answers: readonly ResourceRecord[];
  readonly authorities: readonly ResourceRecord[];
}

/** How long resolvers may remember that a name is not there, seconds, where no record says less. */
const NEGATIVE_TTL = 60;
const LONGEST_CHAIN = 16;

/** Letters compare without case, ASCII only (RFC 4343); a dot at the end changes nothing. */
function canonical(name: string): string {
  const lower = name.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
  return lower.endsWith('.') ? lower.slice(0, -1) : lower;
}

function isBelow(name: string, zone: string): boolean {
  return name === zone || name.endsWith(`.${zone}`);
}

/** The zone a name lies in, the longest that fits, or null. */
function zoneOf(zones: Zones, name: string): string | null {
  const key = canonical(name);
  const fitting = Object.keys(zones.serials).filter((zone) => isBelow(key, zone));
  return fitting.sort((a, b) => b.length - a.length)[0] ?? null;
}

/** Name and type in one text, which names a set together with its owner. Parts hold no `/`: problemsOf sees to that. */
export function idOf(set: Pick<RecordSet, 'organism' | 'birth' | 'zone' | 'name' | 'type'>): string {
  return [set.organism, set.birth, set.zone, set.name, set.type].join('/');
}

export function ownerOf(id: string): Owner {
  const [organism = '', birth = ''] = id.split('/');
  return { organism, birth };
}

/** The minimum of all TTLs of the zone: something that comes must not be missed for longer than something that moves. */
function negativeTtl(zones: Zones, zone: string): number {
  return zones.sets.filter((set) => set.zone === zone).reduce((least, set) => Math.min(least, set.ttl), NEGATIVE_TTL);
}

function soa(zones: Zones, zone: string, name = zone): ResourceRecord {
  const ttl = negativeTtl(zones, zone);
  const value = `localhost hostmaster.${zone} ${zones.serials[zone] ?? 0} 3600 600 86400 ${ttl}`;
  return { name, type: 'SOA', ttl, value };
}

/** What the top of a zone has of itself. */
function top(zones: Zones, zone: string, type: string, name: string): ResourceRecord | null {
  if (type === 'SOA') return soa(zones, zone, name);
  return type === 'NS' ? { name, type, ttl: negativeTtl(zones, zone), value: 'localhost' } : null;
}

/** Everything of a name is never sent: one short record says that it exists (RFC 8482 4.2). */
function any(zones: Zones, zone: string, key: string, name: string): ResourceRecord | null {
  const there = key === zone || zones.sets.some((set) => set.zone === zone && set.name === key);
  return there ? { name, type: 'HINFO', ttl: negativeTtl(zones, zone), value: 'RFC8482' } : null;
}

/** All values of one name and type, each once, in an order that moves on by one with each turn. */
function union(sets: readonly RecordSet[], name: string, turn: number): ResourceRecord[] {
  const values = [...new Set(sets.flatMap((set) => set.values))].sort();
  const ttl = Math.min(...sets.map((set) => set.ttl));
  const shift = values.length === 0 ? 0 : turn % values.length;
  const type = (sets[0] as RecordSet).type;
  return [...values.slice(shift), ...values.slice(0, shift)].map((value) => ({ name, type, ttl, value }));
}

/**
 * Answers a question. Names in the answer are spelled as they were asked for, so that a resolver that mixes cases
 * (0x20) recognises them. `turn` rotates the order of several values.
 */
export function answer(zones: Zones, question: { readonly name: string; readonly type: string }, turn = 0): Reply {
  const answers: ResourceRecord[] = [];
  let name = question.name.endsWith('.') ? question.name.slice(0, -1) : question.name;
  const visited = new Set<string>();
  const reply = (rcode: Rcode, authorities: readonly ResourceRecord[] = []): Reply => ({
    rcode,
    authoritative: true,
    answers,
    authorities,
  });

  for (let step = 0; step < LONGEST_CHAIN; step++) {
    const zone = zoneOf(zones, name);
    if (zone === null) {
      // Where an alias leads out of our zones, the asker goes on.
      if (answers.length > 0) return reply('NOERROR');
      return { rcode: 'REFUSED', authoritative: false, answers: [], authorities: [] };
    }
    const key = canonical(name);
    visited.add(key);
    const here = zones.sets.filter((set) => set.zone === zone && set.name === key);
    const own =
      question.type === 'ANY'
        ? any(zones, zone, key, name)
        : key === zone
          ? top(zones, zone, question.type, name)
          : null;
    if (own !== null) {
      answers.push(own);
      return reply('NOERROR');
    }
    const wanted = here.filter((set) => set.type === question.type);
    if (wanted.length > 0) {
      answers.push(...union(wanted, name, turn));
      return reply('NOERROR');
    }
    const alias = here.filter((set) => set.type === 'CNAME');
    if (alias.length === 0) {
      const exists = key === zone || zones.sets.some((set) => set.zone === zone && isBelow(set.name, key));
      return reply(exists ? 'NOERROR' : 'NXDOMAIN', [soa(zones, zone)]);
    }
    const [link] = union(alias, name, 0) as [ResourceRecord];
    answers.push(link);
    name = link.value;
    // Aliases that go round: what there is, is the answer.
    if (visited.has(canonical(name))) return reply('NOERROR');
  }
  return reply('NOERROR');
}

const LABEL = /^(?!-)[a-z0-9_-]{1,63}(?<!-)$/;

function isName(text: string): boolean {
  return text.length <= 253 && text.split('.').every((label) => LABEL.test(label));
}

function valueProblem(type: RecordType, value: string): string | null {
  if (type === 'A') return isIPv4(value) ? null : `${value} is not an IPv4 address`;
  if (type === 'AAAA') return isIPv6(value) && !value.includes('%') ? null : `${value} is not an IPv6 address`;
  if (type === 'CNAME') return isName(canonical(value)) ? null : `${value} is not a name`;
  if (type === 'TXT') return Buffer.byteLength(value) <= 4096 ? null : 'a text of more than 4096 bytes';
  const [, priority, weight, port, target = ''] = /^(\d{1,5}) (\d{1,5}) (\d{1,5}) (\S+)$/.exec(value) ?? [];
  const fits = [priority, weight, port].every((number) => Number(number ?? Number.NaN) <= 65_535);
  return fits && isName(canonical(target)) ? null : `${value} is not PRIORITY WEIGHT PORT TARGET`;
}

/** What keeps a value from being a RecordSet, by key; empty when it is one. */
export function problemsOf(input: { readonly [key: string]: unknown }): { key: string; why: string }[] {
  const found: { key: string; why: string }[] = [];
  const say = (key: string, why: string) => found.push({ key, why });
  for (const key of ['organism', 'birth'] as const) {
    if (typeof input[key] !== 'string' || !/^[A-Za-z0-9._-]{1,64}$/.test(input[key])) say(key, 'expected a plain word');
  }
  for (const key of ['zone', 'name'] as const) {
    if (typeof input[key] !== 'string' || !isName(input[key])) say(key, 'expected a domain name in lower case');
  }
  const { zone, name, type, values, ttl } = input;
  if (found.length === 0 && !isBelow(name as string, zone as string)) say('name', `${name} is not in the zone ${zone}`);
  if (!RECORD_TYPES.includes(type as RecordType)) say('type', `expected one of ${RECORD_TYPES.join(', ')}`);
  if (type === 'CNAME' && name === zone) say('type', 'the top of a zone cannot be an alias');
  if (!Number.isInteger(ttl) || (ttl as number) < 0 || (ttl as number) > 86_400 * 7) {
    say('ttl', 'expected whole seconds, at most a week');
  }
  if (!Array.isArray(values) || values.length === 0 || values.length > 256) {
    say('values', 'expected a list of 1 to 256 texts');
  } else if (type === 'CNAME' && values.length > 1) {
    say('values', 'an alias has one target');
  } else {
    for (const value of values) {
      const why = typeof value === 'string' ? valueProblem(type as RecordType, value) : 'expected a text';
      if (why !== null) say('values', why);
    }
  }
  return found;
}

/** Why a set cannot stand beside those of others: an alias is alone under its name (RFC 1034 3.6.2). */
export function conflictOf(zones: Zones, set: RecordSet): string | null {
  const id = idOf(set);
  const others = zones.sets.filter((other) => other.zone === set.zone && other.name === set.name && idOf(other) !== id);
  const clash = others.find((other) =>
    set.type === 'CNAME'
      ? other.type !== 'CNAME' || canonical(other.values[0] ?? '') !== canonical(set.values[0] ?? '')
      : other.type === 'CNAME',
  );
  return clash === undefined ? null : `${clash.organism}/${clash.birth} has a ${clash.type} record at ${set.name}`;
}

function bumped(zones: Zones, zone: string): Zones['serials'] {
  return { ...zones.serials, [zone]: ((zones.serials[zone] ?? 0) + 1) % 2 ** 32 };
}

/** With this set in it, in place of the same owner's. The same zones when nothing changes. */
export function withSet(zones: Zones, set: RecordSet): Zones {
  const id = idOf(set);
  const before = zones.sets.find((other) => idOf(other) === id);
  if (before !== undefined && JSON.stringify(before) === JSON.stringify(set)) return zones;
  return { serials: bumped(zones, set.zone), sets: [...zones.sets.filter((other) => other !== before), set] };
}

/** Without it. The same zones when it was not there. */
export function withoutSet(zones: Zones, id: string): Zones {
  const before = zones.sets.find((set) => idOf(set) === id);
  if (before === undefined) return zones;
  return { serials: bumped(zones, before.zone), sets: zones.sets.filter((set) => set !== before) };
}
