/** Questions about a replication command, and the answers. */
import type { Notice } from "../../../command/index.ts";
import type { CommandVerdict } from "../../../command/judge.ts";
import type { VersionRange, VersionVerdict } from "../../../kernel/version.ts";

/** How a text is read. */
export interface Call {
  readonly server: number;
  /** Is the connection to a database? */
  readonly database: boolean;
  /** The output plugin of the slot of a START_REPLICATION. */
  readonly plugin: string | undefined;
  /** The server that it is printed for. */
  readonly for: number;
}

/** What the server says to a text, with its notices. */
export interface Judged {
  readonly text: string;
  readonly call: Call;
  readonly verdict: CommandVerdict;
  readonly notices: readonly Notice[];
}

export interface Explanation {
  readonly judged: Judged;
  readonly byVersion: readonly VersionVerdict<CommandVerdict>[];
  /** How it is written for each version that takes it, the newest first. */
  readonly printed: readonly { readonly versions: readonly VersionRange[]; readonly text: string }[];
}
