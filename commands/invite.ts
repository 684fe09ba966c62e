import { CellCommand } from '../src/command.ts';
import { openHome } from '../src/here.ts';
import { invitationOf } from '../src/invite.ts';

export default class Invite extends CellCommand {
  static override summary = 'Print what a pipeline needs to find the organism: nothing of it is secret.';
  static override description =
    'Goes into the variable CELL_ORGANISM; the key of the pipeline goes into the secret CELL_KEY, its public half under governance.authorities.';
  static override examples = [{ command: '<%= config.bin %> invite', description: 'one line of JSON' }];

  async run() {
    const { flags } = await this.parse(Invite);
    const invitation = await invitationOf(await openHome(this.homeOf(flags)));
    this.log(JSON.stringify(invitation));
    return invitation;
  }
}
