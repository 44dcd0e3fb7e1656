/**
 * PgoutputDecoder: decodes the messages of a pgoutput stream in order.
 *
 * The meaning of a message's bytes depends on the options of the stream (protocol version, streaming), on whether a stream segment
 * is open, and on the relations announced earlier in the same connection. The decoder keeps this state, and checks the order of
 * messages.
 */

import {
  decodePgoutputMessage,
  type PgoutputContext,
  type PgoutputMessage,
  type Relation,
  type RelationChange,
  type Type,
} from "../generated/logical.ts";
import { ProtocolError, refuseArgument } from "../kernel/errors.ts";
import { formatLsn, type Lsn } from "../kernel/lsn.ts";
import { checkOneOf, checkOptions, checkWhole } from "../kernel/options.ts";
import type { TupleData } from "../wire/tuple.ts";
import { MEMORY_LIMIT, STREAMED, sizeOfRelation, sizeOfType } from "./memory.ts";
import { type PgoutputProtocol, type PgoutputStreaming, PROTOCOLS, STREAMING_SINCE } from "./protocol.ts";

export type { PgoutputProtocol, PgoutputStreaming } from "./protocol.ts";

/** The options of START_REPLICATION, and limits of memory. */
export interface PgoutputDecoderOptions {
  /**
   * The option `proto_version`: 2 allows streaming, 3 two_phase, 4 streaming 'parallel'. Default: 1. A slot that was created with
   * TWO_PHASE, or that once had two_phase, sends prepared transactions in every version.
   */
  readonly protocol?: PgoutputProtocol;
  /** The option `streaming`. Default: "off". */
  readonly streaming?: PgoutputStreaming;
  /** The most relations, types and streamed transactions to remember at a time, each. Default: no limit. */
  readonly limit?: number;
  /** The most bytes of memory that they may take together. Default: 128 MiB. */
  readonly memoryLimit?: number;
}

/** Every option of a PgoutputDecoder. */
export const DECODER_OPTIONS = [
  "protocol",
  "streaming",
  "limit",
  "memoryLimit",
] as const satisfies readonly (keyof PgoutputDecoderOptions)[];

/** The open transaction, or the open segment of a streamed one. */
export interface OpenTransaction {
  /** The message that began it. */
  readonly type: "Begin" | "BeginPrepare" | "StreamStart";
  /** Its toplevel transaction ID. */
  readonly xid: number;
  /** The LSN that the message at its end must repeat, in bytes; undefined in a stream segment. */
  readonly lsn?: Lsn | undefined;
}

/** The whole state of a decoder, as plain data for `structuredClone`, a worker or `v8.serialize`. */
export interface PgoutputSnapshot {
  /** The options of the decoder. */
  readonly options: PgoutputDecoderOptions;
  /** The open transaction or stream segment; undefined between them. */
  readonly open: OpenTransaction | undefined;
  /** Whether an Origin may follow: only right after the message that begins a transaction. */
  readonly originMayFollow: boolean;
  /** Transaction IDs of streamed transactions that have not ended. */
  readonly streamed: readonly number[];
  /** The relations that were announced, in their newest version. */
  readonly relations: readonly Relation[];
  /** The types that were announced. */
  readonly types: readonly Type[];
}

/** The message that ends each kind of transaction or segment. */
const END_OF = { Begin: "Commit", BeginPrepare: "Prepare", StreamStart: "StreamStop" } as const;

/**
 * Decodes the messages of one pgoutput stream, in order.
 *
 * @example new PgoutputDecoder({ protocol: 2, streaming: "on" }).decode(hex("53 000002f4 01")).type // "StreamStart"
 * @source pgoutput.c; worker.c: apply_dispatch
 */
export class PgoutputDecoder {
  readonly #options: Required<PgoutputDecoderOptions>;
  readonly #outside: PgoutputContext;
  readonly #inSegment: PgoutputContext;
  #context: PgoutputContext;
  #open: OpenTransaction | undefined;
  #originMayFollow = false;
  readonly #streamed = new Set<number>();
  readonly #relations = new Map<number, Relation>();
  readonly #types = new Map<number, Type>();
  #memory = 0;

