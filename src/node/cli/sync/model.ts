/** What is asked about a value of synchronous_standby_names, and what is found. */

import type { VersionVerdict } from "../../../kernel/version.ts";
import type { FindingCode } from "../../../syncrep/index.ts";
import type { Judged, SynchronousStandbyNamesVerdict } from "../../../syncrep/judge.ts";
import type { Primary } from "../../standbys.ts";
import type { ConfValue, PlaceInConf } from "./conf.ts";
import type { SyncCall } from "./declaration.ts";
import type { ReadStandbys } from "./standbys.ts";

/** How the command was called. */
export interface Call {
  readonly verb: Exclude<SyncCall["verb"], "diff" | "plan">;
  readonly server: number;
  /** Servers that should read the same. */
  readonly also: readonly number[];
  readonly ignore: readonly FindingCode[];
  readonly clusterName: string | undefined;
  readonly strict: boolean;
  readonly unsafe: boolean;
  readonly write: boolean;
  readonly standbys: ReadStandbys | undefined;
  readonly primary: Primary | undefined;
}

/** A value, and its place. */
export interface Subject {
  readonly text: string;
  readonly conf?: ConfValue;
  /** Is it the value that the primary runs with? */
  readonly isRunning?: boolean;
  /** The place in a file of one of its characters, if it is in one. */
  readonly place?: (offset: number) => PlaceInConf;
}

/** All that is said of a value. */
export interface Explained {
  readonly judged: Judged;
  readonly byVersion: readonly VersionVerdict<SynchronousStandbyNamesVerdict>[];
}
