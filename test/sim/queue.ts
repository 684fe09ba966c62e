/** Virtual time: events in order of their time, and of their making where that is equal. A binary heap. */
interface Event {
  readonly at: number;
  readonly order: number;
  readonly run: () => void;
}

export class Queue {
  now: number;
  #made = 0;
  readonly #heap: Event[] = [];

  constructor(start: number) {
    this.now = start;
  }

  /** Runs `run` so many ms from now. */
  after(ms: number, run: () => void): void {
    this.#push({ at: this.now + Math.max(0, ms), order: this.#made++, run });
  }

  /** Takes the next event not later than `until`; false when there is none, and time is then `until`. */
  step(until: number): boolean {
    const next = this.#heap[0];
    if (next === undefined || next.at > until) {
      this.now = Math.max(this.now, until);
      return false;
    }
    this.#pop();
    this.now = next.at;
    next.run();
    return true;
  }

  #push(event: Event): void {
    const heap = this.#heap;
    let index = heap.push(event) - 1;
    while (index > 0) {
      const up = (index - 1) >> 1;
      if (!earlier(event, heap[up] as Event)) break;
      heap[index] = heap[up] as Event;
      index = up;
    }
    heap[index] = event;
  }

  #pop(): void {
    const heap = this.#heap;
    const last = heap.pop() as Event;
    if (heap.length === 0) return;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && earlier(heap[child + 1] as Event, heap[child] as Event)) child += 1;
      if (!earlier(heap[child] as Event, last)) break;
      heap[index] = heap[child] as Event;
      index = child;
    }
    heap[index] = last;
  }
}

function earlier(a: Event, b: Event): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
