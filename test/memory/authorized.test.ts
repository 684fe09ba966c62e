import { expect, test } from 'vitest';
import { cellId, generateHostKey } from '../../src/effects/keys.ts';
import { authorizedKeys } from '../../src/memory/authorized.ts';
import type { Member } from './support.ts';
import { organism } from './support.ts';

test('cells get one forced command, operators a shell, nobody else anything', async () => {
  const { seeder, cells } = await organism(3);
  const [first, second, third] = cells as [Member, Member, Member];
  const { lineage } = await first.memory.recall();
  const operator = `${generateHostKey().publicKey} laptop`;
  const imprint = `${generateHostKey().publicKey} imprint`;
  const text = authorizedKeys({
    lineage,
    self: first.identity.id,
    shells: [seeder.identity.publicKey, operator, operator],
    extra: [imprint],
    idOf: cellId,
    serve: (id) => `/opt/"cell" sync --serve --peer ${id}`,
  });
  const lines = text.trimEnd().split('\n');
  expect(lines[0]).toBe(imprint);
  expect(lines.filter((line) => line.startsWith('ssh-ed25519')).length).toBe(3);
  const forced = [second, third]
    .map(
      ({ identity }) =>
        `restrict,command="/opt/\\"cell\\" sync --serve --peer ${identity.id}" ${identity.publicKey} ${identity.id}`,
    )
    .sort((a, b) => (a.slice(-26) < b.slice(-26) ? -1 : 1));
  expect(lines.slice(3)).toEqual(forced);
  expect(text).not.toContain(first.identity.publicKey);
});

test('a cell that is gone has no way in, and one with a shell is listed once', async () => {
  const { seeder, cells } = await organism(2);
  const [first, second] = cells as [Member, Member];
  const { lineage } = await first.memory.recall();
  const gone = {
    ...lineage,
    cells: {
      ...lineage.cells,
      [second.identity.id]: { ...lineage.cells[second.identity.id]!, state: 'gone' as const },
    },
  };
  const doors = { idOf: cellId, self: seeder.identity.id, serve: () => 'cell sync' };
  expect(authorizedKeys({ ...doors, lineage: gone, shells: [] })).not.toContain(second.identity.publicKey);
  const shell = authorizedKeys({ ...doors, lineage, shells: [second.identity.publicKey] });
  expect(shell.split(second.identity.publicKey)).toHaveLength(2);
  expect(shell).toContain(`${second.identity.publicKey} operator`);
});
