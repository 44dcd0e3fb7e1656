/**
 * The columns that result sets are described with, and the one table of what can stand in them: how a server of each
 * version declares a value, prints it, and what it is read as.
 *
 * The set of forms is closed: a new one does not compile until this table and the arbitraries know it.
 */
import { formatLsn, type Lsn, parseLsn } from "../../kernel/lsn.ts";
import { commandCapabilities } from "../capabilities.ts";

/** A value of a row as drivers give it: text, or bytes where they are kept as they came; null is NULL. */
export type RowValue = string | Uint8Array | null;

declare const value: unique symbol;

/** A column of a result set. `T` is what it is read as; the property exists for the compiler only. */
export interface ResultColumn<T = unknown> {
  /** How its text is read. */
  readonly form: ResultColumnForm;
  /** Servers send NULL here; it is read as undefined. */
  readonly nullable: boolean;
  /** What it means, with its unit. */
  readonly doc: string;
  /** Never there: it carries the type. */
  readonly [value]?: T;
}

/** The columns of a result set by their names, in the order in which they come. */
export type ResultColumns = Readonly<Record<string, ResultColumn>>;

/** A row as a value: a property a column, under the column's name. The second half makes editors show these properties. */
export type RowOf<C> = { readonly [K in keyof C]: C[K] extends ResultColumn<infer T> ? T : never } extends infer R
  ? { readonly [K in keyof R]: R[K] }
  : never;

/** How the text of a column is read. */
export type ResultColumnForm =
  | "text"
  | "systemIdentifier"
  | "lsn"
  | "timeline"
  | "currentTimeline"
  | "oid"
  | "kilobytes"
  | "file";

const column =
  <T>(form: ResultColumnForm) =>
  (doc: string): ResultColumn<T> => ({ form, nullable: false, doc });

// One function a form, in the order of the type above.

export const text = column<string>("text");
/** pg_control's system identifier, 64 bits without a sign, as text. */
export const systemIdentifier = column<bigint>("systemIdentifier");
export const lsn = column<Lsn>("lsn");
/** A TimeLineID, 32 bits without a sign. */
export const timeline = column<number>("timeline");
/** A TimeLineID where servers once had an int4 for it. */
export const currentTimeline = column<number>("currentTimeline");
export const oid = column<number>("oid");
/** A size in kB of 1024 bytes. */
export const kilobytes = column<bigint>("kilobytes");
/** A file's bytes, unchanged, whatever type the column says that it has. */
export const file = column<string | Uint8Array>("file");

/** The column, where servers also send NULL. */
export const nullable = <T>(of: ResultColumn<T>): ResultColumn<T | undefined> => ({ ...of, nullable: true });

/** Types of PostgreSQL as RowDescription gives them: the OID, and the size in bytes, -1 if it varies. */
export const pgTypes = {
  bytea: { typeId: 17, typeSize: -1 },
  int8: { typeId: 20, typeSize: 8 },
  int4: { typeId: 23, typeSize: 4 },
  text: { typeId: 25, typeSize: -1 },
  oid: { typeId: 26, typeSize: 4 },
} as const;

interface Form {
  /** What servers print. */
  readonly printed: string;
  /** What it is read as, and written from. */
  readonly held: string;
  /** The type that a server declares. */
  type(server: number): keyof typeof pgTypes;
  /** undefined if it is none of what servers print. */
  read(printed: string | Uint8Array): unknown;
  /** As this server prints it; undefined if it is not what is held. */
  print(held: unknown, server: number): string | Uint8Array | undefined;
}

