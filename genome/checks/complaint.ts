/** What a cross-field check says, by path; the place in the text is looked up later. */
import type { Path } from '../finding.ts';

export interface Complaint {
  /** An error unless it says otherwise. */
  readonly severity?: 'warning';
  readonly code: string;
  /** Shown here; where the genome is silent and a default is meant, at the nearest thing above that is written. */
  readonly at: Path;
  /** The key is wrong rather than its value. */
  readonly key?: true;
  readonly message: string;
  readonly expected?: string | undefined;
  readonly suggestion?: string | undefined;
  /** What else it was concluded from: not said when one of these could not be read. */
  readonly because?: readonly Path[];
}

export type Report = (complaint: Complaint) => void;
