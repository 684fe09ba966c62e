/** Bytes for a door that no honest peer says: noise, frames that lie about their length, half of a session, a session with a byte changed. */
import fc from 'fast-check';
import { GREETING } from './door.ts';

const MESSAGES = ['hello', 'news', 'pulses', 'done', 'error'];
const SHELL_WORDS = ['$(touch /var/tmp/owned)', '`id`', '; id', "'; id #", '\0', '-n', '\\', '--peer'];

/** @param session what an honest caller says after its greeting */
export function garbage(session: Buffer, count: number, seed: number): readonly Buffer[] {
  const honest = Buffer.concat([Buffer.from(GREETING), session]);
  const noise = fc.uint8Array({ maxLength: 400 }).map((bytes) => Buffer.from(bytes));
  const lying = fc
    .tuple(fc.constantFrom('J', 'B', 'E', 'X'), fc.nat(), fc.uint8Array({ maxLength: 80 }))
    .map(([kind, length, bytes]) => frame(kind, bytes, length));
  const message = fc
    .tuple(fc.constantFrom(...MESSAGES), fc.object({ maxDepth: 2 }))
    .map(([t, rest]) => frame('J', Buffer.from(JSON.stringify({ v: 1, ...rest, t }))));
  const json = fc.json().map((text) => frame('J', Buffer.from(text)));
  const greeted = fc.oneof(noise, lying, json, message).map((rest) => Buffer.concat([Buffer.from(GREETING), rest]));
  const words = fc.constantFrom(...SHELL_WORDS).map((word) => Buffer.from(`${word}\n`.repeat(20)));
  const endless = fc.integer({ min: 1, max: 20 }).map((many) => Buffer.alloc(many * 50_000, 'a'));
  const half = fc.nat(honest.length - 1).map((length) => honest.subarray(0, length));
  const changed = fc
    .tuple(fc.nat(honest.length - 1), fc.nat(255))
    .map(([where, byte]) => Buffer.from(honest).fill(byte, where, where + 1));
  return fc.sample(fc.oneof(noise, greeted, words, endless, half, changed), { numRuns: count, seed });
}

function frame(kind: string, bytes: Uint8Array, length = bytes.length): Buffer {
  const header = Buffer.alloc(5);
  header.write(kind, 'latin1');
  header.writeUInt32BE(length, 1);
  return Buffer.concat([header, bytes]);
}