  /** @throws ArgumentError for an invalid option, or streaming that the protocol version does not have. */
  constructor(options: PgoutputDecoderOptions = {}) {
    checkOptions(options, DECODER_OPTIONS);
    const { protocol = 1, streaming = "off", limit = Infinity, memoryLimit = MEMORY_LIMIT } = options;
    checkOneOf("options.protocol", protocol, PROTOCOLS);
    checkOneOf("options.streaming", streaming, Object.keys(STREAMING_SINCE));
    checkWhole("options.limit", limit, 0, Infinity);
    checkWhole("options.memoryLimit", memoryLimit, 0, Infinity);
    const since = STREAMING_SINCE[streaming];
    if (protocol < since)
      refuseArgument("options.protocol", `${since} or more with streaming "${streaming}"`, protocol);
    this.#options = { protocol, streaming, limit, memoryLimit };
    const parallel = streaming === "parallel";
    this.#outside = { inStream: false, parallel };
    this.#inSegment = { inStream: true, parallel };
    this.#context = this.#outside;
  }

  /**
   * A decoder that continues from a snapshot.
   *
   * @throws ArgumentError for anything but a snapshot; ProtocolError LIMIT_EXCEEDED if it exceeds its own limits.
   */
  static from(snapshot: PgoutputSnapshot): PgoutputDecoder {
    checkOptions(snapshot, ["options", "open", "originMayFollow", "streamed", "relations", "types"], "snapshot");
    const { options, open, originMayFollow, streamed, relations, types } = snapshot;
    const decoder = new PgoutputDecoder(options);
    for (const [name, list] of Object.entries({ streamed, relations, types })) {
      if (!Array.isArray(list)) refuseArgument(`snapshot.${name}`, "an array", list);
    }
    if (open !== undefined) {
      checkOptions(open, ["type", "xid", "lsn"], "snapshot.open");
      checkOneOf("snapshot.open.type", open.type, Object.keys(END_OF));
    }
    checkOneOf("snapshot.originMayFollow", originMayFollow, [true, false]);
    for (const xid of streamed) decoder.#stream(xid);
    for (const relation of relations) decoder.#announceRelation(relation);
    for (const type of types) decoder.#announceType(type);
    decoder.#begin(open);
    decoder.#originMayFollow = originMayFollow;
    return decoder;
  }

