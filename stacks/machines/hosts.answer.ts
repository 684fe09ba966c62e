/** What a listed machine answers when it is asked (hosts.script.ts), and how that reads for people. Pure. */
import { CellError } from '../../src/errors.ts';

/** What a machine answers. */
export type Answer =
  | { readonly is: 'free' }
  | { readonly is: 'claimed'; readonly root: string }
  | {
      readonly is: 'held';
      readonly state: 'claimed' | 'living' | 'expired' | 'releasing';
      readonly organism: string;
      readonly birth: string;
      readonly parent: string;
      readonly root: string;
    }
  | { readonly is: 'cell'; readonly organism: string }
  | { readonly is: 'lacks'; readonly what: string }
  | { readonly is: 'gone' | 'released' };

/** The answer in the output of the script: its last line that is one. Anything else on the machine may have talked, too. */
export function answerOf(output: string): Answer {
  const line = output.split('\n').findLast((one) => one.startsWith('cell-claim: '));
  const [word, ...rest] = (line ?? '').slice('cell-claim: '.length).split(' ');
  const root = / root=(.*)$/.exec(line ?? '')?.[1] ?? '';
  const [first = '', second = '', third = '', fourth = ''] = rest;
  switch (word) {
    case 'free':
    case 'gone':
    case 'released':
      return { is: word };
    case 'claimed':
      return { is: word, root };
    case 'held':
      return { is: word, state: first as 'claimed', organism: second, birth: third, parent: fourth, root };
    case 'cell':
      return { is: word, organism: first };
    case 'lacks':
      return { is: word, what: rest.join(' ') };
    default:
      throw new CellError('REMOTE_FAILED', 'The machine did not answer as expected', {
        why: word === 'failed' ? rest.join(' ') : output.trim().slice(-200) || 'it said nothing',
      });
  }
}

/** Why a machine cannot be had, or what it is, for people. */
export function reasonOf(answer: Answer): string {
  switch (answer.is) {
    case 'free':
      return 'free';
    case 'held': {
      const why = {
        living: 'a cell of',
        claimed: 'claimed by',
        expired: 'an unfinished claim of',
        releasing: 'being given back by',
      };
      return `${why[answer.state]} ${answer.organism} (${answer.birth}, by ${answer.parent})`;
    }
    case 'cell':
      return `a cell of ${answer.organism || 'another organism'}, without a claim`;
    case 'lacks':
      return LACKS[answer.what] ?? `it has ${answer.what.replace(/^blank /, '').replace(/^user:/, 'a user ')} already`;
    default:
      return answer.is;
  }
}

const LACKS: Readonly<Record<string, string>> = {
  keys: "its sshd does not go by root's ~/.ssh/authorized_keys, or that is a link",
  hostkey: 'its sshd answers with another key than /etc/ssh/ssh_host_ed25519_key, the only one a cell leaves it',
  flock: 'it has no flock (of util-linux)',
  root: 'its sshd lets nobody in as root; PermitRootLogin prohibit-password is needed',
};
