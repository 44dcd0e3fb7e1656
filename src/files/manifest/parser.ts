/**
 * The required contents of a manifest and their order: the states of PostgreSQL's parser. It takes pieces of text with a character a byte.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source parse_manifest.c
 * @source jsonapi.c: pg_parse_json, pg_parse_json_incremental
 */
import type { ErrorCode } from "../../kernel/errors.ts";
import { decodeText } from "../../wire/text.ts";
import { BackupManifestError, bytesText, excerpt } from "./error.ts";
import { hexDigit, type JsonError, type JsonToken, jsonErrorDetail } from "./json.ts";
import type { JsonPieces } from "./json-pieces.ts";
import { parseXlogrecptr, strtolInt, strtoul } from "./numbers.ts";
import { type ChecksumAlgorithm, checksumLengths, type ManifestEntry } from "./types.ts";

/** Differences between versions, and between the readers of a manifest. */
export interface ManifestRules {
  /** Is version 2 accepted, with its fields? */
  readonly version2: boolean;
  /** Do messages explain invalid JSON? */
  readonly explains: boolean;
  /** Is the first element of an array told from the others? So does the parser that takes pieces. */
  readonly arrayFirst: boolean;
  readonly lsnLowHalfIsEightDigits: boolean;
  /** Checks an entry before it is handed out. @returns PostgreSQL's message if it is rejected */
  readonly check: (entry: ManifestEntry) => string | undefined;
}

/** The token that the JSON has next. */
type Position =
  | "JSON"
  | "KEY_OR_END"
  | "KEY"
  | "COLON"
  | "VALUE"
  | "OBJECT_NEXT"
  | "ELEMENT_OR_END"
  | "ELEMENT"
  | "ARRAY_NEXT"
  | "END";

/** JsonManifestSemanticState. */
type State =
  | "TOPLEVEL_START"
  | "TOPLEVEL_END"
  | "TOPLEVEL_FIELD"
  | "VERSION_VALUE"
  | "SYSTEM_IDENTIFIER_VALUE"
  | "FILES_START"
  | "FILES_NEXT"
  | "THIS_FILE_FIELD"
  | "THIS_FILE_VALUE"
  | "WAL_RANGES_START"
  | "WAL_RANGES_NEXT"
  | "THIS_WAL_RANGE_FIELD"
  | "THIS_WAL_RANGE_VALUE"
  | "MANIFEST_CHECKSUM_VALUE"
  | "EOF";

const fileFields = ["Path", "Encoded-Path", "Size", "Last-Modified", "Checksum-Algorithm", "Checksum"] as const;
const toplevelFields = [
  "PostgreSQL-Backup-Manifest-Version",
  "System-Identifier",
  "Files",
  "WAL-Ranges",
  "Manifest-Checksum",
] as const;
const walRangeFields = ["Timeline", "Start-LSN", "End-LSN"] as const;

type FileField = (typeof fileFields)[number];
type WalRangeField = (typeof walRangeFields)[number];

/** A place in a manifest. */
interface Spot {
  /** Bytes from the start. */
  readonly place: number;
  /** From 1 on. */
  readonly line: number;
}

/** A value, and where it stands. */
interface Scalar extends Spot {
  readonly value: string;
}

type Fields<Name extends string> = { [name in Name]: Scalar | undefined };

const noFile = (): Fields<FileField> => ({
  Path: undefined,
  "Encoded-Path": undefined,
  Size: undefined,
  "Last-Modified": undefined,
  "Checksum-Algorithm": undefined,
  Checksum: undefined,
});

const noWalRange = (): Fields<WalRangeField> => ({ Timeline: undefined, "Start-LSN": undefined, "End-LSN": undefined });

/** As servers write them, and in small letters for whoever writes otherwise. */
const algorithms: Readonly<Record<string, ChecksumAlgorithm | undefined>> = Object.assign(
  Object.create(null),
  ...Object.keys(checksumLengths).map((name) => ({ [name]: name, [lowerCase(name)]: name })),
);

/**
 * The line of a file with a path that is UTF-8 and a checksum, from the newline before it to the comma behind it. Whatever is otherwise, or
 * long, is left to the parser of JSON, with the same outcome. Of 100,000 files (Node 20, a busy AMD EPYC) all takes 465 to 610 ms of CPU,
 * and without this 550 to 785.
 */
const FILE_LINE =
  /\n\{ "Path": "([^"\\\0-\x1f]{1,250})", "Size": (0|[1-9]\d{0,14}), "Last-Modified": "([-\d: A-Z]{0,30})", "Checksum-Algorithm": "(CRC32C|SHA(?:224|256|384|512))", "Checksum": "((?:[\da-f]{2}){4,64})" \},/y;

