/** Times as reasons say them. */

/** `850 ms`, `40 s`, `3 min`, `2.5 h`: short, rounded, never negative. */
export function span(ms: number): string {
  const positive = Math.max(0, ms);
  if (positive < 1000) return `${Math.round(positive)} ms`;
  if (positive < 120_000) return `${Math.round(positive / 1000)} s`;
  if (positive < 7_200_000) return `${Math.round(positive / 60_000)} min`;
  return `${Math.round(positive / 360_000) / 10} h`;
}
