import { describe } from 'vitest';
import { carrying } from './conformance/carrying.ts';
import { changes } from './conformance/changes.ts';
import { failures } from './conformance/failures.ts';

describe.each([
  ['changes', changes],
  ['failures', failures],
  ['carrying', carrying],
])('the embedded engine, %s', (_part, suite) => suite('embedded', 60_000));
