/** The options of `subscribe`, checked, with their defaults. */
import { ArgumentError, refuseArgument } from "../../kernel/errors.ts";
import { checkObject, checkOneOf, checkOptions, checkType, checkWhole, isArrayOf } from "../../kernel/options.ts";
import { MEMORY_LIMIT } from "../../logical/memory.ts";
import type { PgoutputStreaming } from "../../logical/protocol.ts";
import type { SpillStore } from "../../logical/transactions.ts";
import { judgeSlotName } from "../../text/slot-name.ts";
import type { OnUnreadable } from "../../values/row.ts";
import { TypeMap } from "../../values/type-map.ts";
import { type AbortSignalLike, checkSignal } from "../abort-signal.ts";
import type { ConnectOptions } from "../client.ts";
import type { SubscriptionStore } from "./state.ts";

/** How to connect again. Times in milliseconds. */
export interface ReconnectOptions {
  /** The first wait. It doubles with each attempt that fails; each wait is cut by up to a half at random. Default: 250. */
  readonly first?: number | undefined;
  /** The longest wait. Default: 30,000. */
  readonly longest?: number | undefined;
  /** How long to try before the subscription ends with the last error. Default: Infinity. */
  readonly limit?: number | undefined;
}

/** How to copy tables. */
export interface CopyOptions {
  /** The number of tables that are copied at the same time, each over a connection. Default: 4. */
  readonly workers?: number | undefined;
}

/** Options of `subscribe`. Times in milliseconds. */
export interface SubscribeOptions {
  /** How to connect, as for `connect` of walwire/client: `{ connectionString: "postgres://me@host/db" }`. */
  readonly connection: Omit<ConnectOptions, "replication" | "signal">;
  /**
   * The name of the slot. It may be left out if the slot is temporary.
   */
  readonly slotname?: string | undefined;
  /** The publications whose changes are sent. They must exist. */
  readonly publications: readonly string[];
  /**
   * Create the slot if it is missing. That happens only at the first connection, and only if the `store` is empty; without a `store`,
   * a slot that was dropped between two runs is created again, and begins then. Default: true.
   */
  readonly create?: boolean | undefined;
  /** Use a slot that the server drops when the connection ends. So a lost connection ends the subscription. Default: false. */
  readonly temporary?: boolean | undefined;
  /** Create the slot as one that is synchronized to standbys, from 17 on. Default: false. */
  readonly failover?: boolean | undefined;
  /**
   * Copy the tables of the publications first, and then follow the changes since, without a gap or an overlap; also tables that are in
   * the publications when a later run starts and have not been copied. A permanent slot needs a `store`, which knows what has been
   * copied. Default: false.
   */
  readonly copy?: boolean | CopyOptions | undefined;
  /** Where the position is kept on the consumer's side. Without one only the slot keeps it. */
  readonly store?: SubscriptionStore | undefined;
  /** The version of the protocol. Default: the newest of the server. */
  readonly protocol?: 1 | 2 | 3 | 4 | undefined;
  /**
   * How the server sends large transactions that are in progress. Their changes are held here until they commit, in the spill if need
   * be. Default: the newest way of the protocol.
   */
  readonly streaming?: PgoutputStreaming | undefined;
  /** Values in binary format, from 14 on: faster for some types, but not all types have one. Default: false. */
  readonly binary?: boolean | undefined;
  /** Send the messages of pg_logical_emit_message, from 14 on. Default: false. */
  readonly messages?: boolean | undefined;
  /**
   * Go on without the changes of a publication where it does not exist, such as before it was created; from 18 on. Otherwise, and before
   * 18, that is a SlotError PUBLICATION_MISSING. Default: false.
   */
  readonly skipMissing?: boolean | undefined;
  /** "none" for changes without an origin only, from 16 on. Default: "any". */
  readonly origin?: "any" | "none" | undefined;
  /** Send prepared transactions when they are prepared, from 15 on. The slot must have been created so. Default: false. */
  readonly twoPhase?: boolean | undefined;
  /** With `twoPhase`: give prepared transactions when they are prepared ("emit"), or when they commit ("hold"). Default: "emit". */
  readonly prepared?: "emit" | "hold" | undefined;
  /**
   * The most bytes of memory for transactions: half for those that are being received, half for those that are not confirmed.
   *
   * Beyond the first half, unfinished transactions go to the spill. Beyond the second half, the iterator waits until an event is confirmed,
   * and the server waits too. Default: 128 MiB.
   */
  readonly memoryLimit?: number | undefined;
  /** The store for changes beyond that. Default: a SpillDirectory of its own, made when it is needed and closed at the end. */
  readonly spill?: SpillStore | undefined;
  /** The types of the database. Those that are not built in are looked up when a table has them. Default: a new one. */
  readonly typeMap?: TypeMap | undefined;
  /** Returns a replacement for a value that cannot be read as its type, as of `rowReader`. Without it, reading the row is a DecodeError. */
  readonly onUnreadable?: OnUnreadable | undefined;
  /** How to connect again after a lost connection; false to end with the error instead. */
  readonly reconnect?: ReconnectOptions | false | undefined;
  /**
   * How long the server may be silent, and how long it may take to connect and to answer a question. While tables are copied or a slot is
   * created, a silent server is asked over another connection, and waited for while it works. 0 is no limit. Default: 60,000, or the
   * server's wal_sender_timeout if that is longer.
   */
  readonly timeout?: number | undefined;
  /** How long to wait for a slot that another connection uses, such as a dead one of our own. Default: `timeout` and 10 s. */
  readonly slotTimeout?: number | undefined;
  /** How long to wait at the end until events under way are confirmed. Default: 10,000. */
  readonly stopTimeout?: number | undefined;
  /** How often to give an idle consumer a `Progress`, if its `store` has no `save`. Default: 10,000. */
  readonly progressInterval?: number | undefined;
  /** Ends the subscription as `stop` does. The iteration ends without an error. */
  readonly signal?: AbortSignalLike | undefined;
}

