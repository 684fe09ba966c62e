/** The merge hook of the database on PostgreSQL. */
import { itemsOf, openItems } from './items.postgres.js';
import { mergeDump } from './lib/merge.postgres.js';

const open = async () => {
  const { take, close } = await openItems();
  return { merge: take, close };
};
await mergeDump({ what: 'items', rows: itemsOf, open });
process.exit(0);
