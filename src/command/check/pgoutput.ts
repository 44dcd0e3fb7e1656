/**
 * START_REPLICATION SLOT ... LOGICAL, with the options of the output plugin pgoutput.
 *
 * A port of pgoutput.c: pgoutput_startup.
 */
import { type PgoutputProtocol, STREAMING_SINCE, TWO_PHASE_SINCE } from "../../logical/protocol.ts";
import type { StartReplicationCmd } from "../ast.ts";
import { newestProtocol } from "../options/kinds.ts";
import type { OptionsOf } from "../options/option.ts";
import { pgoutputOptions } from "../options/tables.ts";
import { readOptions } from "./options.ts";
import { type Check, errcode } from "./refusal.ts";

/** What pgoutput is asked for, defaults filled in: also the options of a `PgoutputDecoder`. @source pgoutput.h: PGOutputData */
export interface PGOutputOptions extends Omit<OptionsOf<typeof pgoutputOptions>, "protocol"> {
  readonly type: "PGOutputOptions";
  /** The version of the protocol, one that the server speaks. */
  readonly protocol: PgoutputProtocol;
}

/** @source pgoutput.c: pgoutput_startup */
export function pgoutputStartup(check: Check, command: StartReplicationCmd): PGOutputOptions {
  const { values, given } = readOptions(check, pgoutputOptions, command);
  const { protocol, publicationNames, streaming, twoPhase } = values;
  /** Where an option is, or the command if it is not. */
  const at = (field: keyof typeof values): string => (given.has(field) ? `options[${given.get(field)}].arg` : "");

  if (check.supports("pgoutputOptionsRequired")) {
    if (!given.has("protocol")) missing(check, "proto_version", "pgoutput needs proto_version, such as '1'.");
    if (!given.has("publicationNames")) missing(check, "publication_names", needsPublications);
  }
  checkProtocolVersion(check, protocol, at("protocol"));
  if (publicationNames.length === 0 && !check.supports("pgoutputOptionsRequired")) {
    check.refuse({
      sqlstate: errcode.INVALID_PARAMETER_VALUE,
      message: "publication_names parameter missing",
      path: at("publicationNames"),
      advice: needsPublications,
    });
  }
  const needs = (field: "streaming" | "twoPhase", what: string, since: number): void => {
    if (protocol >= since) return;
    const { name } = pgoutputOptions.rows[field];
    check.refuse({
      sqlstate: errcode.INVALID_PARAMETER_VALUE,
      message: `requested proto_version=${protocol} does not support ${what}, need ${since} or higher`,
      path: at(field),
      advice: `Write proto_version '${since}', or leave ${name} out.`,
    });
  };
  if (streaming === "on") needs("streaming", "streaming", STREAMING_SINCE.on);
  if (streaming === "parallel") needs("streaming", "parallel streaming", STREAMING_SINCE.parallel);
  if (twoPhase) needs("twoPhase", "two-phase commit", TWO_PHASE_SINCE);
  return { type: "PGOutputOptions", ...values, protocol: protocol as PgoutputProtocol };
}

const needsPublications = "pgoutput needs publication_names, such as 'pub1,pub2'.";

function missing(check: Check, name: string, advice: string): never {
  return check.refuse({
    sqlstate: errcode.INVALID_PARAMETER_VALUE,
    message: `option "${name}" missing`,
    path: "",
    advice,
  });
}

function checkProtocolVersion(check: Check, version: number, path: string): void {
  const newest = newestProtocol(check.server);
  if (version >= 1 && version <= newest) return;
  const who = check.supports("protocolErrorNamesServer") ? "server only supports" : "we only support";
  const bound = version < 1 ? "1 or higher" : `${newest} or lower`;
  const range = newest === 1 ? "'1'" : `'1' to '${newest}'`;
  check.refuse({
    sqlstate: errcode.FEATURE_NOT_SUPPORTED,
    // The number is unsigned, and printed as if it were not.
    message: `client sent proto_version=${version | 0} but ${who} protocol ${bound}`,
    path,
    advice: path === "" ? `pgoutput needs proto_version, ${range}.` : `This server speaks proto_version ${range}.`,
  });
}
