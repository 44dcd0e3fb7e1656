/** What `npm run fuzz` tells the process that has the laws, as JSON in WALWIRE_FUZZ. */
export interface FuzzOptions {
  readonly minutes: number;
  readonly seed: number;
  /** A part of the names of the laws that are checked; all of them if undefined. */
  readonly only?: string;
}
