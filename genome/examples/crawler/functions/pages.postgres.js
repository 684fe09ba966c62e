/** Pages in PostgreSQL, found by its full-text search. */
import { openPostgres } from './lib/postgres.js';

const SCHEMA = [
  `create table if not exists pages (
    url text collate "C" primary key,
    title text not null,
    text text not null,
    at bigint not null,
    crawler text,
    words tsvector generated always as (to_tsvector('simple', left(title || ' ' || text, 200000))) stored
  )`,
  'create index if not exists pages_words on pages using gin (words)',
];

/** Of two versions of a page in one statement the later one; PostgreSQL takes each row once. */
const MERGE = `
with given as (
  select distinct on (url) * from jsonb_to_recordset($1::jsonb)
    as page(url text, title text, text text, at numeric, crawler text)
  order by url, at desc
), taken as (
  insert into pages (url, title, text, at, crawler)
  select url, title, text, at::bigint, crawler from given
  on conflict (url) do update
    set title = excluded.title, text = excluded.text, at = excluded.at, crawler = excluded.crawler
    where pages.at < excluded.at
  returning 1
)
select count(*) as n from taken`;

const SEARCH = `
select url, title, at from pages
where words @@ plainto_tsquery('simple', $1)
order by ts_rank(words, plainto_tsquery('simple', $1)) desc, url limit $2::int`;

const fromRow = ({ at, ...page }) => ({ ...page, at: Number(at) });
/** PostgreSQL keeps neither a NUL nor half a character. */
const storable = (text) => (text === null ? null : String(text).replaceAll('\0', ' ').toWellFormed());

/** As a store for servePages. */
export async function openPages() {
  const { query, write, close } = await openPostgres(SCHEMA);
  return {
    async merge(list) {
      const pages = list.map((page) => ({
        url: storable(page.url),
        title: storable(page.title),
        text: storable(page.text),
        at: Math.trunc(page.at),
        crawler: storable(page.crawler),
      }));
      const [{ n }] = await write(MERGE, [pages]);
      return Number(n);
    },
    async get(url) {
      const [row] = await query('select url, title, text, at, crawler from pages where url = $1', [url]);
      return row === undefined ? undefined : fromRow(row);
    },
    async search(words, limit) {
      return (await query(SEARCH, [storable(words), limit])).map(fromRow);
    },
    async size() {
      const [{ n }] = await query('select count(*) as n from pages');
      return Number(n);
    },
    close,
  };
}

/** Pages as another database dumped them, in batches: what `query` asks there. */
export async function* pagesOf(query, batch) {
  for (let last = ''; ; ) {
    const rows = await query(
      'select url, title, text, at, crawler from pages where url > $1 order by url limit $2::int',
      [last, batch],
    );
    if (rows.length > 0) yield rows.map(fromRow);
    if (rows.length < batch) return;
    last = rows.at(-1).url;
  }
}