const NAMES: readonly (keyof SubscribeOptions)[] = [
  ...([
    "connection",
    "slotname",
    "publications",
    "create",
    "temporary",
    "failover",
    "copy",
    "store",
    "protocol",
  ] as const),
  ...(["streaming", "binary", "messages", "origin", "twoPhase", "prepared", "memoryLimit", "spill"] as const),
  ...(["typeMap", "onUnreadable", "reconnect", "timeout", "slotTimeout", "stopTimeout", "progressInterval"] as const),
  "skipMissing",
  "signal",
];

/** Defaults of times, in milliseconds. */
const TIMEOUT = 60_000;
const SLOT_TIMEOUT = 10_000;
const LONGEST = 2 ** 31 - 1;

/** The options with their defaults. */
export interface Settings extends SubscribeOptions {
  readonly slotname: string;
  readonly create: boolean;
  readonly temporary: boolean;
  readonly twoPhase: boolean;
  readonly prepared: "emit" | "hold";
  readonly memoryLimit: number;
  readonly copy: { readonly workers: number | undefined } | false;
  readonly reconnect: Required<{ [K in keyof ReconnectOptions]: number }> | false;
  readonly timeout: number;
  /** Whether `timeout` is the default, which the server's wal_sender_timeout may extend. */
  readonly isDefaultTimeout: boolean;
  readonly stopTimeout: number;
  readonly progressInterval: number;
  /** The position is stored by the consumer itself: what it confirms, and nothing else, may be acknowledged. */
  readonly consumerStores: boolean;
}

let temporaries = 0;

