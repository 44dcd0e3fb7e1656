/** How a check rejects a command: the server's words, the part to blame, and advice. */
import type { ParseErrorInit } from "../../kernel/errors.ts";
import { type CommandCapability, commandCapabilities } from "../capabilities.ts";

/** Which libraries a server is built with, and so what it can compress with. */
export interface ServerBuild {
  /** Built with zlib. Default: true. */
  readonly gzip?: boolean | undefined;
  /** Built with lz4. Default: true. */
  readonly lz4?: boolean | undefined;
  /** Built with zstd. Default: true. */
  readonly zstd?: boolean | undefined;
}

/** SQLSTATEs under their names in errcodes.txt, without ERRCODE. */
export const errcode = {
  CONNECTION_FAILURE: "08006",
  FEATURE_NOT_SUPPORTED: "0A000",
  NUMERIC_VALUE_OUT_OF_RANGE: "22003",
  INVALID_PARAMETER_VALUE: "22023",
  SYNTAX_ERROR: "42601",
  INVALID_NAME: "42602",
  NAME_TOO_LONG: "42622",
  RESERVED_NAME: "42939",
  OBJECT_NOT_IN_PREREQUISITE_STATE: "55000",
  INTERNAL_ERROR: "XX000",
} as const;

/** What `ereport(ERROR)` says, and of which part of the tree. */
export interface Refusal extends Pick<ParseErrorInit, "message" | "hint" | "advice"> {
  readonly sqlstate: (typeof errcode)[keyof typeof errcode];
  /** Such as `options[2].arg`; "" is the command itself. */
  readonly path: string;
}

/** Thrown by checks, and caught where they are run. */
export class Refused {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    this.refusal = refusal;
  }
}

/** What a command is checked for: a version of the server, and what it is built with. */
export class Check {
  readonly server: number;
  readonly build: ServerBuild;

  constructor(server: number, build: ServerBuild = {}) {
    this.server = server;
    this.build = build;
  }

  supports(name: CommandCapability): boolean {
    return commandCapabilities.supports(this.server, name);
  }

  /** @throws Refused */
  refuse(refusal: Refusal): never {
    throw new Refused(refusal);
  }
}
