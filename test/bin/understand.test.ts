import { describe, expect, test } from 'vitest';
import { understand } from '../../bin/understand.ts';

const COMMANDS = ['divide', 'destroy', 'doctor', 'seed', 'status', 'sync', 'validate', 'box:init', 'box:list'];

describe('what reaches oclif', () => {
  test.each([
    { call: [], args: ['--help'] },
    { call: ['-h'], args: ['--help'] },
    { call: ['--version'], args: ['--version'] },
    { call: ['help'], args: ['--help'] },
    { call: ['help', 'seed'], args: ['seed', '--help'] },
    { call: ['help', 'help', 'seed'], args: ['seed', '--help', '--help'] },
    { call: ['seed', '-h'], args: ['seed', '--help'] },
    { call: ['status', '-w', '-h'], args: ['status', '-w', '-h'] },
    { call: ['seed', '--json', 'x'], args: ['seed', '--json', 'x'] },
    { call: ['seed', '--nonsense'], args: ['seed', '--nonsense'] },
    { call: ['box'], args: ['box', '--help'] },
    { call: ['help', 'box'], args: ['box', '--help'] },
    { call: ['box', '-h'], args: ['box', '--help'] },
    { call: ['box', 'init', '--dir', 'x'], args: ['box', 'init', '--dir', 'x'] },
    { call: ['box', 'init', '-h'], args: ['box', 'init', '--help'] },
  ])('$call', ({ call, args }) => {
    expect(understand(call, COMMANDS).args).toEqual(args);
  });
});

describe('what does not', () => {
  test.each([
    { call: ['vlidate'], hint: 'Did you mean `cell validate`?' },
    { call: ['stats'], hint: 'Did you mean `cell status`?' },
    { call: ['--versoin'], hint: 'Did you mean `cell --version`?' },
    { call: ['help', 'sed'], hint: 'Did you mean `cell seed`?' },
    { call: ['teleport'], hint: 'Run `cell --help`' },
    { call: ['box', 'lits'], hint: 'Did you mean `cell box list`?' },
    { call: ['box', 'teleport'], hint: 'Run `cell box --help`' },
    { call: [''], hint: 'Run `cell --help`' },
    { call: ['--json', 'seed'], hint: 'Run `cell --help`' },
  ])('$call', ({ call, hint }) => {
    const { args, problem } = understand(call, COMMANDS);
    expect(args).toBeUndefined();
    expect(problem).toContain(hint);
  });
});
