/**
 * What systemctl and the machine say to each other over the control socket: one line of JSON each way.
 */
export interface ControlRequest {
  readonly v: 1;
  /** The arguments of systemctl. */
  readonly args: readonly string[];
}

export interface ControlReply {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}
