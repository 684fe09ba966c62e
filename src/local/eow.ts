/**
 * `eow@openssh.com` (OpenSSH's PROTOCOL, 2.1): the client's way to say that nobody reads what a command writes any
 * more, as in `ssh machine yes | head -1`. sshd answers it by closing its end of the command's output, and the command
 * ends by SIGPIPE. Without it such a command runs for ever, and the client waits for it.
 *
 * Two things are needed. OpenSSH's client says it only to servers that call themselves OpenSSH. And ssh2 reads the
 * message but passes no channel request on once a command runs, so its handler is wrapped; should a later ssh2 have no
 * such handler, all that is lost is this.
 */
import type { Connection } from 'ssh2';

/** What the server calls itself (RFC 4253, 4.2): of OpenSSH's kind, and no version of it. */
export const IDENT = 'OpenSSH_like_cell';

type Handler = (protocol: unknown, channel: number, type: string, wantReply: boolean, data: unknown) => void;

/** Tells the number of each channel, as this side counts, whose client has stopped reading. */
export function onEndOfWrite(client: Connection, tell: (channel: number) => void): void {
  const { _protocol: protocol } = client as { _protocol?: { _handlers?: { CHANNEL_REQUEST?: Handler } } };
  const handlers = protocol?._handlers;
  const before = handlers?.CHANNEL_REQUEST;
  if (handlers === undefined || before === undefined) return;
  handlers.CHANNEL_REQUEST = (self, channel, type, wantReply, data) => {
    if (type === 'eow@openssh.com') tell(channel);
    before(self, channel, type, wantReply, data);
  };
}
