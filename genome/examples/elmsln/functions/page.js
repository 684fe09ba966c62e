/** The page of a system: the suite's navigation, what was made here, and what the siblings shared. */
import { escaped } from './lib/serve.js';

const list = (rows) =>
  rows.length === 0 ? '<p>Nothing yet.</p>' : `<ul>${rows.map((row) => `<li>${row}</li>`).join('')}</ul>`;

export function page(about, items, references, siblings) {
  const hrefs = new Map(siblings.map(({ name, href }) => [name, href]));
  const anchor = (name, text) => {
    const href = hrefs.get(name);
    return href ? `<a href="${escaped(href)}">${escaped(text)}</a>` : escaped(text);
  };
  const nav = siblings.map(({ name }) => anchor(name, name)).join(' · ');
  const made = items.map((item) => `${escaped(item.title)} <small>${escaped(item.body)}</small>`);
  const shared = references.map(
    (reference) =>
      `${escaped(reference.title)} (a ${escaped(reference.kind)} in ${anchor(reference.from, reference.from)})`,
  );
  return `<!doctype html><html lang="en"><head><title>${escaped(about.title)}</title></head><body><nav>${nav}</nav><h1>${escaped(about.title)}</h1><h2>Each ${escaped(about.kind)} made here</h2>${list(made)}<h2>From the siblings</h2>${list(shared)}</body></html>`;
}
