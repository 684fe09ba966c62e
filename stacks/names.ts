/**
 * Names of births, stacks and resources: worked out purely and before anything is made, from what identifies them and
 * never from what is shown to people.
 */
import { createHash } from 'node:crypto';
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

/** Both stacks of a cell. */
export function stackNames(organism: string, birth: BirthId): { readonly body: string; readonly voice: string } {
  return { body: stackName(organism, birth, 'body'), voice: stackName(organism, birth, 'voice') };
}
