import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { questionMessage } from '../../../src/effects/dns/message.ts';
import { sign, type TsigKey, verify } from '../../../src/effects/dns/tsig.ts';
import { answerTo, partsOf } from './server.support.ts';
import { SECRET, VECTORS } from './vectors.ts';

const bytes = (hex: string) => Buffer.from(hex, 'hex');
const keyOf = (algorithm: TsigKey['algorithm']): TsigKey => ({ name: 'vector', algorithm, secret: SECRET });

describe('messages of other programs', () => {
  const named = '$what of $client, answered by $server, $algorithm';
  const withOurSecret = VECTORS.filter(({ what }) => what !== 'badSig');

  test.each(withOurSecret)(`are signed the same way here: ${named}`, ({ algorithm, request }) => {
    const signed = partsOf(bytes(request));
    const own = sign(signed.message, keyOf(algorithm), signed.at);
    expect(own.bytes.toString('hex')).toBe(request);
    expect(own.mac).toEqual(signed.mac);
  });

  test.each(VECTORS)(`are judged: ${named}`, ({ what, algorithm, request, answer }) => {
    const signed = partsOf(bytes(request));
    const verdict = verify(bytes(answer), keyOf(algorithm), signed.mac, signed.at);
    if (what === 'badSig') expect(verdict).toEqual({ kind: 'badSig' });
    else if (what === 'badTime') {
      expect(verdict).toEqual({ kind: 'badTime', aheadBy: expect.toSatisfy((s: number) => s >= 3600 && s < 3605) });
    } else {
      expect(verdict).toEqual({ kind: 'good', message: partsOf(bytes(answer)).message });
    }
  });

  test.each(withOurSecret)(`belong to one request and one key: ${named}`, ({ algorithm, request, answer }) => {
    const signed = partsOf(bytes(request));
    const judged = (key: TsigKey, mac: Buffer) => verify(bytes(answer), key, mac, signed.at).kind;
    const key = keyOf(algorithm);
    expect(judged(key, Buffer.alloc(32))).toBe('forged');
    expect(judged({ ...key, secret: Buffer.from('another').toString('base64') }, signed.mac)).toBe('forged');
    expect(judged({ ...key, name: 'victor' }, signed.mac)).toBe('forged');
  });

  test.each(withOurSecret.filter(({ what }) => what !== 'badTime'))(
    `are of their time: ${named}`,
    ({ algorithm, request, answer }) => {
      const signed = partsOf(bytes(request));
      const at = (seconds: number) => verify(bytes(answer), keyOf(algorithm), signed.mac, signed.at + seconds);
      expect(at(299).kind).toBe('good');
      expect(at(305)).toMatchObject({ kind: 'late', aheadBy: expect.toSatisfy((s: number) => s <= -301) });
      expect(at(-400)).toMatchObject({ kind: 'late', aheadBy: expect.toSatisfy((s: number) => s >= 400) });
    },
  );
});

describe('an answer', () => {
  const key: TsigKey = { name: 'Garden.Key', algorithm: 'hmac-sha384', secret: SECRET };
  const request = sign(questionMessage(7, 'www.garden.test', 'A'), key, 1_800_000_000);
  const answer = answerTo(request.bytes, key, { at: 1_800_000_001 });

  test('is good as it was sent', () => {
    expect(verify(answer, key, request.mac, 1_800_000_002)).toEqual({ kind: 'good', message: partsOf(answer).message });
  });

  test('without a signature is told apart from one with another', () => {
    expect(verify(partsOf(answer).message, key, request.mac, 1_800_000_002)).toEqual({ kind: 'unsigned' });
  });

  test.each([
    [16, 'badSig'],
    [17, 'badKey'],
    [22, 'badTrunc'],
  ] as const)('may say error %i of TSIG without a MAC: %s', (error, kind) => {
    const said = answerTo(request.bytes, key, { at: 1_800_000_001, rcode: 9, error, mac: Buffer.alloc(0) });
    expect(verify(said, key, request.mac, 1_800_000_001)).toEqual({ kind });
  });

  test('that says BADTIME without a good MAC is believed in nothing', () => {
    const said = answerTo(request.bytes, key, { at: 1_800_000_001, rcode: 9, error: 18, mac: Buffer.alloc(48) });
    expect(verify(said, key, request.mac, 1_800_000_001)).toEqual({ kind: 'forged' });
  });

  test('with a MAC that was cut short is not believed', () => {
    const mac = partsOf(answer).mac.subarray(0, 24);
    const short = answerTo(request.bytes, key, { at: 1_800_000_001, mac });
    expect(verify(short, key, request.mac, 1_800_000_001)).toEqual({ kind: 'forged' });
  });

  test('with any bit changed is not believed', () => {
    const spots = fc.nat({ max: answer.length * 8 - 1 });
    fc.assert(
      fc.property(spots, (spot) => {
        const changed = Buffer.from(answer);
        changed[spot >> 3]! ^= 1 << (spot & 7);
        const verdict = verify(changed, key, request.mac, 1_800_000_002);
        // A name in another case is the same name, and the id on the wire is not what was signed (RFC 8945 4.3.2).
        if (verdict.kind === 'good') {
          const differs = [...changed].flatMap((byte, at) => (byte === answer[at] ? [] : [at]));
          const isCase = (changed[spot >> 3]! ^ answer[spot >> 3]!) === 0x20;
          expect(isCase || differs.every((at) => at < 2 || isUnsigned(at))).toBe(true);
        }
      }),
      { numRuns: 2000 },
    );
  });

  /** Name, class and TTL of the record itself are not read: what is signed is what they must be. */
  function isUnsigned(at: number): boolean {
    const { start } = partsOf(answer);
    return at >= start && at < start + key.name.length + 2 + 8;
  }

  test('of any bytes at all makes nothing throw', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (noise) => {
        expect(verify(Buffer.from(noise), key, request.mac, 0).kind).not.toBe('good');
      }),
    );
    fc.assert(
      fc.property(fc.nat({ max: answer.length - 1 }), (length) => {
        expect(verify(answer.subarray(0, length), key, request.mac, 1_800_000_002).kind).not.toBe('good');
      }),
    );
  });
});