/** Where the path stands in it. */
const PATH_AT = '\n{ "Path": '.length;

/** How large the arrays are in which checksums lie. The longest has 64 bytes. */
const SHARED = 8192;

export class ManifestParser {
  readonly #rules: ManifestRules;
  readonly #pieces: JsonPieces;
  /** Parts that were read and not handed out yet. */
  #entries: ManifestEntry[] = [];

  #position: Position = "JSON";
  /** The open objects and arrays around the position: three at most, since the states reject more. */
  readonly #open: ("object" | "array")[] = [];
  /** The step that waits until the next token has been read. */
  #pending: "scalar" | "field" | "object end" | "array end" | undefined;
  #name: string | undefined;
  #notedValue = "";
  #notedPlace = 0;
  #notedLine = 1;

  #state: State = "TOPLEVEL_START";
  #sawVersionField = false;
  #fileField: FileField = "Path";
  #walRangeField: WalRangeField = "Timeline";
  #file = noFile();
  #walRange = noWalRange();
  #checksum: Scalar | undefined;
  #lastModified = "";
  /** Where checksums lie, and how many bytes of that have been given away. */
  #shared = new Uint8Array(0);
  #used = 0;

  constructor(rules: ManifestRules, pieces: JsonPieces) {
    this.#rules = rules;
    this.#pieces = pieces;
  }

  /** The checksum that the manifest has, once all of it has been read. */
  get checksum(): Scalar {
    return this.#checksum!;
  }

  /**
   * Reads on.
   *
   * @param last Is this the end of the text?
   * @throws BackupManifestError
   */
  feed(piece: string, last: boolean): void {
    const pieces = this.#pieces;
    pieces.feed(piece);
    for (;;) {
      while (this.#position === "ELEMENT" && this.#state === "FILES_NEXT" && this.#fileLine());
      const status = pieces.next(last);
      if (status === "INCOMPLETE") return;
      if (status !== "SUCCESS") this.#failJson(status);
      this.#act();
      if (this.#position === "END" && pieces.type === "end") break;
      this.#take(pieces.type);
    }
    if (this.#state !== "EOF") this.#fail("manifest ended unexpectedly", pieces);
  }

  /** The parts read since the last call. */
  entries(): ManifestEntry[] {
    const entries = this.#entries;
    this.#entries = [];
    return entries;
  }

  /** A file as servers write it, at once. It is parsed as such only up to a comma, so that the first error is the same. */
  #fileLine(): boolean {
    const found = this.#pieces.takeLine(FILE_LINE);
    if (found === null) return false;
    const [, path, size, lastModified, algorithm, digits] = found as unknown as [
      string,
      string,
      string,
      string,
      string,
      string,
    ];
    const checksum = this.#room(digits.length / 2);
    putHexadecimal(digits, checksum);
    // Most files have the same time as the one before: one text does for all of them.
    if (lastModified !== this.#lastModified) this.#lastModified = lastModified;
    const file = {
      path: bytesText(path),
      encoded: false,
      // Of up to 15 digits a number is exact, and a bigint of a number takes two thirds of the time that one of text takes.
      size: BigInt(Number(size)),
      lastModified: this.#lastModified,
      checksumAlgorithm: algorithm as ChecksumAlgorithm,
      checksum,
    };
    const start = this.#pieces.place + 1 - found[0].length;
    this.#hand({ type: "File", file }, { place: start + PATH_AT, line: this.#pieces.line });
    return true;
  }

  /** Bytes for a checksum, in an array with others: an array of its own for each of 100,000 takes 150 ms, and so 45. */
  #room(length: number): Uint8Array {
    if (this.#used + length > this.#shared.length) {
      this.#shared = new Uint8Array(SHARED);
      this.#used = 0;
    }
    const { buffer } = this.#shared;
    this.#used += length;
    return new Uint8Array(buffer, this.#used - length, length);
  }

  #take(type: JsonToken): void {
    switch (this.#position) {
      case "JSON":
      case "VALUE":
      case "ELEMENT":
        return this.#value(type, "EXPECTED_JSON");
      case "ELEMENT_OR_END":
        if (type === "]") return this.#close("array end");
        return this.#value(type, this.#rules.arrayFirst ? "EXPECTED_ARRAY_FIRST" : "EXPECTED_JSON");
      case "ARRAY_NEXT":
        if (type === "]") return this.#close("array end");
        if (type !== ",") this.#failJson("EXPECTED_ARRAY_NEXT");
        this.#position = "ELEMENT";
        return;
      case "KEY_OR_END":
        if (type === "}") return this.#close("object end");
        return this.#key(type, "EXPECTED_OBJECT_FIRST");
      case "KEY":
        return this.#key(type, "EXPECTED_STRING");
      case "COLON":
        if (type !== ":") this.#failJson("EXPECTED_COLON");
        this.#pending = "field";
        this.#position = "VALUE";
        return;
      case "OBJECT_NEXT":
        if (type === "}") return this.#close("object end");
        if (type !== ",") this.#failJson("EXPECTED_OBJECT_NEXT");
        this.#position = "KEY";
        return;
      case "END":
        this.#failJson("EXPECTED_END");
    }
  }

  #key(type: JsonToken, error: JsonError): void {
    if (type !== "string") this.#failJson(error);
    this.#noteSpot();
    this.#name = this.#known().find((name) => this.#pieces.is(name));
    this.#position = "COLON";
  }

  /** The names that are known here; any other is unknown, whatever it is. */
  #known(): readonly string[] {
    if (this.#state === "THIS_FILE_FIELD") return fileFields;
    return this.#state === "THIS_WAL_RANGE_FIELD" ? walRangeFields : toplevelFields;
  }

  #value(type: JsonToken, error: JsonError): void {
    switch (type) {
      case "{":
        this.#objectStart();
        this.#open.push("object");
        this.#position = "KEY_OR_END";
        return;
      case "[":
        this.#arrayStart();
        this.#open.push("array");
        this.#position = "ELEMENT_OR_END";
        return;
      case "string":
      case "number":
      case "true":
      case "false":
      case "null":
        this.#noteSpot();
        this.#notedValue = this.#pieces.value;
        this.#pending = "scalar";
        this.#goOn();
        return;
      default:
        this.#failJson(error);
    }
  }