export const forms: { readonly [F in ResultColumnForm]: Form } = {
  text: {
    printed: "text without a NUL character",
    held: "a string without a NUL character",
    type: () => "text",
    read: textOf,
    print: textOf,
  },

  systemIdentifier: {
    printed: "a decimal number from 0 to 2^64 - 1",
    held: "a bigint from 0 to 2^64 - 1",
    type: () => "text",
    read: (printed) => integer(printed, 0n, 2n ** 64n - 1n),
    print: (held) => bits(held, 64)?.toString(),
  },

  lsn: {
    printed: "a position in WAL such as 0/16B3748",
    held: "a bigint from 0 to 2^64 - 1",
    type: () => "text",
    read: (printed) => {
      if (typeof printed !== "string") return undefined;
      try {
        return parseLsn(printed);
      } catch {
        return undefined;
      }
    },
    print: (held, server) => {
      const position = bits(held, 64);
      return position === undefined ? undefined : formatLsn(position as Lsn, { server });
    },
  },

  timeline: {
    printed: "a decimal number from 0 to 2^32 - 1",
    held: "an integer from 0 to 2^32 - 1",
    type: () => "int8",
    read: (printed) => number(integer(printed, 0n, 2n ** 32n - 1n)),
    print: (held) => uint32(held)?.toString(),
  },

  currentTimeline: {
    printed: "a decimal number from -2^31 to 2^32 - 1",
    held: "an integer from 0 to 2^32 - 1",
    type: (server) => (commandCapabilities.supports(server, "identifySystemInt8") ? "int8" : "int4"),
    // Timelines from 2^31 on are negative as an int4.
    read: (printed) => {
      const id = integer(printed, -(2n ** 31n), 2n ** 32n - 1n);
      return id === undefined ? undefined : Number(BigInt.asUintN(32, id));
    },
    print: (held, server) => {
      const id = uint32(held);
      // What walsender.c put together by itself was printed as %u, though declared as int4.
      const signed =
        commandCapabilities.supports(server, "walsenderTupleDesc") &&
        !commandCapabilities.supports(server, "identifySystemInt8");
      return id === undefined ? undefined : String(signed ? id | 0 : id);
    },
  },

  oid: {
    printed: "a decimal number from 0 to 2^32 - 1",
    held: "an integer from 0 to 2^32 - 1",
    type: () => "oid",
    read: (printed) => number(integer(printed, 0n, 2n ** 32n - 1n)),
    print: (held) => uint32(held)?.toString(),
  },

  kilobytes: {
    printed: "a decimal number from 0 to 2^63 - 1",
    held: "a bigint from 0 to 2^63 - 1",
    type: () => "int8",
    read: (printed) => integer(printed, 0n, 2n ** 63n - 1n),
    print: (held) => bits(held, 63)?.toString(),
  },

  file: {
    printed: "text or bytes",
    held: "a string or a Uint8Array",
    type: (server) => (commandCapabilities.supports(server, "timelineHistoryText") ? "text" : "bytea"),
    read: textOrBytes,
    print: textOrBytes,
  },
};

function textOf(of: unknown): string | undefined {
  return typeof of === "string" && !of.includes("\0") ? of : undefined;
}

function textOrBytes(of: unknown): string | Uint8Array | undefined {
  // Also a Uint8Array of another realm; not what only looks like one.
  const isBytes = ArrayBuffer.isView(of) && Object.prototype.toString.call(of) === "[object Uint8Array]";
  return typeof of === "string" || isBytes ? (of as string | Uint8Array) : undefined;
}

/** Digits as servers print them: no blank, no plus sign, no leading zero. */
function integer(printed: unknown, min: bigint, max: bigint): bigint | undefined {
  if (typeof printed !== "string" || !/^(?:0|-?[1-9][0-9]{0,19})$/.test(printed)) return undefined;
  const number = BigInt(printed);
  return number >= min && number <= max ? number : undefined;
}

function number(of: bigint | undefined): number | undefined {
  return of === undefined ? undefined : Number(of);
}

function bits(held: unknown, count: number): bigint | undefined {
  return typeof held === "bigint" && BigInt.asUintN(count, held) === held ? held : undefined;
}

function uint32(held: unknown): number | undefined {
  return typeof held === "number" && held === held >>> 0 ? held : undefined;
}
