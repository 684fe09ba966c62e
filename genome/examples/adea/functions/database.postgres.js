/** The database on PostgreSQL. */
import { openItems } from './items.postgres.js';
import { serveItems } from './replica.js';

serveItems(await openItems());
