/**
 * What a rented machine, and what belongs to it, is called at its provider, and the tags by which it is found again:
 * worked out from the birth, before anything is made, and within what each provider takes.
 */
import { createHash } from 'node:crypto';
import type { BirthId } from '../../src/model.ts';
import { machineName } from '../names.ts';
import type { MachineNeed } from './machine.ts';

export interface Rules {
  /** At most so many characters. */
  readonly max: number;
  /** What is not allowed is replaced by a dash: a pattern of one or more characters, with the flag g. */
  readonly bad: RegExp;
}

/** Hex digits of SHA-256 that keep apart what is cut. */
const MARK = 10;

/** The text itself where it fits, else as much of it as does and a mark of the whole: different texts stay different. */
export function fitted(text: string, { max, bad }: Rules): string {
  const clean = text.replace(bad, '-');
  if (clean === text && text.length <= max) return text;
  const mark = createHash('sha256').update(text).digest('hex').slice(0, MARK);
  const head = clean.slice(0, max - MARK - 1).replace(/[-_.]+$/, '');
  return head === '' ? mark : `${head}-${mark}`;
}

/** What a machine is called, with the whole birth at its end whatever is cut before it. */
export function labelOf({ organism, birth }: Pick<MachineNeed, 'organism' | 'birth'>, rules: Rules): string {
  const whole = machineName(organism, birth);
  if (fitted(whole, rules) === whole) return whole;
  return machineName(fitted(organism, { ...rules, max: rules.max - birth.length - 1 }), birth);
}

export interface Tag {
  readonly key: 'organism' | 'birth' | 'parent' | 'function';
  readonly value: string;
}

/** Whose it is, and what it was made for. */
export function tagsOf({ organism, birth, parent, functions }: MachineNeed): readonly Tag[] {
  return [
    { key: 'organism', value: organism },
    { key: 'birth', value: birth },
    { key: 'parent', value: parent },
    ...[...functions].sort().map((value): Tag => ({ key: 'function', value })),
  ];
}

/** As one text a tag, where tags have no values: `cell-birth:b0123456789`. */
export function flat({ key, value }: Tag, rules: Rules): string {
  return fitted(`cell-${key}:${value}`, rules);
}

/**
 * The birth of a machine by its tags, or by its name, which ends with it: a tag that is deleted at the maker is taken from
 * whatever has it, also from what is not listed yet. Null for what carries neither.
 */
export function birthAmong(tags: readonly string[], name: string): BirthId | null {
  return flatValue(tags, 'birth') ?? /-(b[0-9a-f]{10})$/.exec(name)?.[1] ?? null;
}

/** The value of a flat tag among others, or null. */
export function flatValue(tags: readonly string[], key: Tag['key']): string | null {
  const start = `cell-${key}:`;
  return tags.find((tag) => tag.startsWith(start))?.slice(start.length) ?? null;
}
