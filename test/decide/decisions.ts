/** Short ways to say what is seen, and to ask what is decided of it. */
import { decide } from '../../src/decide/decide.ts';
import type { Action, Decision, FunctionMemory, TickMemory } from '../../src/model.ts';
import { NOW, S, SEEDED, type Sketch, view } from './view.ts';

/** Half of every draw: no delay is short or long. */
export const half = () => 0.5;
export const decided = (sketch: Sketch, random = half): Decision => decide(view(sketch), NOW, random);
export const actions = (sketch: Sketch): readonly Action[] => decided(sketch).actions;
export const why = (decision: Decision): string =>
  decision.reasons.map((reason) => `${reason.subject}: ${reason.why}`).join('\n');

/** web as it stands: in breach since, throttled to, throttled since, last changed. Ages in ms. */
export function web(
  breach: number | null,
  throttle = 0,
  since: number | null = null,
  changed = since,
): Partial<TickMemory> {
  const ago = (age: number | null) => (age === null ? null : NOW - age);
  const memory: FunctionMemory = {
    breachSince: ago(breach),
    throttle,
    throttleSince: ago(since),
    throttleAt: ago(changed),
  };
  return { functions: { web: memory } };
}
/** The random delay is over. */
export const DUE = { intent: { kind: 'divide', function: 'web', due: NOW - 1 } } as const;
export const SPENT: Sketch = { life: SEEDED, levels: { web: 'two' }, memory: { ...web(61 * S, 75, 61 * S), ...DUE } };
