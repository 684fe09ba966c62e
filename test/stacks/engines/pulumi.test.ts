import { describe, expect, test } from 'vitest';
import { findPulumi } from '../../../stacks/engines/pulumi.find.ts';
import { conformance } from './conformance.ts';

const cli = findPulumi();
const required = process.env.CELL_REQUIRE_PULUMI === '1';

if (cli === null && !required) {
  console.warn('NOT RUN: the Pulumi engine. There is no Pulumi CLI here; tools/pulumi/build.sh builds one.');
}

test('there is a Pulumi CLI where CELL_REQUIRE_PULUMI asks for one', () => {
  expect(required && cli === null).toBe(false);
});

describe.skipIf(cli === null)('the Pulumi engine', () => {
  conformance('pulumi', 240_000);
});
