/** What the documents point to is there: links to files, and paths in backticks. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '../..');
const DOCS = readdirSync(join(ROOT, 'docs'), { recursive: true, encoding: 'utf8' }).map((name) => join('docs', name));
const DOCUMENTS = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', ...DOCS].filter((name) => name.endsWith('.md'));
const ROOMS = /^(?:\.ci|bin|bench|commands|docs|genome|src|stacks|test|tools)\/[\w./-]*\w\/?$/;

test.each(DOCUMENTS)('%s', (name) => {
  const text = readFileSync(join(ROOT, name), 'utf8').replace(/^```[\s\S]*?^```/gm, '');
  const links = [...text.matchAll(/\]\(([^)#:\s]+)\)/g)].map(([, path]) => join(dirname(name), path as string));
  const paths = [...text.matchAll(/`([^`\s]+)`/g)]
    .map(([, path]) => path as string)
    .filter((path) => ROOMS.test(path) && !/NAME|STACK/.test(path));
  expect([...links, ...paths].filter((path) => !existsSync(join(ROOT, path)))).toEqual([]);
});
