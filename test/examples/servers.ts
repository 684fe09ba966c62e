/** The real servers that some programs of the examples run, and which of them this computer has. */
import { existsSync, globSync } from 'node:fs';
import { delimiter, join } from 'node:path';

/** Something a program may stand on: files of its own kind, and what has to be here for it. */
export interface Kind {
  readonly title: string;
  /** Between a program's name and `.js`. */
  readonly suffix: '' | '.redis' | '.postgres' | '.haproxy';
  /** Real servers run as a user without rights. */
  readonly unprivileged: boolean;
  readonly here: boolean;
  /** ms in which it has to come to its end when it is asked to. */
  readonly ends: number;
}

/** As systemd gives it (TimeoutStopSec). */
const MOST = 10_000;

const onPath = (name: string) =>
  ['/usr/sbin', '/sbin', ...(process.env.PATH ?? '').split(delimiter)].some((folder) => existsSync(join(folder, name)));

function real(name: string, suffix: Kind['suffix'], here: boolean): Kind {
  const title = here ? name : `${name} (not run: it is not on this computer)`;
  return { title, suffix, unprivileged: true, here, ends: MOST };
}

export const JOURNAL: Kind = { title: 'a journal', suffix: '', unprivileged: false, here: true, ends: 2_000 };
export const POSTGRES = real('PostgreSQL', '.postgres', globSync('/usr/lib/postgresql/*/bin/postgres').length > 0);
const REDIS = real('Redis', '.redis', onPath('redis-server'));
export const HAPROXY = real('HAProxy', '.haproxy', onPath('haproxy'));
/** The balancer that needs nothing. */
export const PLAIN: Kind = { title: 'Node', suffix: '', unprivileged: false, here: true, ends: 2_000 };

export const DATABASES: readonly Kind[] = [JOURNAL, POSTGRES];
export const QUEUES: readonly Kind[] = [JOURNAL, REDIS];
export const BALANCERS: readonly Kind[] = [PLAIN, HAPROXY];
