/** Tests that need a Pulumi CLI: skipped in plain words where there is none, failed where one is required. */
import { describe, expect, test } from 'vitest';
import { findPulumi } from '../../../stacks/engines/pulumi.find.ts';

/** For one test, in ms: a call takes about a second, and much more on a machine under load. */
export const PULUMI_WITHIN = 240_000;

export function withPulumi(part: string, suite: () => void): void {
  const cli = findPulumi();
  const required = process.env.CELL_REQUIRE_PULUMI === '1';
  if (cli === null && !required) {
    console.warn(`NOT RUN: ${part}. There is no Pulumi CLI here; tools/pulumi/build.sh builds one.`);
  }
  test('there is a Pulumi CLI where CELL_REQUIRE_PULUMI asks for one', () => {
    expect(required && cli === null).toBe(false);
  });
  describe.skipIf(cli === null)(part, suite);
}
