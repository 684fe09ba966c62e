/** The UI: pages of notes for people, out of the database and the search. */
import { randomUUID } from 'node:crypto';
import { escaped, HttpError, serve } from './lib/serve.js';
import { ask, call, places } from './lib/where.js';

const cell = process.env.CELL_NAME ?? 'nobody';

const shell = (title, content) =>
  `<!doctype html><html lang="en"><head><title>${escaped(title)}</title></head><body><form action="/search"><input name="q"><button>Search</button></form><h1>${escaped(title)}</h1>${content}<footer>Made by ${escaped(cell)}</footer></body></html>`;
const anchor = (key, title) => `<li><a href="/notes/${encodeURIComponent(key)}">${escaped(title)}</a></li>`;

/** The database's answer, or its refusal as ours. */
async function fromDatabase(options) {
  const { status, json, text } = await ask('database', options);
  if (status >= 400) throw new HttpError(status, json?.error ?? text);
  return json;
}

async function home() {
  const { items } = await fromDatabase({ path: '/items?limit=50' });
  const form =
    '<form method="post" action="/notes"><input name="title"><textarea name="body"></textarea><button>Keep</button></form>';
  return {
    html: shell('Notes', `${form}<ul>${items.map(({ key, value }) => anchor(key, value.title)).join('')}</ul>`),
  };
}

async function keep({ request, text }) {
  const isForm = (request.headers['content-type'] ?? '').startsWith('application/x-www-form-urlencoded');
  const { title, body = '' } = isForm ? Object.fromEntries(new URLSearchParams(await text())) : readJson(await text());
  if (typeof title !== 'string' || title.trim() === '') throw new HttpError(400, 'a note needs a title');
  const key = randomUUID();
  await fromDatabase({ method: 'PUT', path: `/items/${key}`, json: { title, body: String(body) } });
  return isForm ? { status: 303, headers: { location: `/notes/${key}` } } : { status: 201, json: { key, title } };
}

function readJson(text) {
  try {
    return JSON.parse(text);
  } catch {
    throw new HttpError(400, 'the body is not JSON');
  }
}

/** Kept a moment ago by way of another UI, a note may be in that one's database only. */
async function fromAnyDatabase(options) {
  try {
    return await fromDatabase(options);
  } catch (error) {
    if (error.status !== 404) throw error;
    const others = places('database').slice(1);
    const answers = await Promise.allSettled(others.map((place) => call(place, { ...options, timeout: 1_000 })));
    const found = answers.find(({ value }) => value?.status === 200);
    if (found === undefined) throw error;
    return found.value.json;
  }
}

async function note({ id }) {
  const { value } = await fromAnyDatabase({ path: `/items/${encodeURIComponent(id)}` });
  return { html: shell(value.title, `<p>${escaped(value.body)}</p>`) };
}

async function search({ query }) {
  const asked = query.get('q') ?? '';
  const { json } = await ask('search', { path: `/search?${new URLSearchParams({ q: asked })}` });
  return {
    html: shell(`Search: ${asked}`, `<ul>${json.found.map(({ key, title }) => anchor(key, title)).join('')}</ul>`),
  };
}

serve({ routes: { 'GET /': home, 'POST /notes': keep, 'GET /notes/:id': note, 'GET /search': search } });
