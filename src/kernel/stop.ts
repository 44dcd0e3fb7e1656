/** The part of an AbortSignal that waiting needs, without the types of a platform. */
export interface Stop {
  /** Whether it was aborted. */
  readonly aborted: boolean;
  /** Listen to `abort`. */
  addEventListener(type: "abort", listener: () => void): void;
  /** Stop listening. */
  removeEventListener(type: "abort", listener: () => void): void;
}
