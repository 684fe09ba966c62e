import { describe, expect, test } from 'vitest';
import {
  type Condition,
  questionMessage,
  readReply,
  type TextRecord,
  textData,
  updateMessage,
  type ZoneChange,
} from '../../../src/effects/dns/message.ts';
import { partsOf, plainAnswer, readMessage, record } from './server.support.ts';
import { VECTORS } from './vectors.ts';

const [A, CNAME, SOA, TXT, AAAA] = [1, 5, 6, 16, 28];
const [IN, NONE, ANY] = [1, 254, 255];
const www = { name: 'www.vector.test', type: 'A', ttl: 30, data: '192.0.2.1' } as const;
const text = (value: string): TextRecord => ({
  name: '_cell.www.vector.test',
  type: 'TXT',
  ttl: 30,
  data: textData(value),
});
const plain = (message: Buffer) => {
  const { id, opcode, question, sections } = readMessage(message);
  const records = sections.map((section) =>
    section.map(({ name, type, class: klass, ttl, data }) => ({
      name,
      type,
      class: klass,
      ttl,
      data: data.toString('hex'),
    })),
  );
  return { id, opcode, question, records };
};

describe('an update', () => {
  test.each([
    [
      'nsupdate',
      'add',
      { conditions: [{ kind: 'absent', name: www.name, type: 'A' }], changes: [{ kind: 'add', record: www }] },
    ],
  ] as const)('says what %s says to %s', (client, what, update) => {
    const vector = VECTORS.find((one) => one.client.startsWith(client) && one.what === what);
    const theirs = plain(partsOf(Buffer.from(vector!.request, 'hex')).message);
    expect(plain(updateMessage(theirs.id, 'vector.test', update))).toEqual(theirs);
  });

  const conditions: readonly (readonly [string, Condition, readonly object[]])[] = [
    ['no address', { kind: 'absent', name: www.name, type: 'A' }, [{ type: A, class: NONE, ttl: 0, data: '' }]],
    ['no alias', { kind: 'absent', name: www.name, type: 'CNAME' }, [{ type: CNAME, class: NONE, ttl: 0, data: '' }]],
    ['some text', { kind: 'present', name: www.name, type: 'TXT' }, [{ type: TXT, class: ANY, ttl: 0, data: '' }]],
    [
      'these texts',
      { kind: 'exactly', records: [text('a'), text('bc')] },
      [
        { type: TXT, class: IN, ttl: 0, data: '0161' },
        { type: TXT, class: IN, ttl: 0, data: '026263' },
      ],
    ],
  ];
  test.each(conditions)('asks for %s (RFC 2136 2.4)', (_, condition, expected) => {
    const { records, opcode, question } = plain(
      updateMessage(1, 'vector.test', { conditions: [condition], changes: [] }),
    );
    expect(records).toMatchObject([expected, [], []]);
    expect({ opcode, question }).toEqual({ opcode: 5, question: { name: 'vector.test', type: SOA } });
  });

  const six = { name: www.name, type: 'AAAA', ttl: 7, data: '2001:db8::1' } as const;
  const changes: readonly (readonly [ZoneChange, object])[] = [
    [
      { kind: 'add', record: www },
      { type: A, class: IN, ttl: 30, data: 'c0000201' },
    ],
    [
      { kind: 'remove', record: www },
      { type: A, class: NONE, ttl: 0, data: 'c0000201' },
    ],
    [
      { kind: 'add', record: six },
      { type: AAAA, class: IN, ttl: 7, data: '20010db8000000000000000000000001' },
    ],
    [
      { kind: 'remove', record: text('x') },
      { type: TXT, class: NONE, ttl: 0, data: '0178' },
    ],
  ];
  test.each(changes)('changes one record and no set: $kind $record.type (RFC 2136 2.5)', (change, expected) => {
    const { records } = plain(updateMessage(1, 'vector.test', { conditions: [], changes: [change] }));
    expect(records).toMatchObject([[], [expected], []]);
  });

  test('keeps long texts in strings of 255 bytes and changes no buffer it was given', () => {
    const long = text('ä'.repeat(300));
    const before = long.data.map((part) => part.toString('hex'));
    expect(long.data.map((part) => part.length)).toEqual([255, 255, 90]);
    const update = { conditions: [], changes: [{ kind: 'add', record: long } as const] };
    const [, [added]] = readMessage(updateMessage(1, 'vector.test', update)).sections as never as [
      [],
      [{ data: Buffer }],
    ];
    expect(added.data.length).toBe(603);
    expect(long.data.map((part) => part.toString('hex'))).toEqual(before);
  });
});

describe('an answer', () => {
  const question = questionMessage(9, 'www.vector.test', 'A');

  test('is read: what it says, and whether with authority', () => {
    const bytes = plainAnswer(question, { answers: [record('www.vector.test', A, 30, Buffer.from([192, 0, 2, 1]))] });
    expect(readReply(bytes)).toMatchObject({
      rcode: 0,
      authoritative: true,
      answers: [{ name: 'www.vector.test', type: 'A', ttl: 30, data: '192.0.2.1' }],
      authorities: [],
    });
    expect(readReply(plainAnswer(question, { rcode: 3 })).rcode).toBe(3);
  });

  test('is no question, and not half of one', () => {
    expect(() => readReply(question)).toThrow('a question came');
    expect(() => readReply(question.subarray(0, 5))).toThrow();
  });
});
