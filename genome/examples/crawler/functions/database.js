/** The database: pages by address in a journal, with a word index in memory. */
import { dataFile, openJournal } from './lib/journal.js';
import { servePages } from './pages.js';
import { wordIndex } from './text.js';

const pages = new Map();
const index = wordIndex();
const isLater = (page) => (pages.get(page.url)?.at ?? -1) < page.at;

const journal = await openJournal(dataFile('pages.jsonl'), {
  apply(page) {
    if (!isLater(page)) return;
    pages.set(page.url, page);
    index.put(page.url, `${page.title} ${page.text}`);
  },
  snapshot: () => [...pages.values()],
  size: () => pages.size,
});

servePages({
  async merge(list) {
    const later = list.filter(isLater);
    await Promise.all(later.map((page) => journal.append(page)));
    return later.length;
  },
  get: (url) => pages.get(url),
  search: (query, limit) => index.search(query, limit).map((url) => pages.get(url)),
  size: () => pages.size,
  close: () => journal.close(),
});
