/**
 * Names of births, stacks and resources: worked out purely and before anything is made, from what identifies them and
 * never from what is shown to people.
 */
import { createHash } from 'node:crypto';
import { ONLY } from '../src/decide/dns.ts';
import type { BirthId } from '../src/model.ts';

/** The birth that `parent` announces as its attempt number `seq`: `b` and 40 bits of SHA-256, in hex. */
export function birthId(parent: string, seq: number): BirthId {
  return `b${createHash('sha256').update(`${parent}:${seq}`).digest('hex').slice(0, 10)}`;
}

/** The birth of the first cell, before any cell is there to be its parent. */
export function firstBirth(organism: string): BirthId {
  return birthId(organism, 0);
}

export type StackKind = 'body' | 'voice';

/** `garden-b0123456789-body`. An organism's name may have dashes; the birth and the kind have none. */
export function stackName(organism: string, birth: BirthId, kind: StackKind): string {
  return `${organism}-${birth}-${kind}`;
}

/** A cell has a voice at each DNS provider that it speaks at: `garden-b0123456789-voice`, or `…-voice.far`. */
export function voiceName(organism: string, birth: BirthId, dns: string): string {
  const name = stackName(organism, birth, 'voice');
  return dns === ONLY ? name : `${name}.${dns}`;
}

/** The parts of a stack's name, or null when it is none of ours. `dns` is of voices only. */
export function parseStackName(
  name: string,
): { organism: string; birth: BirthId; kind: StackKind; dns?: string } | null {
  const match = /^(.+)-(b[0-9a-f]{10})-(?:(body)|(voice)(?:\.([a-z0-9-]+))?)$/.exec(name);
  if (match === null) return null;
  const [, organism = '', birth = '', body, , dns = ONLY] = match;
  return body === undefined ? { organism, birth, kind: 'voice', dns } : { organism, birth, kind: 'body' };
}

/** The machine of a birth. */
export function machineName(organism: string, birth: BirthId): string {
  return `${organism}-${birth}`;
}

/** The records of one domain, pointing at the cell of a birth: `www-garden-example-org-b0123456789`. */
export function recordName(domain: string, birth: BirthId): string {
  return `${domain.replaceAll('.', '-')}-${birth}`;
}
