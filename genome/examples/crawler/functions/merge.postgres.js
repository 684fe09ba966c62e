/** The merge hook of the database on PostgreSQL. */
import { mergeDump } from './lib/merge.postgres.js';
import { openPages, pagesOf } from './pages.postgres.js';

await mergeDump({ what: 'pages', rows: pagesOf, open: openPages });
process.exit(0);
