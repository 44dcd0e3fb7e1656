/**
 * START_REPLICATION SLOT ... LOGICAL, with the options of the output plugin pgoutput.
 *
 * A port of pgoutput.c (parse_output_parameters, pgoutput_startup) and of varlena.c (SplitIdentifierString).
 */

import { STREAMING_SINCE, TWO_PHASE_SINCE } from "../../logical/protocol.ts";
import { downcaseIdentifier, truncateIdentifier } from "../../text/identifier.ts";
import type { DefElem, StartReplicationCmd } from "../ast.ts";
import type { CommandCapability } from "../capabilities.ts";
import { adviseOnName, adviseOnRepetition, type OptionNames } from "./advise.ts";
import { booleanOf, defGetBoolean, defGetString, equalsIgnoringCase, optionsOf } from "./defget.ts";
import { int8Of, unsignedLongOf } from "./numbers.ts";
import { type Check, errcode } from "./refusal.ts";

/** LogicalRepStreamMode, without its prefix: are transactions sent while they are in progress, and may they be applied so? */
export type StreamingMode = "OFF" | "ON" | "PARALLEL";

/** What pgoutput is asked for, defaults filled in. @source pgoutput.h: PGOutputData */
export interface PGOutputOptions {
  readonly type: "PGOutputOptions";
  /** Of the messages that are sent: from 1 to what the server has. */
  readonly protocolVersion: number;
  /** In the order given, repeated ones too; as names, so without quotes, in lower case unless they had some. Empty only since 17. */
  readonly publicationNames: readonly string[];
  /** Are values sent in binary form, where their type has one? Since 14. */
  readonly binary: boolean;
  /** Are logical decoding messages sent? Since 14. */
  readonly messages: boolean;
  /** Since 14; PARALLEL since 16. */
  readonly streaming: StreamingMode;
  /** Are prepared transactions sent when they are prepared? Since 15. If not, they are for a slot that already does so. */
  readonly twoPhase: boolean;
  /** Only changes without an origin, which are those of the server itself? Since 16. */
  readonly publishNoOrigin: boolean;
}

const names: OptionNames = {
  proto_version: undefined,
  publication_names: undefined,
  binary: "pgoutputBinary",
  messages: "logicalMessages",
  streaming: "streamingOfTransactions",
  two_phase: "twoPhaseOption",
  origin: "originOption",
};

/** The versions of the protocol, and what a server must have to speak each. @source logicalproto.h */
const protocols: readonly (CommandCapability | undefined)[] = [
  undefined,
  "streamingOfTransactions",
  "twoPhaseOption",
  "parallelStreaming",
];

/** @source pgoutput.c: pgoutput_startup */
export function pgoutputStartup(check: Check, command: StartReplicationCmd): PGOutputOptions {
  const given = new Map<string, number>();
  const { type, ...parameters } = parseOutputParameters(check, optionsOf(command), given);
  const { protocolVersion, publicationNames, streaming, twoPhase } = parameters;
  /** Where an option is, or the command if it is not. */
  const at = (name: string): string => (given.has(name) ? `options[${given.get(name)}].arg` : "");

  checkProtocolVersion(check, protocolVersion, at("proto_version"));
  if (publicationNames.length === 0 && !check.supports("pgoutputOptionsRequired")) {
    check.refuse({
      sqlstate: errcode.INVALID_PARAMETER_VALUE,
      message: "publication_names parameter missing",
      path: at("publication_names"),
      advice: needsPublications,
    });
  }
  const needs = (option: string, what: string, protocol: number): void => {
    if (protocolVersion >= protocol) return;
    check.refuse({
      sqlstate: errcode.INVALID_PARAMETER_VALUE,
      message: `requested proto_version=${protocolVersion} does not support ${what}, need ${protocol} or higher`,
      path: at(option),
      advice: `Write proto_version '${protocol}', or leave ${option} out.`,
    });
  };
  if (streaming === "ON") needs("streaming", "streaming", STREAMING_SINCE.on!);
  if (streaming === "PARALLEL") needs("streaming", "parallel streaming", STREAMING_SINCE.parallel!);
  if (twoPhase) needs("two_phase", "two-phase commit", TWO_PHASE_SINCE!);
  return { type: "PGOutputOptions", ...parameters };
}

