/** `cell proposals` and `cell vote`: who said what, what is missing, and what to do next. */
import * as d from './decide/renewal.ts';
import { CellError } from './errors.ts';
import { genomeOf, type Here, lineageOf, say } from './here.ts';
import { lineOf, proposalsOf } from './line.ts';
import { isCell } from './observe.ts';
import { pulsesOf } from './pulse.ts';

export interface ProposalReport {
  readonly id: string;
  readonly genome: string;
  readonly why: string;
  readonly at: number;
  readonly author: string;
  readonly raises: readonly string[];
  /** open: votes are missing; spreading: accepted, and not everywhere; current: everywhere; failed: taken back. */
  readonly state: 'open' | 'refused' | 'spreading' | 'current' | 'failed';
  readonly yes: readonly string[];
  readonly no: readonly { readonly cell: string; readonly why: string }[];
  readonly missing: readonly string[];
  /** What it waits for, or came to. */
  readonly waits: string;
}

export interface ProposalsReport {
  readonly organism: string;
  /** Hash of the genome that was accepted last. */
  readonly genome: string;
  readonly rule: string;
  readonly proposals: readonly ProposalReport[];
  readonly next: string;
}

/** The accepted genome's proposal, and those of its successors, newest first. */
export async function proposalsReport(here: Here): Promise<ProposalsReport> {
  const [lineage, line, proposals, genome] = await Promise.all([
    lineageOf(here),
    lineOf(here),
    proposalsOf(here),
    genomeOf(here),
  ]);
  const tip = line.at(-1);
  const { rule } = genome.governance;
  const view = { lineage, proposals, pulses: pulsesOf(here), now: here.clock(), freshFor: genome.healing.suspectAfter };
  const name = (id: string) => lineage.cells[id]?.name ?? id;
  const shown = proposals.filter(({ id, parent }) => id === tip?.proposal || parent === (tip?.proposal ?? null));
  const reports = shown
    .toSorted((a, b) => b.at - a.at)
    .map((proposal): ProposalReport => {
      const { yes, no, missing, failed } = d.tally(view, proposal);
      const { accepted, why } = d.verdict(view, proposal.parent, rule);
      const current = proposal.id === tip?.proposal;
      const stage = d.stages({ ...view, proposal }).find(({ waits }) => waits !== null);
      const state =
        failed !== null
          ? 'failed'
          : current || accepted?.id === proposal.id
            ? d.isComplete(view, proposal.id)
              ? 'current'
              : 'spreading'
            : missing.length === 0
              ? 'refused'
              : 'open';
      const told = {
        open: why,
        refused: why,
        spreading: stage?.waits ?? '',
        current: 'every cell runs it',
        failed: failed === null ? '' : `taken back: at ${name(failed.cell)}, ${failed.why}`,
      };
      const { id, genome: hash, at, author, raises } = proposal;
      return {
        ...{ id, genome: hash, why: proposal.why, at, author, raises, state },
        yes: yes.map(name),
        no: no.map((one) => ({ cell: name(one.cell), why: one.why })),
        missing: missing.map(name),
        waits: told[state],
      };
    });
  return { organism: lineage.organism, genome: tip?.genome ?? '', rule, proposals: reports, next: nextOf(reports) };
}

function nextOf(reports: readonly ProposalReport[]): string {
  const of = (state: ProposalReport['state']) => reports.find((one) => one.state === state);
  if (of('spreading') !== undefined) return 'Follow it with `cell apply` beside that genome.';
  const open = of('open');
  if (open !== undefined)
    return `${open.missing.join(', ')} will vote at the next beat; \`cell vote ${open.id} yes\` on a cell votes by hand.`;
  if (of('refused') !== undefined) return 'Mend the genome and propose it again, or let cells vote yes by hand.';
  if (of('failed') !== undefined) return 'Mend the genome and apply it again.';
  return 'Change the genome, look at `cell plan`, and `cell apply` it.';
}

export function proposalsText({ organism, genome, rule, proposals, next }: ProposalsReport): string {
  const lines = [`${organism}: genome ${genome.slice(0, 12)}, rule ${rule}`];
  if (proposals.length === 0) lines.push('Nothing is proposed.');
  for (const one of proposals) {
    lines.push('', `${one.id}  ${one.state}  genome ${one.genome.slice(0, 12)}${one.why === '' ? '' : `  ${one.why}`}`);
    if (one.raises.length > 0) lines.push(`  may raise ${one.raises.join(', ')}`);
    if (one.yes.length > 0) lines.push(`  yes      ${one.yes.join(', ')}`);
    for (const { cell, why } of one.no) lines.push(`  no       ${cell}: ${why}`);
    if (one.missing.length > 0) lines.push(`  missing  ${one.missing.join(', ')}`);
    lines.push(`  · ${one.waits}`);
  }
  return [...lines, '', next].join('\n');
}

/** A vote by hand, on a cell. Throws NOT_ALLOWED where this is none, or its ballot is given; NOT_FOUND. */
export async function voteByHand(here: Here, id: string, yes: boolean, why: string): Promise<ProposalsReport> {
  const [lineage, proposals, line] = await Promise.all([lineageOf(here), proposalsOf(here), lineOf(here)]);
  if (!isCell(here)) {
    throw new CellError('NOT_ALLOWED', 'This computer is no cell, and only cells vote', {
      suggestion: `On a cell: cell ssh CELL -- cell vote ${id} ${yes ? 'yes' : 'no'}`,
    });
  }
  const proposal = proposals.find((one) => one.id === id && one.parent === (line.at(-1)?.proposal ?? null));
  if (proposal === undefined) {
    throw new CellError('NOT_FOUND', `Nothing open is called ${id}`, {
      suggestion: '`cell proposals` names what is open.',
    });
  }
  const { yes: given, no } = d.tally({ lineage, proposals }, proposal);
  const self = here.identity.id;
  const other = no.find(({ cell, why: said }) => cell === self && said.startsWith('it said yes'));
  if (given.includes(self) && yes) return proposalsReport(here);
  if (given.includes(self) || other !== undefined) {
    throw new CellError('NOT_ALLOWED', 'This cell gave its ballot', {
      why: other?.why ?? 'its first yes stands, for others may have counted it',
      suggestion: 'Another genome can be proposed once this one is decided.',
    });
  }
  await say(here, { kind: 'vote', proposal: id, yes, why: why === '' ? 'by hand' : why });
  return proposalsReport(here);
}
