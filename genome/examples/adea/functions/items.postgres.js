/**
 * Items in PostgreSQL, by the rules of items.js. A value is kept as the text of its JSON, which holds characters that
 * PostgreSQL's own JSON does not.
 *
 * `seq` numbers what was taken. All writing goes through one connection, so numbers become visible in their order, and
 * whoever was told of one has missed none below it.
 */
import { randomUUID } from 'node:crypto';
import { wins } from './items.js';
import { openPostgres } from './lib/postgres.js';
import { ME } from './replica.js';

const SCHEMA = [
  'create sequence if not exists changes',
  `create table if not exists items (
    key text collate "C" primary key,
    value text,
    at double precision not null,
    by text collate "C" not null,
    seq bigint not null unique
  )`,
  'create index if not exists items_newest on items (at desc, key) where value is not null',
  'create table if not exists cursors ("from" text primary key, log text not null, since bigint not null)',
  'create table if not exists log (one boolean primary key default true check (one), cell text not null, id text not null)',
];

/** The comparison is `wins` of items.js. */
const TAKE = `
with taken as (
  insert into items (key, value, at, by, seq)
  select key, value, at, by, nextval('changes')
  from json_to_recordset($1::json) as item(key text, value text, at double precision, by text)
  on conflict (key) do update
    set value = excluded.value, at = excluded.at, by = excluded.by, seq = excluded.seq
    where (excluded.at, excluded.by) > (items.at, items.by)
  returning 1
)
select count(*) as n from taken`;

const LOG = `
insert into log (cell, id) values ($1, $2)
on conflict (one) do update
  set cell = excluded.cell, id = case when log.cell = excluded.cell then log.id else excluded.id end
returning id`;

const CURSOR = `
insert into cursors ("from", log, since) values ($1, $2, $3::bigint)
on conflict ("from") do update set log = excluded.log, since = excluded.since`;

const COLUMNS = 'key, value, at, by, seq';

const fromRow = ({ key, value, at, by, seq }) => ({
  key,
  value: value === null ? null : JSON.parse(value),
  at: Number(at),
  by,
  seq: Number(seq),
});

/** As a store for serveItems. */
export async function openItems() {
  const { query, write, close } = await openPostgres(SCHEMA);
  const [{ id }] = await write(LOG, [ME, randomUUID()]);
  const [{ latest }] = await query('select coalesce(max(at), 0) as latest from items');
  let clock = Number(latest);
  return {
    log: id,
    async take(list) {
      // PostgreSQL takes each row once in a statement.
      const best = new Map();
      for (const item of list) {
        clock = Math.max(clock, item.at);
        if (!best.has(item.key) || wins(item, best.get(item.key))) best.set(item.key, item);
      }
      if (best.size === 0) return 0;
      const rows = [...best.values()].map((item) => ({
        ...item,
        value: item.value === null ? null : JSON.stringify(item.value),
      }));
      const [{ n }] = await write(TAKE, [rows]);
      return Number(n);
    },
    tick: (now) => Math.max(now, clock + 1),
    async get(key) {
      const [row] = await query(`select ${COLUMNS} from items where key = $1`, [key]);
      return row === undefined ? undefined : fromRow(row);
    },
    async newest(limit) {
      const text = `select ${COLUMNS} from items where value is not null order by at desc, key limit $1::int`;
      return (await query(text, [limit])).map(fromRow);
    },
    async count() {
      const [{ n }] = await query('select count(*) as n from items where value is not null');
      return Number(n);
    },
    async changes(since, limit) {
      const text = `select ${COLUMNS} from items where seq > $1::bigint order by seq limit $2::int`;
      const changes = (await query(text, [since, limit])).map(fromRow);
      return { changes, until: changes.at(-1)?.seq ?? since };
    },
    async cursor(cell) {
      const [row] = await query('select "from", log, since from cursors where "from" = $1', [cell]);
      return row === undefined ? undefined : { ...row, since: Number(row.since) };
    },
    async keepCursor({ from, log, since }) {
      await write(CURSOR, [from, log, since]);
    },
    close,
  };
}

/** Items as another database dumped them, in batches: what `query` asks there. */
export async function* itemsOf(query, batch) {
  for (let last = 0; ; ) {
    const text = `select ${COLUMNS} from items where seq > $1::bigint order by seq limit $2::int`;
    const rows = (await query(text, [last, batch])).map(fromRow);
    if (rows.length > 0) yield rows.map(({ seq, ...item }) => item);
    if (rows.length < batch) return;
    last = rows.at(-1).seq;
  }
}
