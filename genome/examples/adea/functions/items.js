/**
 * Items that several databases may change at once, and still come to agree on.
 *
 * Each item is a register: the later writing wins, and of two at the same time the one of the cell whose name is greater.
 * So merging is idempotent and takes any order. The clock is Lamport's on top of the wall clock: never behind what was
 * seen, so that whoever writes after reading also wins. Deleted items stay as tombstones, or they would come back.
 */

/** Which of two versions of an item stays. */
export function wins(a, b) {
  return a.at !== b.at ? a.at > b.at : a.by > b.by;
}

export function itemSet() {
  const items = new Map();
  /** Keys by the local number of their last change, oldest first: what others ask for with /changes. */
  const order = new Map();
  let seq = 0;
  let clock = 0;

  return {
    /** Takes a version with a local number (from the journal) or without (a new one). False when a later one is here. */
    put({ seq: given, ...item }) {
      const old = items.get(item.key);
      clock = Math.max(clock, item.at);
      if (old !== undefined && !wins(item, old)) return false;
      seq = given === undefined ? seq + 1 : Math.max(seq, given);
      if (old !== undefined) order.delete(old.seq);
      const number = given ?? seq;
      items.set(item.key, { ...item, seq: number });
      order.set(number, item.key);
      return true;
    },
    wouldTake: (item) => !items.has(item.key) || wins(item, items.get(item.key)),
    nextSeq: () => seq + 1,
    /** A time (ms) for a new writing. */
    tick: (now) => Math.max(now, clock + 1),
    get: (key) => items.get(key),
    /** Oldest change first, so that a journal written from this reads like the one it replaces. */
    all: () => [...order.values()].map((key) => items.get(key)),
    live: () => [...items.values()].filter((item) => item.value !== null),
    size: () => items.size,
    lastSeq: () => seq,
    /** Changes after one local number and up to another, oldest first. */
    since(number, upTo, limit) {
      const changes = [];
      for (const [at, key] of order) {
        if (at <= number) continue;
        if (at > upTo) break;
        changes.push(items.get(key));
        if (changes.length === limit) break;
      }
      return changes;
    },
  };
}
