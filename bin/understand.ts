/** What the arguments of `cell` ask for, before oclif reads them: nothing it would answer worse reaches it. */
import { distance } from 'fastest-levenshtein';

const GLOBAL_FLAGS = ['--help', '-h', '--version'];

/** The arguments as oclif takes them, or what is wrong with them (two lines; the exit code is then 2). */
export type Understood =
  | { readonly args: readonly string[]; readonly problem?: never }
  | { readonly problem: string; readonly args?: never };

/** `commands`: the names there are. `cell help X` and `cell X -h` mean `cell X --help`. */
export function understand(call: readonly string[], commands: readonly string[]): Understood {
  const [first, ...rest] = call;
  if (first === undefined || first === '-h') return { args: ['--help'] };
  if (first === 'help') return understand([...rest, '--help'], commands);
  if (rest[0] === '-h' && commands.includes(first)) return { args: [first, '--help', ...rest.slice(1)] };
  if (GLOBAL_FLAGS.includes(first) || commands.includes(first)) return { args: call };
  const topic = commands.filter((command) => command.startsWith(`${first}:`));
  if (topic.length > 0) return ofTopic(first, rest, topic);
  const isFlag = first.startsWith('-');
  return { problem: problemWith(isFlag ? 'Unknown flag' : 'Unknown command', first, isFlag ? GLOBAL_FLAGS : commands) };
}

/** Commands of a topic (`cell box init`) are known with a colon, and written with a space. */
function ofTopic(topic: string, [second, ...rest]: readonly string[], commands: readonly string[]): Understood {
  if (second === undefined || second === '-h' || second === '--help') return { args: [topic, '--help'] };
  if (!commands.includes(`${topic}:${second}`)) {
    return { problem: problemWith('Unknown command', `${topic} ${second}`, commands, topic) };
  }
  return { args: [topic, second, ...(rest[0] === '-h' ? ['--help', ...rest.slice(1)] : rest)] };
}

function problemWith(what: string, given: string, words: readonly string[], topic = ''): string {
  const nearest = words
    .map((word) => word.replace(':', ' '))
    .map((word) => ({ word, away: distance(given, word) }))
    .filter(({ word, away }) => away <= Math.max(1, Math.floor(word.length / 3)))
    .sort((a, b) => a.away - b.away)[0];
  const hint =
    nearest === undefined
      ? `Run \`cell ${`${topic} --help`.trim()}\` for what there is.`
      : `Did you mean \`cell ${nearest.word}\`?`;
  return `${what}: ${given}\n  ${hint}`;
}
