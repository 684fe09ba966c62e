/**
 * A little web site that is made up as it is asked for, so that the crawler has something to crawl without an internet.
 * Page N links to 2N+1 and 2N+2 (which reaches every page from page 0) and across; its text changes every minute.
 */
const SUBJECTS = 'cell membrane nucleus enzyme genome ribosome protein spore root leaf seed pollen'.split(' ');
const VERBS = 'divides grows moves carries signals feeds rests joins sheds mends'.split(' ');
const PLACES = 'garden pond forest meadow river marsh orchard hedge field shore'.split(' ');

/** The HTML of one page, or null when the site has no such page. */
export function sitePage(number, pages, now) {
  if (!Number.isInteger(number) || number < 0 || number >= pages) return null;
  const minute = Math.floor(now / 60_000);
  const pick = (list, salt) => list[(number * 31 + salt * 17 + (number >> 3)) % list.length];
  const title = `Page ${number}: a ${pick(SUBJECTS, 1)} in the ${pick(PLACES, 2)}`;
  const sentences = Array.from(
    { length: 6 },
    (_, i) => `The ${pick(SUBJECTS, i)} ${pick(VERBS, i + minute)} beside the ${pick(PLACES, i * 3)}.`,
  );
  const links = [number * 2 + 1, number * 2 + 2, (number + 7) % pages]
    .filter((to) => to < pages)
    .map((to) => `<a href="/site/page/${to}">page ${to}</a>`);
  return `<!doctype html><html lang="en"><head><title>${title}</title></head><body><h1>${title}</h1><p>${sentences.join(' ')}</p><p>${links.join(' ')}</p></body></html>`;
}