  #close(end: "object end" | "array end"): void {
    this.#open.pop();
    this.#noteSpot();
    this.#pending = end;
    this.#goOn();
  }

  /** Behind a value. */
  #goOn(): void {
    const around = this.#open.at(-1);
    this.#position = around === undefined ? "END" : around === "object" ? "OBJECT_NEXT" : "ARRAY_NEXT";
  }

  #noteSpot(): void {
    this.#notedPlace = this.#pieces.place;
    this.#notedLine = this.#pieces.line;
  }

  get #noted(): Spot {
    return { place: this.#notedPlace, line: this.#notedLine };
  }

  #act(): void {
    const pending = this.#pending;
    if (pending === undefined) return;
    this.#pending = undefined;
    if (pending === "scalar") {
      this.#scalar({ value: this.#notedValue, place: this.#notedPlace, line: this.#notedLine });
    } else if (pending === "field") this.#field(this.#name);
    else if (pending === "object end") this.#objectEnd();
    else this.#arrayEnd();
  }

  #objectStart(): void {
    switch (this.#state) {
      case "TOPLEVEL_START":
        this.#state = "TOPLEVEL_FIELD";
        return;
      case "FILES_NEXT":
        this.#state = "THIS_FILE_FIELD";
        this.#file = noFile();
        return;
      case "WAL_RANGES_NEXT":
        this.#state = "THIS_WAL_RANGE_FIELD";
        this.#walRange = noWalRange();
        return;
      default:
        this.#fail("unexpected object start", this.#pieces);
    }
  }

  #objectEnd(): void {
    switch (this.#state) {
      case "TOPLEVEL_END":
        this.#state = "EOF";
        return;
      case "THIS_FILE_FIELD":
        this.#finalizeFile();
        this.#state = "FILES_NEXT";
        return;
      case "THIS_WAL_RANGE_FIELD":
        this.#finalizeWalRange();
        this.#state = "WAL_RANGES_NEXT";
        return;
      default:
        this.#fail("unexpected object end", this.#noted);
    }
  }

  #arrayStart(): void {
    if (this.#state === "FILES_START") this.#state = "FILES_NEXT";
    else if (this.#state === "WAL_RANGES_START") this.#state = "WAL_RANGES_NEXT";
    else this.#fail("unexpected array start", this.#pieces);
  }

  #arrayEnd(): void {
    if (this.#state !== "FILES_NEXT" && this.#state !== "WAL_RANGES_NEXT") {
      this.#fail("unexpected array end", this.#noted);
    }
    this.#state = "TOPLEVEL_FIELD";
  }

  /** @source parse_manifest.c: json_manifest_object_field_start */
  #field(name: string | undefined): void {
    switch (this.#state) {
      case "TOPLEVEL_FIELD":
        this.#state = this.#toplevelField(name);
        return;
      case "THIS_FILE_FIELD":
        if (!isOneOf(fileFields, name)) this.#fail("unexpected file field", this.#noted);
        this.#fileField = name;
        this.#state = "THIS_FILE_VALUE";
        return;
      case "THIS_WAL_RANGE_FIELD":
        if (!isOneOf(walRangeFields, name)) this.#fail("unexpected WAL range field", this.#noted);
        this.#walRangeField = name;
        this.#state = "THIS_WAL_RANGE_VALUE";
        return;
      default:
        this.#fail("unexpected object field", this.#noted);
    }
  }

  #toplevelField(name: string | undefined): State {
    if (!this.#sawVersionField) {
      if (name !== "PostgreSQL-Backup-Manifest-Version") this.#fail("expected version indicator", this.#noted);
      this.#sawVersionField = true;
      return "VERSION_VALUE";
    }
    if (name === "System-Identifier" && this.#rules.version2) return "SYSTEM_IDENTIFIER_VALUE";
    if (name === "Files") return "FILES_START";
    if (name === "WAL-Ranges") return "WAL_RANGES_START";
    if (name === "Manifest-Checksum") return "MANIFEST_CHECKSUM_VALUE";
    return this.#fail("unrecognized top-level field", this.#noted);
  }

  /** @source parse_manifest.c: json_manifest_scalar */
  #scalar(scalar: Scalar): void {
    switch (this.#state) {
      case "VERSION_VALUE":
        this.#version(scalar);
        this.#state = "TOPLEVEL_FIELD";
        return;
      case "SYSTEM_IDENTIFIER_VALUE":
        this.#systemIdentifier(scalar);
        this.#state = "TOPLEVEL_FIELD";
        return;
      case "THIS_FILE_VALUE":
        this.#file[this.#fileField] = scalar;
        this.#state = "THIS_FILE_FIELD";
        return;
      case "THIS_WAL_RANGE_VALUE":
        this.#walRange[this.#walRangeField] = scalar;
        this.#state = "THIS_WAL_RANGE_FIELD";
        return;
      case "MANIFEST_CHECKSUM_VALUE":
        this.#state = "TOPLEVEL_END";
        this.#checksum = scalar;
        return;
      default:
        this.#fail("unexpected scalar", scalar);
    }
  }

  #version(scalar: Scalar): void {
    const { value } = scalar;
    const { version2 } = this.#rules;
    const version = version2 ? strtolInt(value) : value === "1" ? 1 : 0;
    if (version === undefined) this.#fail("manifest version not an integer", scalar);
    if (version !== 1 && version !== 2) this.#fail("unexpected manifest version", scalar);
    this.#hand({ type: "Version", version }, scalar);
  }

  #systemIdentifier(scalar: Scalar): void {
    const systemIdentifier = strtoul(scalar.value);
    if (systemIdentifier === undefined) {
      this.#fail("system identifier in manifest not an integer", scalar);
    }
    this.#hand({ type: "SystemIdentifier", systemIdentifier }, scalar);
  }

  /** @source parse_manifest.c: json_manifest_finalize_file */
  #finalizeFile(): void {
    const file = this.#file;
    const end = this.#noted;
    const { Path, "Encoded-Path": encodedPath, Size, "Checksum-Algorithm": algorithm, Checksum } = file;
    if (Path === undefined && encodedPath === undefined) this.#fail("missing path name", end);
    if (Path !== undefined && encodedPath !== undefined) {
      this.#fail("both path name and encoded path name", Path.place > encodedPath.place ? Path : encodedPath);
    }
    if (Size === undefined) this.#fail("missing size", end);
    if (algorithm === undefined && Checksum !== undefined) this.#fail("checksum without algorithm", Checksum);
    let path: string;
    if (encodedPath !== undefined) {
      const bytes = hexadecimal(encodedPath.value);
      if (bytes === undefined) this.#fail("could not decode file name", encodedPath);
      // It is a C string.
      const nul = bytes.indexOf(0);
      path = decodeText(bytes, 0, nul === -1 ? bytes.length : nul);
    } else {
      path = bytesText(Path!.value);
    }
    const size = strtoul(Size.value);
    if (size === undefined) this.#fail("file size is not an integer", Size);
    const checksumAlgorithm =
      algorithm === undefined ? "NONE" : (algorithms[algorithm.value] ?? algorithms[lowerCase(algorithm.value)]);
    if (checksumAlgorithm === undefined) {
      this.#refuse(`unrecognized checksum algorithm: "${bytesText(algorithm!.value)}"`, algorithm!);
    }
    let checksum: Uint8Array | undefined;
    if (Checksum !== undefined && Checksum.value !== "") {
      const bytes = hexadecimal(Checksum.value);
      if (bytes === undefined) {
        this.#refuse(`invalid checksum for file "${path}": "${bytesText(Checksum.value)}"`, Checksum);
      }
      checksum = bytes;
    }
    const lastModified = file["Last-Modified"];
    this.#hand(
      {
        type: "File",
        file: {
          path,
          encoded: encodedPath !== undefined,
          size,
          lastModified: lastModified === undefined ? undefined : bytesText(lastModified.value),
          checksumAlgorithm,
          checksum,
        },
      },
      (Path ?? encodedPath)!,
    );
  }

  /** @source parse_manifest.c: json_manifest_finalize_wal_range */
  #finalizeWalRange(): void {
    const { Timeline, "Start-LSN": start, "End-LSN": end } = this.#walRange;
    const closed = this.#noted;
    if (Timeline === undefined) this.#fail("missing timeline", closed);
    if (start === undefined) this.#fail("missing start LSN", closed);
    if (end === undefined) this.#fail("missing end LSN", closed);
    const timeline = strtoul(Timeline.value);
    if (timeline === undefined) this.#fail("timeline is not an integer", Timeline);
    const { lsnLowHalfIsEightDigits } = this.#rules;
    const startLsn = parseXlogrecptr(start.value, lsnLowHalfIsEightDigits);
    if (startLsn === undefined) this.#fail("could not parse start LSN", start);
    const endLsn = parseXlogrecptr(end.value, lsnLowHalfIsEightDigits);
    if (endLsn === undefined) this.#fail("could not parse end LSN", end);
    const walRange = { timeline: Number(timeline & 0xffffffffn), startLsn, endLsn };
    this.#hand({ type: "WalRange", walRange }, closed);
  }

  #hand(entry: ManifestEntry, spot: Spot): void {
    const refusal = this.#rules.check(entry);
    if (refusal !== undefined) this.#refuse(refusal, spot);
    this.#entries.push(entry);
  }

  #failJson(error: JsonError): never {
    const { type, token, after } = this.#pieces;
    const isEnd = type === "end" && error.startsWith("EXPECTED_");
    const status = isEnd ? "EXPECTED_MORE" : error;
    const detail = this.#rules.explains ? bytesText(jsonErrorDetail(status, token, after)) : "parsing failed";
    const unterminated = status === "INVALID_TOKEN" && token.startsWith('"');
    this.#refuse(`could not parse backup manifest: ${detail}`, this.#pieces, unterminated ? "UNTERMINATED" : "SYNTAX");
  }

  #fail(reason: string, spot: Spot): never {
    return this.#refuse(`could not parse backup manifest: ${reason}`, spot);
  }

  #refuse(message: string, spot: Spot, code: ErrorCode = "INVALID_VALUE"): never {
    throw this.error(message, spot, code);
  }

  /** The error with this message: at a place, or at the end of what has been read. */
  error(message: string, { place, line }: Spot = this.#pieces, code: ErrorCode = "INVALID_VALUE"): BackupManifestError {
    const { text, start } = this.#pieces.around;
    const at = place - start;
    // The text of the error may be in a piece that is gone.
    const shown = at < 0 || at > text.length ? { text: "", offset: 0 } : excerpt(text, at);
    return new BackupManifestError({ code, message, sqlstate: "XX000", ...shown, firstLine: line, position: place });
  }
}

function isOneOf<Name extends string>(names: readonly Name[], name: string | undefined): name is Name {
  return (names as readonly (string | undefined)[]).includes(name);
}

/** Two digits a byte; undefined if it is something else. @source parse_manifest.c: hexdecode_string */
export function hexadecimal(text: string): Uint8Array | undefined {
  if (text.length % 2 !== 0) return undefined;
  const bytes = new Uint8Array(text.length / 2);
  return putHexadecimal(text, bytes) ? bytes : undefined;
}

/** Fills an array. @returns whether these are digits. */
function putHexadecimal(text: string, bytes: Uint8Array): boolean {
  for (let i = 0; i < bytes.length; i++) {
    const high = hexDigit(text.charCodeAt(2 * i));
    const low = hexDigit(text.charCodeAt(2 * i + 1));
    if (high < 0 || low < 0) return false;
    bytes[i] = high * 16 + low;
  }
  return true;
}

/** Of ASCII letters, as pg_strcasecmp compares in the C locale. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
