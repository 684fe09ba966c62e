/** The database on PostgreSQL. */
import { servePages } from './pages.js';
import { openPages } from './pages.postgres.js';

servePages(await openPages());
