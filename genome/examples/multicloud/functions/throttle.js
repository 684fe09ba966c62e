/** The throttle hook: `node throttle.js LEVEL`, 0 to 100. `node throttle.js 0` is the relax hook. */
import { setThrottleLevel } from './lib/level.js';

setThrottleLevel(Number(process.argv[2] ?? process.env.CELL_THROTTLE_LEVEL ?? Number.NaN));
