/** Words out of text, links out of pages, and an index from words to pages. */

/** The words of a text, in lower case. */
export function words(text) {
  return (
    String(text)
      .toLowerCase()
      .match(/[\p{L}\p{N}]+/gu) ?? []
  );
}

/** Title, text and absolute links of an HTML page. */
export function readPage(html, base) {
  const title = /<title>([^<]*)<\/title>/i.exec(html)?.[1]?.trim() ?? base;
  const links = new Set();
  for (const [, href] of html.matchAll(/<a\s[^>]*href="([^"#]+)"/gi)) {
    const url = URL.canParse(href, base) ? new URL(href, base) : null;
    if (url !== null && url.protocol === 'http:') links.add(url.href);
  }
  const text = html
    .replace(/<head[\s\S]*?<\/head>/i, ' ')
    .replace(/<[^>]*>/g, ' ')
    .replace(/\s+/g, ' ')
    .trim();
  return { title, text, links: [...links] };
}

/** Which keys hold which words, and how often. */
export function wordIndex() {
  const counts = new Map();
  const held = new Map();

  function remove(key) {
    for (const word of held.get(key) ?? []) {
      const keys = counts.get(word);
      keys.delete(key);
      if (keys.size === 0) counts.delete(word);
    }
    held.delete(key);
  }

  return {
    put(key, text) {
      remove(key);
      const all = words(text);
      held.set(key, new Set(all));
      for (const word of all) {
        const keys = counts.get(word) ?? new Map();
        keys.set(key, (keys.get(key) ?? 0) + 1);
        counts.set(word, keys);
      }
    },
    remove,
    /** The keys that hold every word asked for, the ones that say them most often first. */
    search(query, limit) {
      const asked = [...new Set(words(query))].map((word) => counts.get(word) ?? new Map());
      if (asked.length === 0) return [];
      asked.sort((a, b) => a.size - b.size);
      const [rarest, ...others] = asked;
      const found = [];
      for (const [key, count] of rarest) {
        if (!others.every((keys) => keys.has(key))) continue;
        found.push({ key, score: others.reduce((sum, keys) => sum + keys.get(key), count) });
      }
      found.sort((a, b) => b.score - a.score || (a.key < b.key ? -1 : 1));
      return found.slice(0, limit).map(({ key }) => key);
    },
  };
}
