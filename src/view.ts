/** The words of what a tick sees: part of the model, as plain JSON. */
import type { Genome } from '../genome/schema.ts';
import type { BirthId, Cell, CellId, FunctionName, Health, Lineage, Pulse, Reading, TickMemory } from './model.ts';

/** Everything a decision may look at. Built by the tick, or by the simulator. */
export interface View {
  readonly genome: Genome;
  readonly self: Cell;
  readonly lineage: Lineage;
  /** The newest pulse of every cell that was heard of, own included. */
  readonly pulses: Readonly<Record<CellId, Pulse>>;
  /** What was sensed in this tick. */
  readonly senses: Readonly<
    Record<FunctionName, { readonly health: Health; readonly readings: Readonly<Record<string, Reading>> }>
  >;
  readonly memory: TickMemory;
  /** Sagas in the journal that are not finished. */
  readonly sagas: readonly OpenSaga[];
  /** Clouds that do not yet keep the artefacts of now for new machines, and a machine there that has them. */
  readonly bakeable?: readonly { readonly cloud: string; readonly birth: BirthId }[];
  /** Clouds in which nothing is begun now, and why. */
  readonly closed?: Readonly<Record<string, string>>;
  /** Why the organism neither grows nor shrinks now: a genome is spreading. */
  readonly renewing?: string;
  /** What one cell costs a month in each cloud, in cents. */
  readonly monthlyCents: Readonly<Record<string, number>>;
  /** Where clouds are: a region, and its latitude and longitude in degrees where they are known. */
  readonly places?: Readonly<Record<string, Place>>;
}

export interface Place {
  /** Of a provider: `linode eu-central`. */
  readonly region: string;
  readonly at?: readonly [number, number];
}

export interface OpenSaga {
  readonly id: string;
  readonly kind: 'divide' | 'absorb' | 'stem' | 'seek';
  readonly step: string;
  /** When the next step may run: a wait for a TTL, or a retry. */
  readonly due: number;
  /** Why the step did not come to its end the last time. */
  readonly failure?: string;
  /** Of a stem cell that is ready: the cloud it is in. It is under way no more, and `due` is when it is looked at again. */
  readonly ready?: string;
}
