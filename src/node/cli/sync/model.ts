/** What is asked of a value of synchronous_standby_names, and what is found. */
import type { ConfValue, PlaceInConf } from "./conf.ts";
import type { Primary } from "./from.ts";
import type { Judged, Servers, VersionVerdict } from "./judge.ts";
import type { Standbys } from "./standbys.ts";

/** How values are to be taken. */
export interface Call extends Servers {
  readonly strict: boolean;
  readonly unsafe: boolean;
  readonly write: boolean;
  readonly standbys: Standbys | undefined;
  readonly primary: Primary | undefined;
}

/** A value, and where it stands. */
export interface Subject {
  readonly text: string;
  readonly conf?: ConfValue;
  /** Where in a file one of its characters stands, if it is in one. */
  readonly place?: (offset: number) => PlaceInConf;
}

/** All that is said of a value. */
export interface Explained {
  readonly judged: Judged;
  readonly byVersion: readonly VersionVerdict[];
  readonly standbys: Standbys | undefined;
  readonly primary: Primary | undefined;
}
