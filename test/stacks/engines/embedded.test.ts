import { describe } from 'vitest';
import { conformance } from './conformance.ts';

describe('the embedded engine', () => {
  conformance('embedded', 60_000);
});