/** @throws ArgumentError for an invalid option. */
export function settingsOf(options: SubscribeOptions): Settings {
  checkOptions(options, NAMES);
  const { connection, publications, store, spill, typeMap, reconnect = {}, temporary = false, timeout } = options;
  checkObject("options.connection", connection);
  for (const name of ["replication", "signal"]) {
    if (name in connection) refuseArgument(`options.connection.${name}`, "no such option", name);
  }
  for (const name of ["create", "temporary", "failover", "binary", "messages", "twoPhase", "skipMissing"] as const) {
    checkType(`options.${name}`, options[name], "boolean");
  }
  checkType("options.onUnreadable", options.onUnreadable, "function");
  const { slotname = temporary ? `walwire_${process.pid}_${++temporaries}` : undefined } = options;
  const refusal = slotname === undefined ? undefined : judgeSlotName(slotname);
  if (slotname === undefined || refusal !== undefined) {
    refuseArgument("options.slotname", "lower-case letters, digits and underscores, at most 63", slotname);
  }
  if (!isArrayOf(publications, (name) => typeof name === "string" && name !== "" && !/[\0\p{Surrogate}]/u.test(name))) {
    refuseArgument("options.publications", "an array of names", publications);
  }
  if (publications.length === 0) refuseArgument("options.publications", "at least one name", publications);
  checkOneOf("options.protocol", options.protocol, [undefined, 1, 2, 3, 4]);
  checkOneOf("options.streaming", options.streaming, [undefined, "off", "on", "parallel"]);
  checkOneOf("options.origin", options.origin, [undefined, "any", "none"]);
  checkOneOf("options.prepared", options.prepared, [undefined, "emit", "hold"]);
  const copy = copyOf(options);
  if (store !== undefined) mustHave("options.store", store, ["load"], ["save"]);
  if (spill !== undefined) mustHave("options.spill", spill, ["set", "get", "delete"], []);
  if (typeMap !== undefined && !(typeMap instanceof TypeMap)) {
    refuseArgument("options.typeMap", "a TypeMap of walwire/values", typeMap);
  }
  checkSignalType(options.signal);
  if (options.memoryLimit !== undefined) checkWhole("options.memoryLimit", options.memoryLimit, 2, Infinity);
  for (const name of ["timeout", "slotTimeout", "stopTimeout", "progressInterval"] as const) {
    const { [name]: milliseconds } = options;
    if (milliseconds !== undefined) checkWhole(`options.${name}`, milliseconds, 0, LONGEST);
  }
  if (reconnect !== false) {
    checkOptions(reconnect, ["first", "longest", "limit"], "options.reconnect");
    for (const name of ["first", "longest", "limit"] as const) {
      const { [name]: milliseconds } = reconnect;
      const most = name === "limit" ? Infinity : LONGEST;
      if (milliseconds !== undefined) checkWhole(`options.reconnect.${name}`, milliseconds, 0, most);
    }
  }
  return {
    ...options,
    slotname,
    publications: [...publications],
    temporary,
    copy,
    create: options.create ?? true,
    twoPhase: options.twoPhase ?? false,
    prepared: options.prepared ?? "emit",
    memoryLimit: options.memoryLimit ?? MEMORY_LIMIT,
    reconnect: reconnect !== false && {
      first: reconnect.first ?? 250,
      longest: reconnect.longest ?? 30_000,
      limit: reconnect.limit ?? Infinity,
    },
    timeout: timeout ?? TIMEOUT,
    isDefaultTimeout: timeout === undefined,
    stopTimeout: options.stopTimeout ?? 10_000,
    progressInterval: options.progressInterval ?? 10_000,
    consumerStores: store !== undefined && store.save === undefined,
  };
}

function copyOf({ copy = false, store, temporary, twoPhase, prepared }: SubscribeOptions): Settings["copy"] {
  if (copy === false) return false;
  if (copy !== true) checkOptions(copy, ["workers"], "options.copy");
  const { workers } = copy === true ? {} : copy;
  if (workers !== undefined) checkWhole("options.copy.workers", workers, 1, 1000);
  if (store === undefined && !temporary) {
    throw new ArgumentError(
      "options.copy",
      "options.copy: expected a store, which knows what was copied, or temporary: true",
    );
  }
  if (twoPhase && prepared !== "hold") {
    throw new ArgumentError(
      "options.copy",
      'options.copy: with twoPhase, expected prepared: "hold": whether a prepared transaction is in the copy is known when it commits',
    );
  }
  return { workers };
}

/** The limit of a slot in use. */
export function slotTimeoutOf({ slotTimeout }: Settings, timeout: number): number {
  return slotTimeout ?? (timeout === 0 ? TIMEOUT : timeout) + SLOT_TIMEOUT;
}

function mustHave(path: string, value: object, methods: readonly string[], others: readonly string[]): void {
  checkObject(path, value);
  for (const name of [...methods, ...others]) {
    const method = (value as Readonly<Record<string, unknown>>)[name];
    if (method === undefined && others.includes(name)) continue;
    if (typeof method !== "function") refuseArgument(`${path}.${name}`, "a function", method);
  }
}

/** A signal that is aborted already ends the subscription as it begins. */
function checkSignalType(signal: AbortSignalLike | undefined): void {
  if (signal?.aborted !== true) checkSignal(signal);
  else if (typeof signal.addEventListener !== "function") refuseArgument("options.signal", "an AbortSignal", signal);
}
