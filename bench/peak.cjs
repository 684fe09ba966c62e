/** Loaded into a process that is measured: at its end it adds its peak resident memory, kB, to a file. See measure.ts. */
const { appendFileSync, readFileSync } = require('node:fs');

function peak() {
  try {
    // Of this program alone; getrusage() keeps the peak of whoever started it across fork and exec.
    return /^VmHWM:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'utf8'))[1];
  } catch {
    return process.resourceUsage().maxRSS;
  }
}

process.on('exit', () => appendFileSync(process.env.CELL_BENCH_PEAK, `${peak()}\n`));
