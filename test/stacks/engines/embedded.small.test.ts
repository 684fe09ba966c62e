import { describe } from 'vitest';
import { small } from './conformance/small.ts';

describe('the embedded engine, a real machine and real DNS', () => small('embedded', '127.81.3.0/24', 120_000));
