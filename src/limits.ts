/** Every limit and time-out of the living part, each with why it has that number. ms unless it says otherwise. */

/** A limit that a slow place, or a drill, may set for its processes: whole ms, otherwise `usual`. */
function fromEnvironment(name: string, usual: number): number {
  const set = Number(process.env[name]);
  return Number.isInteger(set) && set > 0 ? set : usual;
}

/** An SSH log-in on a loaded machine takes a second or two; past ten the machine is not there. */
export const DIAL_TIMEOUT_MS = 10_000;

/** A machine that was just made may need a while until its sshd answers; clouds take up to two minutes. */
export const BOOT_TIMEOUT_MS = fromEnvironment('CELL_BOOT_TIMEOUT_MS', 180_000);
export const BOOT_POLL_MS = 100;

/** The tick's lock. Renewed at each step; a killed holder is seen at once by its process, so this only bounds a hang. */
export const TICK_LEASE_MS = fromEnvironment('CELL_TICK_LEASE_MS', 120_000);

/** How long a command of ours (`cell hand`) may work on another machine before it counts as hung. */
export const HAND_TIMEOUT_MS = 120_000;

/** The cell's lock is held for longer, and its pulse said again, this often in the middle of something long. */
export const ALIVE_EVERY_MS = 10_000;

/** Passes of a copy while the function runs: what is left after so many changes as fast as it is copied. */
export const PASSES_AT_MOST = 5;

/** A pass as short as this leaves as little for the one that the function stands still for. */
export const SHORT_PASS_MS = 1_000;

/** Requests to a function that moves wait this long in the ingress before they get a 503: browsers wait twice as long. */
export const HOLD_MS = 30_000;

/** How long a function that no longer serves is proxied beyond the TTL: resolvers round up, clients hold on. */
export const FORWARD_GRACE_MS = 1_000;

/** Machines of a slow cloud take minutes to start; one that takes longer than this is given up. */
export const CREATE_TIMEOUT_MS = fromEnvironment('CELL_CREATE_TIMEOUT_MS', 15 * 60_000);

/** Clouds take a minute to end a machine that runs. */
export const GONE_TIMEOUT_MS = fromEnvironment('CELL_GONE_TIMEOUT_MS', 180_000);

/** A division that failed this often at one step is taken back. */
export const STEP_ATTEMPTS = 3;

/** Between two attempts at a step; doubled each time. */
export const STEP_RETRY_MS = 2_000;

/** No longer than this between two, however often it failed: what was down for an hour is back within a minute. */
export const STEP_RETRY_CAP_MS = 60_000;

/** How often a stem cell is looked at: it costs one log-in, and a dead one costs the next division its advantage. */
export const STEM_LOOK_MS = 600_000;

/** A cloud that would not keep artefacts is not asked again for so long: it costs a log-in, and seldom changes. */
export const BAKE_RETRY_MS = 3_600_000;

/** Artefacts that a cloud is told to keep: a CLI, a runtime and packages, of now and of before an upgrade. */
export const MOST_BAKED = 8;

/** DNS must show a new record within this, or rewiring counts as failed. */
export const DNS_VISIBLE_MS = 30_000;
export const DNS_POLL_MS = 250;
/** Where the servers are not ours, and take longer anyway. */
export const SLOW_DNS_POLL_MS = 2_000;

/** Concurrent sync sessions of one tick: each is a process, and a small machine has one core. */
export const SYNC_PARALLEL = 4;

/** Installing packages on a machine, ms: a mirror may be slow, and another process may install at first. */
export const PACKAGES_TIMEOUT_MS = 10 * 60_000;
