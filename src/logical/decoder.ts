/**
 * PgoutputDecoder: pgoutput's messages with what they depend on from messages before them.
 *
 * What the bytes of a message mean hangs on what was agreed (the protocol version, streaming), on whether a stream block is
 * open, and on the relations announced earlier in the same connection. All of that is here, and so are the rules of which
 * message may follow which.
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

/** What was asked for in START_REPLICATION, and how much may be remembered. */
export interface PgoutputDecoderOptions {
  /**
   * The option `proto_version`: 2 allows streaming, 4 streaming 'parallel'. Default: 1. 3 allows to ask for two_phase, but a slot
   * that was made with TWO_PHASE, or had two_phase once, sends prepared transactions in every version, whether or not one asks.
   */
  readonly protocol?: PgoutputProtocol;
  /** The option `streaming`. Default: "off". */
  readonly streaming?: PgoutputStreaming;
  /** How many relations, types and streamed transactions may be remembered at a time, of each. Default: no limit. */
  readonly limit?: number;
  /** How many bytes of memory they may take together. Default: 128 MiB. */
  readonly memoryLimit?: number;
}

/** Every option of a PgoutputDecoder. */
export const DECODER_OPTIONS = [
  "protocol",
  "streaming",
  "limit",
  "memoryLimit",
] as const satisfies readonly (keyof PgoutputDecoderOptions)[];

/** The transaction or block of one that is open: the message that began it, its xid, and the LSN that its end must repeat. */
export interface OpenTransaction {
  readonly type: "Begin" | "BeginPrepare" | "StreamStart";
  readonly xid: number;
  /** Undefined in a stream block. */
  readonly lsn?: Lsn | undefined;
}

/** All that a decoder knows, as plain data: `structuredClone`, a worker and `v8.serialize` take it. */
export interface PgoutputSnapshot {
  readonly options: PgoutputDecoderOptions;
  readonly open: OpenTransaction | undefined;
  /** May an Origin follow? It does only right after the message that begins a transaction. */
  readonly originMayFollow: boolean;
  /** The xids of transactions that came in blocks and have not ended. */
  readonly streamed: readonly number[];
  readonly relations: readonly Relation[];
  readonly types: readonly Type[];
}

/** The message that ends what each one begins. */
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
  readonly #inBlock: PgoutputContext;
  #context: PgoutputContext;
  #open: OpenTransaction | undefined;
  #originMayFollow = false;
  readonly #streamed = new Set<number>();
  readonly #relations = new Map<number, Relation>();
  readonly #types = new Map<number, Type>();
  #memory = 0;

  /** @throws ArgumentError for an option that it does not take, or streaming that the protocol version does not have */
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
    this.#inBlock = { inStream: true, parallel };
    this.#context = this.#outside;
  }

  /**
   * A decoder that goes on where another one was when it gave this snapshot.
   *
   * @throws ArgumentError for what is no snapshot; ProtocolError LIMIT_EXCEEDED if it is larger than its own limits
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

  /** All that is remembered now. */
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
   * Forget everything but the options, as a server does when a connection ends. Each call of pg_logical_slot_get_binary_changes
   * is a session of its own, too: what it returns begins anew.
   */
  reset(): void {
    this.#begin(undefined);
    this.#originMayFollow = false;
    this.#streamed.clear();
    this.#relations.clear();
    this.#types.clear();
    this.#memory = 0;
  }

  /** How many bytes of memory relations, types and streamed transactions take, about. */
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

  /** The transaction, or block of one, that is open; undefined between them. */
  get open(): OpenTransaction | undefined {
    return this.#open;
  }

  /**
   * Decode one message: the payload of an XLogData, or what pg_logical_slot_get_binary_changes gives.
   *
   * After an error all is as it was before the call.
   *
   * @param bytes One whole message. Rows and other bytes in the result are views into it.
   * @throws DecodeError for bytes that are no message.
   * @throws ProtocolError for a message that no server sends at this point, or of a kind that was not asked for; for a change
   *   of a relation that was never announced, or with another number of columns; beyond the limit.
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
        // One that changed nothing which is decoded, such as by SELECT FOR UPDATE alone, has no BeginPrepare on 18.
        if (this.#open !== undefined) this.#ends(message.type, message.prepareLsn);
        this.#begin(undefined);
        break;
      case "StreamStart":
        this.#streams(message.type);
        this.#between(message.type);
        if (message.firstSegment === this.#streamed.has(message.xid)) {
          const is = message.firstSegment ? "not the first" : "the first";
          throw new ProtocolError(`StreamStart of ${message.xid} is ${is} block of it, but says otherwise`);
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
        // Of a transaction that was rolled back before 18 came to decode it, that sends the aborts of subtransactions, with or
        // without streaming, and nothing else.
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
        // Any other change of relations; one with rows needs a case of its own, which compares them with their relation.
        message satisfies RowsOf<typeof message> extends never ? RelationChange : never;
        this.#inside(message.type);
        for (const relationId of relationIdsOf(message)) this.relation(relationId);
    }
    this.#originMayFollow = begun;
    return message;
  }

  /** The relation that a change names. @throws ProtocolError if it was never announced */
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
    this.#context = open?.type === "StreamStart" ? this.#inBlock : this.#outside;
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
      throw new ProtocolError(`${what} ends what has not begun: ${open?.type ?? "nothing"} is open`);
    }
    if (open.lsn !== lsn) {
      const [is, expected] = [lsn!, open.lsn!].map((each) => formatLsn(each));
      throw new ProtocolError(`${what} names LSN ${is}, but its ${open.type} ${expected}`);
    }
  }

  #ofStreamed(what: string, xid: number): void {
    this.#streams(what);
    this.#between(what);
    if (!this.#streamed.has(xid)) throw new ProtocolError(`${what} of ${xid}, of which no block has come`);
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
   * Take room for what is to be remembered.
   *
   * @param count How many of its kind there would be.
   * @param bytes How much memory it takes more than what it replaces.
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
