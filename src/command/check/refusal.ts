/** How a check says what the server would say, and where, and what to do about it. */
import { ParseError, type ParseErrorInit, WalwireError } from "../../kernel/errors.ts";
import type { Command } from "../ast.ts";
import { type CommandCapability, commandCapabilities } from "../capabilities.ts";
import { locateCommand } from "../locate.ts";

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

/** A command that is checked for one version of the server. */
export class Check {
  readonly server: number;
  readonly #command: Command;

  constructor(command: Command, server: number) {
    this.#command = command;
    this.server = server;
  }

  supports(name: CommandCapability): boolean {
    return commandCapabilities.supports(this.server, name);
  }

  /** @throws ParseError REFUSED. */
  refuse(refusal: Refusal): never {
    throw new ParseError({ code: "REFUSED", ...refusal, ...this.#place(refusal.path) });
  }

  /** Looked for only when there is something to say of it. */
  #place(path: string): { text: string; offset: number } {
    try {
      const { text, offsets } = locateCommand(this.#command, { server: this.server });
      // An option without a value is to blame as a whole; what is missing, the command.
      const offset = offsets.get(path) ?? offsets.get(path.replace(/arg$/, "defname")) ?? offsets.get("") ?? 0;
      return { text, offset };
    } catch (error) {
      // A tree that no text makes has no place in one.
      if (error instanceof WalwireError) return { text: "", offset: 0 };
      throw error;
    }
  }
}
