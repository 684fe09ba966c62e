/**
 * One system of the suite. All thirteen are this program, each with its own title, items, domain and data.
 *
 * A system keeps what is made in it (courses, media, posts, …), shows its siblings in its navigation, and cross-posts:
 * an item made here is referred to in the siblings it is shared with. What is still to be cross-posted is in the same
 * record as the item, so that it goes out even if the program stops in between; a sibling takes a reference twice.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { dataFile, openJournal } from './lib/journal.js';
import { HttpError, serve } from './lib/serve.js';
import { ask, call, link, places, where } from './lib/where.js';
import { page } from './page.js';

const NAME = process.env.CELL_FUNCTION;
const TITLE = process.env.TITLE ?? NAME;
/** What one item is called here: course, video, post, … */
const ITEM = process.env.ITEM ?? 'item';
/** Siblings that an item is shared with when its maker does not say. */
const SHARE = (process.env.SHARE ?? '').split(',').filter((name) => name !== '');
/** How often (ms) a sibling that was away is tried again. */
const RETRY = Number(process.env.RETRY_MS ?? 1_000);

const items = new Map();
/** References to items of siblings, by `sibling/id`. */
const references = new Map();
/** By item id: the siblings that have not taken it yet. */
const unsent = new Map();
let stopped = false;

const journal = await openJournal(dataFile('items.jsonl'), {
  apply(record) {
    if (record.kind === 'item') {
      items.set(record.item.id, record.item);
      unsent.set(record.item.id, new Set(record.share));
    } else if (record.kind === 'sent') {
      unsent.get(record.id)?.delete(record.to);
    } else if (record.kind === 'reference') {
      references.set(`${record.reference.from}/${record.reference.id}`, record.reference);
    }
  },
  snapshot: () => [
    ...[...items.values()].map((item) => ({ kind: 'item', item, share: [...(unsent.get(item.id) ?? [])] })),
    ...[...references.values()].map((reference) => ({ kind: 'reference', reference })),
  ],
  size: () => items.size + references.size,
});

/** The other systems, and where they are now. */
function siblings() {
  return Object.keys(where().functions ?? {})
    .filter((name) => name !== NAME)
    .sort()
    .map((name) => {
      const [place] = places(name);
      return { name, cell: place?.cell ?? null, href: place ? link(place) : null, healthy: place?.healthy ?? false };
    });
}

/** How many systems, this one included, share this cell: the pressure that the genome bounds. */
function crowd() {
  const here = Object.values(where().functions ?? {}).filter((all) => all.some((place) => place.own));
  return Math.max(1, here.length);
}

async function create({ json }) {
  const { id = randomUUID(), title, body = '', share = SHARE } = await json();
  if (typeof title !== 'string' || title.trim() === '') throw new HttpError(400, `a ${ITEM} needs a title`);
  if (!Array.isArray(share)) throw new HttpError(400, 'share is a list of siblings');
  const strangers = share.filter((name) => name === NAME || !Object.hasOwn(where().functions ?? {}, name));
  if (strangers.length > 0) throw new HttpError(400, `no sibling is called ${strangers.join(', ')}`);
  const old = items.get(id);
  if (old !== undefined) return { json: shown(old) };
  const item = { id: String(id), title, body: String(body), at: Date.now() };
  await journal.append({ kind: 'item', item, share });
  void deliver(item.id);
  return { status: 201, json: shown(item) };
}

function shown(item) {
  return { ...item, kind: ITEM, waiting: [...(unsent.get(item.id) ?? [])] };
}

async function refer({ json }) {
  const { from, id, title, kind = 'item', at = Date.now() } = await json();
  if (typeof from !== 'string' || typeof id !== 'string') throw new HttpError(400, 'a reference names from and id');
  if (!references.has(`${from}/${id}`)) {
    await journal.append({ kind: 'reference', reference: { from, id, title: String(title), kind, at } });
  }
  return { json: { taken: `${from}/${id}` } };
}

/** Sends one item to the siblings that have not taken it yet. */
async function deliver(id) {
  const item = items.get(id);
  for (const to of [...(unsent.get(id) ?? [])]) {
    try {
      const reference = { from: NAME, id, title: item.title, kind: ITEM, at: item.at };
      const { status } = await ask(to, { method: 'POST', path: '/references', json: reference });
      if (status === 200) await journal.append({ kind: 'sent', id, to });
    } catch {
      // Away at the moment; tried again by the loop below.
    }
  }
}

async function deliverAll() {
  while (!stopped) {
    for (const [id, left] of unsent) {
      if (left.size === 0) unsent.delete(id);
      else await deliver(id);
    }
    await sleep(RETRY);
  }
}

const about = () => ({
  name: NAME,
  title: TITLE,
  kind: ITEM,
  cell: process.env.CELL_NAME ?? null,
  items: items.size,
  references: references.size,
});

/** What each sibling says about itself, asked all at once. */
async function network() {
  const answers = siblings().map(async (sibling) => {
    const [place] = places(sibling.name);
    try {
      const { json } = await call(place, { path: '/about', timeout: 2_000 });
      return { ...sibling, about: json };
    } catch {
      return { ...sibling, about: null };
    }
  });
  return { json: { systems: [{ name: NAME, about: about() }, ...(await Promise.all(answers))] } };
}

serve({
  routes: {
    'GET /': () => ({ html: page(about(), [...items.values()], [...references.values()], siblings()) }),
    'GET /about': () => ({ json: about() }),
    'GET /siblings': () => ({ json: { siblings: siblings() } }),
    'GET /network': network,
    'GET /items': () => ({ json: { items: [...items.values()].map(shown) } }),
    'GET /items/:id': ({ id }) => {
      const item = items.get(id);
      if (item === undefined) throw new HttpError(404, `no ${ITEM} ${id}`);
      return { json: shown(item) };
    },
    'POST /items': create,
    'GET /references': () => ({ json: { references: [...references.values()] } }),
    'POST /references': refer,
  },
  metrics: () => ({
    crowd: crowd(),
    items: items.size,
    references: references.size,
    unsent: [...unsent.values()].filter((left) => left.size > 0).length,
  }),
  close: async () => {
    stopped = true;
    await journal.close();
  },
});
void deliverAll();