const needsPublications = "pgoutput needs publication_names, such as 'pub1,pub2'.";

function checkProtocolVersion(check: Check, version: number, path: string): void {
  const newest = protocols.filter((needs) => needs === undefined || check.supports(needs)).length;
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

/** @source pgoutput.c: parse_output_parameters */
function parseOutputParameters(check: Check, options: readonly DefElem[], given: Map<string, number>): PGOutputOptions {
  let protocolVersion = 0;
  let publicationNames: readonly string[] = [];
  let [binary, messages, twoPhase, publishNoOrigin] = [false, false, false, false];
  let streaming: StreamingMode = "OFF";

  for (const [i, option] of options.entries()) {
    const { defname } = option;
    const needs = Object.hasOwn(names, defname) ? names[defname] : undefined;
    if (!Object.hasOwn(names, defname) || (needs !== undefined && !check.supports(needs))) {
      check.refuse({
        sqlstate: errcode.INTERNAL_ERROR,
        message: `unrecognized pgoutput option: ${defname}`,
        path: `options[${i}].defname`,
        advice: adviseOnName(defname, names, check.server),
      });
    }
    // Since the server looks whether there is a version, it does so before it notices that it has one.
    if (defname === "proto_version" && check.supports("pgoutputValuesChecked")) defGetString(check, option, i);
    if (given.has(defname)) {
      check.refuse({
        sqlstate: errcode.SYNTAX_ERROR,
        message: "conflicting or redundant options",
        path: `options[${i}].defname`,
        advice: adviseOnRepetition(defname),
      });
    }
    given.set(defname, i);
    switch (defname) {
      case "proto_version":
        protocolVersion = protocolVersionOf(check, stringOf(check, option, i), i);
        break;
      case "publication_names":
        publicationNames = publicationNamesOf(check, stringOf(check, option, i), i);
        break;
      case "binary":
        binary = defGetBoolean(check, option, i);
        break;
      case "messages":
        messages = defGetBoolean(check, option, i);
        break;
      case "streaming":
        streaming = streamingModeOf(check, option, i);
        break;
      case "two_phase":
        twoPhase = defGetBoolean(check, option, i);
        break;
      case "origin":
        publishNoOrigin = originOf(check, option, i);
        break;
    }
  }

  if (check.supports("pgoutputOptionsRequired")) {
    for (const name of ["proto_version", "publication_names"]) if (!given.has(name)) missing(check, name);
  }
  const flags = { binary, messages, streaming, twoPhase, publishNoOrigin };
  return { type: "PGOutputOptions", protocolVersion, publicationNames, ...flags };
}

function missing(check: Check, name: string): never {
  return check.refuse({
    sqlstate: errcode.INVALID_PARAMETER_VALUE,
    message: `option "${name}" missing`,
    path: "",
    advice: name === "proto_version" ? "pgoutput needs proto_version, such as '1'." : needsPublications,
  });
}

/**
 * Until late 2026 the server took the value without a look whether there was one. Without one it crashed, and took all sessions
 * with it; what a client hears of that is said here in libpq's words.
 */
function stringOf(check: Check, option: DefElem, index: number): string {
  if (option.arg !== undefined || check.supports("pgoutputValuesChecked")) return defGetString(check, option, index);
  return check.refuse({
    sqlstate: errcode.CONNECTION_FAILURE,
    message: "server closed the connection unexpectedly",
    path: `options[${index}].arg`,
    advice: `Write a string after ${option.defname}: without one this server crashes.`,
  });
}

function protocolVersionOf(check: Check, value: string, index: number): number {
  const path = `options[${index}].arg`;
  const parsed = check.supports("protoVersionThroughStrtoul")
    ? value === "" && check.supports("pgoutputValuesChecked")
      ? undefined
      : unsignedLongOf(value)
    : int8Of(value);
  const advice = "Write a number in quotes, such as '1'.";
  if (parsed === undefined) {
    check.refuse({ sqlstate: errcode.INVALID_PARAMETER_VALUE, message: "invalid proto_version", path, advice });
  }
  if (parsed < 0n || parsed > 0xffffffffn) {
    const message = `proto_version "${value}" out of range`;
    check.refuse({ sqlstate: errcode.INVALID_PARAMETER_VALUE, message, path, advice });
  }
  return Number(parsed);
}

function publicationNamesOf(check: Check, value: string, index: number): readonly string[] {
  return (
    splitIdentifierString(check, value) ??
    check.refuse({
      sqlstate: errcode.INVALID_NAME,
      message: "invalid publication_names syntax",
      path: `options[${index}].arg`,
      advice: "Write names with commas between, in double quotes if they hold blanks, commas or capital letters.",
    })
  );
}

/** @source pgoutput.c, subscriptioncmds.c: defGetStreamingMode, since 16; before that a Boolean */
function streamingModeOf(check: Check, option: DefElem, index: number): StreamingMode {
  if (!check.supports("parallelStreaming")) return defGetBoolean(check, option, index) ? "ON" : "OFF";
  const { defname, arg } = option;
  if (arg?.type === "String" && equalsIgnoringCase(arg.sval, "parallel")) return "PARALLEL";
  const on = booleanOf(arg);
  if (on !== undefined) return on ? "ON" : "OFF";
  return check.refuse({
    sqlstate: errcode.SYNTAX_ERROR,
    message: `${defname} requires a Boolean value or "parallel"`,
    path: `options[${index}].arg`,
    advice: "Write 'on', 'off' or 'parallel'.",
  });
}

function originOf(check: Check, option: DefElem, index: number): boolean {
  const origin = defGetString(check, option, index);
  if (equalsIgnoringCase(origin, "none")) return true;
  if (equalsIgnoringCase(origin, "any")) return false;
  return check.refuse({
    sqlstate: errcode.INVALID_PARAMETER_VALUE,
    message: `unrecognized origin value: "${origin}"`,
    path: `options[${index}].arg`,
    advice: "It is 'any' or 'none'.",
  });
}

/** What ends white space, and what ends a name without quotes. */
const withoutVerticalTab = [/[^ \t\n\r\f]/g, /[ \t\n\r\f,]/g] as const;
const withVerticalTab = [/[^ \t\n\r\f\v]/g, /[ \t\n\r\f\v,]/g] as const;

/**
 * Names with commas between and white space around; undefined if the text is no such list. Nothing but white space is no name.
 *
 * @source varlena.c: SplitIdentifierString
 */
function splitIdentifierString(check: Check, text: string): string[] | undefined {
  const [noSpace, endOfBareName] = check.supports("verticalTabIsSpace") ? withVerticalTab : withoutVerticalTab;
  /** Where the next such character is, or the end. */
  const next = (what: RegExp, from: number): number => {
    what.lastIndex = from;
    return what.exec(text)?.index ?? text.length;
  };
  const found: string[] = [];
  let at = next(noSpace, 0);
  if (at === text.length) return found;
  for (;;) {
    const quoted = text[at] === '"';
    const start = quoted ? at + 1 : at;
    const end = quoted ? closingQuote(text, start) : next(endOfBareName, at);
    if (end === -1 || (end === at && !quoted)) return undefined;
    const name = text.slice(start, end);
    found.push(truncateIdentifier(quoted ? name.replaceAll('""', '"') : downcaseIdentifier(name)));
    at = next(noSpace, quoted ? end + 1 : end);
    if (at === text.length) return found;
    if (text[at] !== ",") return undefined;
    at = next(noSpace, at + 1);
  }
}

/** The first double quote that is not one of two; -1 if there is none. */
function closingQuote(text: string, from: number): number {
  let end = text.indexOf('"', from);
  while (end !== -1 && text[end + 1] === '"') end = text.indexOf('"', end + 2);
  return end;
}
