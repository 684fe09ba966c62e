/** How the tests of the notes example speak with its database. */
import { type Program, type Stage, until } from './stage.ts';

export const QUICK = { REPLICATE_EVERY_MS: '30', FOLLOW_EVERY_MS: '30' };

export const put = (program: Program, key: string, title: string) => program.send('PUT', `/items/${key}`, { title });
export const remove = (program: Program, key: string) => program.send('DELETE', `/items/${key}`, {});

export async function titleOf(program: Program, key: string): Promise<string | null> {
  const { status, json } = await program.get(`/items/${key}`);
  return status === 200 ? (json as { value: { title: string } }).value.title : null;
}

export const has = (program: Program, key: string, title: string | null) =>
  until(`${program.cell} has ${key}: ${title}`, async () => (await titleOf(program, key)) === title);

export const link = (stage: Stage, from: Program, to: Program, direction = 'up') =>
  stage.hook(from, ['link.js', direction], { CELL_PEER: to.cell, CELL_PEER_URL: to.url });
