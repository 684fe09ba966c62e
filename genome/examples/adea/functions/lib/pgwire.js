/**
 * A client for PostgreSQL over a socket file: its protocol, version 3, as far as a program on the same machine needs it
 * (https://www.postgresql.org/docs/current/protocol.html). No passwords, no TLS, no COPY.
 *
 * Own code, because a well-kept client brings a tree of packages along, and Debian's a second Node; an example should be
 * its own few files.
 *
 * Queries on one connection are sent as they come and answered in the same order (each is its own transaction), so
 * what is written through one connection is committed in the order in which it was asked for.
 */
import { createConnection } from 'node:net';

/** What PostgreSQL complains about; `code` is its SQLSTATE. */
export class SqlError extends Error {
  constructor(fields) {
    super(fields.M);
    this.code = fields.C;
  }
}

/**
 * One connection. `query(text, values)` resolves with rows as objects of text and null (cast in SQL, or parse what you
 * asked for as JSON). `closed` resolves when the connection is gone.
 */
export async function connect(path, { user, database }) {
  const socket = createConnection({ path });
  await new Promise((done, failed) => socket.once('connect', done).once('error', failed));
  const waiting = [];
  const closed = new Promise((done) => socket.once('close', done));
  let rest = Buffer.alloc(0);
  let gone = null;

  /** Resolves at the next ReadyForQuery, with the rows before it. */
  const answer = () => new Promise((done, failed) => waiting.push({ done, failed, names: [], rows: [], error: null }));

  function take(type, body) {
    const current = waiting[0];
    if (current === undefined) return;
    switch (type) {
      case 'T':
        current.names = rowNames(body);
        break;
      case 'D':
        current.rows.push(Object.fromEntries(rowValues(body).map((value, i) => [current.names[i], value])));
        break;
      case 'E':
        current.error = new SqlError(errorFields(body));
        break;
      case 'R':
        if (body.readInt32BE(0) !== 0) current.error = new Error('PostgreSQL wants a password');
        break;
      case 'Z':
        waiting.shift();
        if (current.error) current.failed(current.error);
        else current.done(current.rows);
    }
  }

  socket.on('data', (chunk) => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    let at = 0;
    while (rest.length - at >= 5 && rest.length - at > rest.readInt32BE(at + 1)) {
      const end = at + 1 + rest.readInt32BE(at + 1);
      take(String.fromCharCode(rest[at]), rest.subarray(at + 5, end));
      at = end;
    }
    rest = rest.subarray(at);
  });
  socket.on('error', () => {});
  socket.once('close', () => {
    gone = new Error('PostgreSQL closed the connection');
    for (const { failed, error } of waiting.splice(0)) failed(error ?? gone);
  });

  const ready = answer();
  const settings = Buffer.from(`user\0${user}\0database\0${database}\0\0`);
  socket.write(Buffer.concat([int32(8 + settings.length), int32(196_608), settings]));
  try {
    await ready;
  } catch (error) {
    socket.destroy();
    throw error;
  }

  return {
    closed,
    /** How many answers are awaited. */
    waiting: () => waiting.length,
    query(text, values = []) {
      if (gone !== null) return Promise.reject(gone);
      const rows = answer();
      socket.write(Buffer.concat([parse(text), bind(values), DESCRIBE, EXECUTE, SYNC]));
      return rows;
    },
    end() {
      socket.end(message('X'));
      return closed;
    },
  };
}

function int32(number) {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(number);
  return bytes;
}

function int16(number) {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(number);
  return bytes;
}

function message(type, ...parts) {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from(type), int32(body.length + 4), body]);
}

const parse = (text) => message('P', Buffer.from(`\0${text}\0`), int16(0));
const DESCRIBE = message('D', Buffer.from('P\0'));
const EXECUTE = message('E', Buffer.from('\0'), int32(0));
const SYNC = message('S');

/** Every value as text; objects and lists as JSON. */
function bind(values) {
  const parts = values.flatMap((value) => {
    if (value === null || value === undefined) return [int32(-1)];
    const bytes = Buffer.from(typeof value === 'object' ? JSON.stringify(value) : String(value));
    return [int32(bytes.length), bytes];
  });
  return message('B', Buffer.from('\0\0'), int16(0), int16(values.length), ...parts, int16(0));
}

function rowNames(body) {
  const names = [];
  for (let at = 2, left = body.readInt16BE(0); left > 0; left -= 1) {
    const end = body.indexOf(0, at);
    names.push(body.toString('utf8', at, end));
    // Table, column, type, size, modifier, format.
    at = end + 1 + 18;
  }
  return names;
}

function rowValues(body) {
  const values = [];
  for (let at = 2, left = body.readInt16BE(0); left > 0; left -= 1) {
    const length = body.readInt32BE(at);
    at += 4;
    values.push(length < 0 ? null : body.toString('utf8', at, at + length));
    at += Math.max(length, 0);
  }
  return values;
}

/** By their letters: S severity, C code, M message, … */
function errorFields(body) {
  const fields = {};
  for (const field of body.toString('utf8').split('\0')) if (field !== '') fields[field[0]] = field.slice(1);
  return fields;
}
