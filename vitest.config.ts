/**
 * Projects, one after the other but for the first two. `unit` and `processes`: files run side by side; those of the second
 * start programs, servers and local machines. `e2e`: whole organisms and the package, one file after the other, since each
 * of them measures time or takes all there is of a small machine. `lab`, `lab-timed`, `lab-whole`: real operating systems
 * and servers; they need root on Linux and the packages that test/lab/needs.ts names.
 *
 * `npm test` runs the first three; `npm run test:lab` the others; `npm test -- --project unit` one; `npm test -- test/decide`
 * a folder.
 */
import { defineConfig } from 'vitest/config';

const PROCESSES = ['test/{bin,box,digitalocean,effects,examples,linode,local,memory,stacks}/**/*.test.ts'];
const SERIAL = ['test/e2e/**/*.test.ts', 'test/package/**/*.test.ts'];
/** They put a load on what they measure, or take figures: nothing beside them. */
const TIMED = ['test/lab/{data,load,planned,security}.test.ts'];
const LAB = ['test/lab/*.test.ts'];
/** Whole examples by cron alone, which are mostly waited for: side by side. */
const WHOLE = ['test/lab/whole/*.test.ts'];

/** What is many processes has time-outs of its own: on a computer that CI shares, one more try. */
const RETRY = process.env.CI === undefined ? 0 : 1;

export default defineConfig({
  test: {
    environment: 'node',
    pool: 'forks',
    maxWorkers: 2,
    // A machine under load is slow, not broken: what hangs is found all the same.
    testTimeout: 20_000,
    hookTimeout: 60_000,
    teardownTimeout: 20_000,
    projects: [
      {
        extends: true,
        test: {
          name: 'unit',
          include: ['test/**/*.test.ts'],
          exclude: [...PROCESSES, ...SERIAL, ...LAB, ...WHOLE],
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'processes',
          include: PROCESSES,
          retry: RETRY,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 0 },
        },
      },
      {
        extends: true,
        test: {
          name: 'e2e',
          include: SERIAL,
          fileParallelism: false,
          maxWorkers: 1,
          retry: RETRY,
          testTimeout: 60_000,
          hookTimeout: 120_000,
          sequence: { groupOrder: 1 },
        },
      },
      // Only when asked for: it makes machines, bridges and users of its own.
      ...(process.env.CELL_LAB === undefined
        ? []
        : [
            // Most of it is waiting, each file has a network of its own.
            lab('lab', { include: LAB, exclude: TIMED, sideBySide: true, groupOrder: 2 }),
            lab('lab-timed', { include: TIMED, exclude: [], sideBySide: false, groupOrder: 3 }),
            lab('lab-whole', { include: WHOLE, exclude: [], sideBySide: true, groupOrder: 4 }),
          ]),
    ],
  },
});

interface Group {
  readonly include: string[];
  readonly exclude: string[];
  readonly sideBySide: boolean;
  readonly groupOrder: number;
}

function lab(name: string, { include, exclude, sideBySide, groupOrder }: Group) {
  return {
    extends: true as const,
    test: {
      name,
      include,
      exclude,
      fileParallelism: sideBySide,
      maxWorkers: sideBySide ? 2 : 1,
      retry: RETRY,
      testTimeout: 180_000,
      hookTimeout: 300_000,
      sequence: { groupOrder },
    },
  };
}