  /** The whole present state. */
  snapshot(): PgoutputSnapshot {
    return {
      options: this.#options,
      open: this.#open,
      originMayFollow: this.#originMayFollow,
      streamed: [...this.#streamed],
      relations: [...this.#relations.values()],
      types: [...this.#types.values()],
    };
  }

  /**
   * Forget everything but the options, as a server does when a connection ends. Do so also before the result of each call of
   * pg_logical_slot_get_binary_changes: it is a stream of its own.
   */
  reset(): void {
    this.#begin(undefined);
    this.#originMayFollow = false;
    this.#streamed.clear();
    this.#relations.clear();
    this.#types.clear();
    this.#memory = 0;
  }

  /** Bytes of memory that relations, types and streamed transactions take, approximately. */
  get memory(): number {
    return this.#memory;
  }

  /** The relations announced so far, by oid; each is the newest announcement. */
  get relations(): ReadonlyMap<number, Relation> {
    return this.#relations;
  }

  /** The types announced so far, by oid. */
  get types(): ReadonlyMap<number, Type> {
    return this.#types;
  }

  /** The open transaction or stream segment; undefined between them. */
  get open(): OpenTransaction | undefined {
    return this.#open;
  }

  /**
   * Decode one message: the data of an XLogData, or a row of pg_logical_slot_get_binary_changes.
   *
   * After an error the state is as it was before the call.
   *
   * @param bytes One whole message. Rows and other bytes in the result are views into it.
   * @throws DecodeError for bytes that are not a message.
   * @throws ProtocolError for a message that no server sends at this point or with these options; for a change of a relation that
   *   was never announced, or with another number of columns; beyond a limit.
   */
  decode(bytes: Uint8Array): PgoutputMessage {
    const message = decodePgoutputMessage(bytes, this.#context);
    let begun = false;
    switch (message.type) {
      case "Insert":
        this.#inside(message.type);
        this.#fits(message.relationId, message.newTuple.length);
        break;
      case "Update":
        this.#inside(message.type);
        this.#fits(message.relationId, message.newTuple.length);
        if (message.oldTuple !== undefined) this.#fits(message.relationId, message.oldTuple.tuple.length);
        break;
      case "Delete":
        this.#inside(message.type);
        this.#fits(message.relationId, message.oldTuple.tuple.length);
        break;
      case "Message":
        if (message.transactional) this.#inside("a transactional Message");
        else this.#between("a Message that is not transactional");
        break;
      case "Relation":
        this.#inside(message.type);
        this.#announceRelation(message);
        break;
      case "Type":
        this.#inside(message.type);
        this.#announceType(message);
        break;
      case "Origin":
        if (!this.#originMayFollow) throw new ProtocolError("Origin can only come right after a transaction has begun");
        break;
      case "Begin":
        this.#between(message.type);
        this.#begin({ type: message.type, xid: message.xid, lsn: message.finalLsn });
        begun = true;
        break;
      case "BeginPrepare":
        this.#between(message.type);
        this.#begin({ type: message.type, xid: message.xid, lsn: message.prepareLsn });
        begun = true;
        break;
      case "Commit":
        this.#ends(message.type, message.commitLsn);
        this.#begin(undefined);
        break;
      case "Prepare":
        // On 18 before 18.6, a transaction without decoded changes, such as SELECT FOR UPDATE alone, has no BeginPrepare.
        if (this.#open !== undefined) this.#ends(message.type, message.prepareLsn);
        this.#begin(undefined);
        break;
      case "StreamStart":
        this.#streams(message.type);
        this.#between(message.type);
        if (message.firstSegment === this.#streamed.has(message.xid)) {
          const fault = message.firstSegment
            ? "a later segment is marked as the first"
            : "the first segment is not marked";
          throw new ProtocolError(`StreamStart of ${message.xid}: ${fault}`);
        }
        this.#stream(message.xid);
        this.#begin({ type: message.type, xid: message.xid });
        begun = message.firstSegment;
        break;
      case "StreamStop":
        this.#ends(message.type, undefined);
        this.#begin(undefined);
        break;
      case "StreamAbort":
        this.#between(message.type);
        // 18 before 18.7 sends these also for subtransactions of a transaction that was rolled back before it was decoded, even
        // without streaming, and nothing else of it.
        if (message.subxid !== message.xid) break;
        this.#ofStreamed(message.type, message.xid);
        this.#unstream(message.xid);
        break;
      case "StreamPrepare":
        this.#ofStreamed(message.type, message.xid);
        this.#unstream(message.xid);
        break;
      case "StreamCommit":
        this.#ofStreamed(message.type, message.xid);
        this.#unstream(message.xid);
        break;
      case "CommitPrepared":
      case "RollbackPrepared":
        this.#between(message.type);
        break;
      default:
        // Any other change of relations. One with rows needs its own case, which compares them with their relation.
        message satisfies RowsOf<typeof message> extends never ? RelationChange : never;
        this.#inside(message.type);
        for (const relationId of relationIdsOf(message)) this.relation(relationId);
    }
    this.#originMayFollow = begun;
    return message;
  }

  /** The relation with this oid. @throws ProtocolError if it was never announced */
  relation(relationId: number): Relation {
    const relation = this.#relations.get(relationId);
    if (relation === undefined) {
      if (typeof relationId !== "number") refuseArgument("relationId", "an oid", relationId);
      throw new ProtocolError(`a change names relation ${relationId}, which no Relation message has announced`);
    }
    return relation;
  }

  #begin(open: OpenTransaction | undefined): void {
    this.#open = open;
    this.#context = open?.type === "StreamStart" ? this.#inSegment : this.#outside;
  }

  /** A row has the columns of its relation. */
  #fits(relationId: number, columns: number): void {
    const expected = this.relation(relationId).columns.length;
    if (columns !== expected) {
      throw new ProtocolError(`a row of relation ${relationId} has ${columns} columns, but the relation ${expected}`);
    }
  }

  #inside(what: string): void {
    if (this.#open === undefined) throw new ProtocolError(`${what} can only come inside a transaction`);
  }

  #between(what: string): void {
    const open = this.#open;
    if (open !== undefined) {
      throw new ProtocolError(`${what} cannot come before the ${END_OF[open.type]} of transaction ${open.xid}`);
    }
  }

  #ends(what: "Commit" | "Prepare" | "StreamStop", lsn: Lsn | undefined): void {
    const open = this.#open;
    if (open === undefined || END_OF[open.type] !== what) {
      throw new ProtocolError(`${what} without its beginning: ${open?.type ?? "nothing"} is open`);
    }
    if (open.lsn !== lsn) {
      const [is, expected] = [lsn!, open.lsn!].map((each) => formatLsn(each));
      throw new ProtocolError(`${what} names LSN ${is}, but its ${open.type} ${expected}`);
    }
  }

  #ofStreamed(what: string, xid: number): void {
    this.#streams(what);
    this.#between(what);
    if (!this.#streamed.has(xid)) throw new ProtocolError(`${what} of ${xid}, which was not streamed`);
  }

  #streams(what: string): void {
    if (this.#options.streaming === "off") throw new ProtocolError(`${what} in a stream without streaming`);
  }

  #stream(xid: number): void {
    const { size } = this.#streamed;
    if (this.#streamed.has(xid)) return;
    this.#room(size + 1, "streamed transactions", STREAMED);
    this.#streamed.add(xid);
  }

  #unstream(xid: number): void {
    if (this.#streamed.delete(xid)) this.#memory -= STREAMED;
  }

  #announceRelation(relation: Relation): void {
    const known = this.#relations.get(relation.relationId);
    const more = sizeOfRelation(relation) - (known === undefined ? 0 : sizeOfRelation(known));
    this.#room(this.#relations.size + (known === undefined ? 1 : 0), "relations", more);
    this.#relations.set(relation.relationId, relation);
  }

  #announceType(type: Type): void {
    const known = this.#types.get(type.typeId);
    const more = sizeOfType(type) - (known === undefined ? 0 : sizeOfType(known));
    this.#room(this.#types.size + (known === undefined ? 1 : 0), "types", more);
    this.#types.set(type.typeId, type);
  }

  /**
   * Reserve memory for something to remember.
   *
   * @param count The number of its kind, including it.
   * @param bytes The growth of memory, in bytes.
   * @throws ProtocolError LIMIT_EXCEEDED
   */
  #room(count: number, what: string, bytes: number): void {
    const { limit, memoryLimit } = this.#options;
    if (count > limit) throw new ProtocolError(`more than ${limit} ${what}, the limit that was set`, "LIMIT_EXCEEDED");
    if (bytes > 0 && this.#memory + bytes > memoryLimit) {
      throw new ProtocolError(
        `relations, types and streamed transactions take more than ${memoryLimit} bytes of memory, which is memoryLimit`,
        "LIMIT_EXCEEDED",
      );
    }
    this.#memory += bytes;
  }
}

/** The names of the fields of a message that hold a row. */
type RowsOf<M> = {
  [K in keyof M]-?: Extract<M[K], TupleData | { readonly tuple: TupleData }> extends never ? never : K;
}[keyof M];

/** The relations that a change names. */
export function relationIdsOf(change: RelationChange): readonly number[] {
  return "relationIds" in change ? change.relationIds : [change.relationId];
}
