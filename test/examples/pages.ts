/** How the tests of the crawler speak with its database. */
import type { Program } from './stage.ts';

export const urlOf = (n: number) => `http://www.crawler.test/site/page/${n}`;

export const put = (database: Program, n: number, text: string, at = 1_000) =>
  database.send('PUT', '/pages', { url: urlOf(n), title: `Page ${n}`, text, at });
export const read = (database: Program, n: number) => database.get(`/pages?url=${encodeURIComponent(urlOf(n))}`);
