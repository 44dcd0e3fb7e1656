// Generated from src/physical/messages.ts by `npm run generate`. Do not edit.
import type { Lsn } from "../kernel/lsn.ts";
import type { PgTime } from "../kernel/time.ts";
import { mustBeContext, mustBeObject, refuse } from "../wire/check.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith, type Writer } from "../wire/writer.ts";

/**
 * WAL, or one message of an output plugin.
 *
 * @source walsender.c: XLogSendPhysical, WalSndPrepareWrite
 */
export interface XLogData {
  readonly type: "XLogData";
  /** Position of the data in the WAL; in a logical stream 0 if more messages of the same callback follow. Bytes. */
  readonly dataStart: Lsn;
  /** End of the WAL that the server can send now; in a logical stream the same as dataStart. Bytes. */
  readonly walEnd: Lsn;
  /** When the server sent it. Microseconds since 2000-01-01 UTC. */
  readonly sendTime: PgTime;
  /** A physical stream's WAL, at most 128 KiB; or exactly one message of the output plugin. A view into the bytes that were decoded, not a copy. */
  readonly data: Uint8Array;
}

/**
 * Sent by an idle server, and to request a status update.
 *
 * @source walsender.c: WalSndKeepalive
 */
export interface Keepalive {
  readonly type: "Keepalive";
  /** End of the WAL that the server has sent. Bytes. */
  readonly walEnd: Lsn;
  /** When the server sent it. Microseconds since 2000-01-01 UTC. */
  readonly sendTime: PgTime;
  /** Answer at once, or be taken for dead. */
  readonly replyRequested: boolean;
}

/**
 * The answer to a PrimaryStatusRequest. A subscription with retain_dead_tuples learns from it which rows it can remove. Servers from 19 on.
 *
 * @source walsender.c: ProcessStandbyPSRequestMessage
 */
export interface PrimaryStatusUpdate {
  readonly type: "PrimaryStatusUpdate";
  /** End of the WAL that the server has written. Bytes. */
  readonly walWrite: Lsn;
  /** The oldest transaction that is committing, with its epoch in the upper 32 bits. */
  readonly oldestXidInCommit: bigint;
  /** The next transaction, with its epoch in the upper 32 bits. */
  readonly nextXid: bigint;
  /** When the server sent it. Microseconds since 2000-01-01 UTC. */
  readonly sendTime: PgTime;
}

/**
 * The positions of the receiver. Each is one byte after the last byte; 0 means unknown.
 *
 * @source walreceiver.c: XLogWalRcvSendReply
 */
export interface StandbyStatusUpdate {
  readonly type: "StandbyStatusUpdate";
  /** Received and written. Bytes. */
  readonly write: Lsn;
  /** Flushed to disk: the server may remove WAL before this position. Bytes. */
  readonly flush: Lsn;
  /** Applied. Bytes. */
  readonly apply: Lsn;
  /** When the receiver sent it. Microseconds since 2000-01-01 UTC. */
  readonly clientTime: PgTime;
  /** Asks the server to answer with a Keepalive at once. */
  readonly replyRequested: boolean;
  /** Bytes behind it, which a server does not look at. A view into the bytes that were decoded, not a copy. */
  readonly extra?: Uint8Array | undefined;
}

/**
 * The oldest transactions that queries on the standby need. If both xmins are 0, feedback ends.
 *
 * @source walreceiver.c: XLogWalRcvSendHSFeedback
 */
export interface HotStandbyFeedback {
  readonly type: "HotStandbyFeedback";
  /** When the receiver sent it. Microseconds since 2000-01-01 UTC. */
  readonly clientTime: PgTime;
  /** The standby's oldest transaction, without that of its slots' catalogs. */
  readonly xmin: number;
  /** The epoch of xmin. */
  readonly xminEpoch: number;
  /** The oldest transaction that the standby's logical slots need in catalogs. */
  readonly catalogXmin?: number | undefined;
  /** The epoch of catalogXmin. */
  readonly catalogXminEpoch?: number | undefined;
  /** Bytes behind it, which a server does not look at. A view into the bytes that were decoded, not a copy. */
  readonly extra?: Uint8Array | undefined;
}

/**
 * Asks for a PrimaryStatusUpdate. A server that is a standby itself answers with an error. Servers from 19 on.
 *
 * @source worker.c: request_publisher_status; walsender.c: ProcessStandbyPSRequestMessage
 */
export interface PrimaryStatusRequest {
  readonly type: "PrimaryStatusRequest";
  /** When the receiver sent it. Microseconds since 2000-01-01 UTC. */
  readonly clientTime: PgTime;
  /** Bytes behind it, which a server does not look at. A view into the bytes that were decoded, not a copy. */
  readonly extra?: Uint8Array | undefined;
}

/** The messages of a walsender inside CopyData. */
export type WalSenderMessage = XLogData | Keepalive | PrimaryStatusUpdate;

/** The messages of a walreceiver inside CopyData. */
export type WalReceiverMessage = StandbyStatusUpdate | HotStandbyFeedback | PrimaryStatusRequest;

/** Conditions that depend on the server's version: `physicalContext` of walwire/physical returns them. */
export interface PhysicalContext {
  /** HotStandbyFeedback has the xmin of catalogs: servers from 10 on. */
  readonly feedbackCatalogXmin: boolean;
  /** The server answers PrimaryStatusRequest: servers from 19 on. */
  readonly primaryStatus: boolean;
}

/** The default context. */
const otherwisePhysicalContext: PhysicalContext = { feedbackCatalogXmin: true, primaryStatus: true };

/**
 * Decode one message: the messages of a walsender inside CopyData.
 *
 * @param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.
 * @param context Conditions that depend on the server's version: `physicalContext` of walwire/physical returns them.
 * @throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source walsender.c
 * @example decodeWalSenderMessage(hex("6b 0000000006033cc8 000303e6278429f8 00")).type // "Keepalive"
 */
export function decodeWalSenderMessage(
  bytes: Uint8Array,
  context: PhysicalContext = otherwisePhysicalContext,
): WalSenderMessage {
  mustBeContext(context);
  return readWalSenderMessage(new Reader(bytes), context);
}

/** Read one WalSenderMessage, which is all that the reader has left. @internal */
export function readWalSenderMessage(r: Reader, context: PhysicalContext): WalSenderMessage {
  let message: WalSenderMessage;
  switch (r.u8("WalSenderMessage.type")) {
    case 0x77: // w
      message = readXLogData(r);
      break;
    case 0x6b: // k
      message = readKeepalive(r);
      break;
    case context.primaryStatus ? 0x73 : -1: // s
      message = readPrimaryStatusUpdate(r);
      break;
    default:
      return r.notOneOf("BAD_TAG", `wk${context.primaryStatus ? "s" : ""}`, "WalSenderMessage.type");
  }
  r.end(message.type);
  return message;
}

/**
 * Encode one message: the messages of a walsender inside CopyData.
 *
 * @returns The type byte and the fields, in a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source walsender.c
 */
export function encodeWalSenderMessage(message: WalSenderMessage): Uint8Array {
  return encodeWith(writeWalSenderMessage, message);
}

function writeWalSenderMessage(w: Writer, message: WalSenderMessage): void {
  mustBeObject(message, "WalSenderMessage");
  switch (message.type) {
    case "XLogData":
      return writeXLogData(w, message);
    case "Keepalive":
      return writeKeepalive(w, message);
    case "PrimaryStatusUpdate":
      return writePrimaryStatusUpdate(w, message);
    default:
      refuse(
        '"XLogData", "Keepalive" or "PrimaryStatusUpdate"',
        (message as { type: unknown }).type,
        "WalSenderMessage.type",
      );
  }
}

/**
 * Decode one message: the messages of a walreceiver inside CopyData.
 *
 * @param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.
 * @param context Conditions that depend on the server's version: `physicalContext` of walwire/physical returns them.
 * @throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path;
 *   ArgumentError for what is not a Uint8Array.
 * @source walreceiver.c, worker.c
 * @example decodeWalReceiverMessage(hex("72 0000000006033cc8 0000000006033cc8 0000000000000000 000303e627842a00 01")).type // "StandbyStatusUpdate"
 */
export function decodeWalReceiverMessage(
  bytes: Uint8Array,
  context: PhysicalContext = otherwisePhysicalContext,
): WalReceiverMessage {
  mustBeContext(context);
  return readWalReceiverMessage(new Reader(bytes), context);
}

/** Read one WalReceiverMessage, which is all that the reader has left. @internal */
export function readWalReceiverMessage(r: Reader, context: PhysicalContext): WalReceiverMessage {
  let message: WalReceiverMessage;
  switch (r.u8("WalReceiverMessage.type")) {
    case 0x72: // r
      message = readStandbyStatusUpdate(r);
      break;
    case 0x68: // h
      message = readHotStandbyFeedback(r, context);
      break;
    case context.primaryStatus ? 0x70 : -1: // p
      message = readPrimaryStatusRequest(r);
      break;
    default:
      return r.notOneOf("BAD_TAG", `rh${context.primaryStatus ? "p" : ""}`, "WalReceiverMessage.type");
  }
  r.end(message.type);
  return message;
}

/**
 * Encode one message: the messages of a walreceiver inside CopyData.
 *
 * @returns The type byte and the fields, in a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source walreceiver.c, worker.c
 */
export function encodeWalReceiverMessage(message: WalReceiverMessage): Uint8Array {
  return encodeWith(writeWalReceiverMessage, message);
}

function writeWalReceiverMessage(w: Writer, message: WalReceiverMessage): void {
  mustBeObject(message, "WalReceiverMessage");
  switch (message.type) {
    case "StandbyStatusUpdate":
      return writeStandbyStatusUpdate(w, message);
    case "HotStandbyFeedback":
      return writeHotStandbyFeedback(w, message);
    case "PrimaryStatusRequest":
      return writePrimaryStatusRequest(w, message);
    default:
      refuse(
        '"StandbyStatusUpdate", "HotStandbyFeedback" or "PrimaryStatusRequest"',
        (message as { type: unknown }).type,
        "WalReceiverMessage.type",
      );
  }
}

function readXLogData(r: Reader): XLogData {
  const dataStart = r.lsn("XLogData.dataStart");
  const walEnd = r.lsn("XLogData.walEnd");
  const sendTime = r.time("XLogData.sendTime");
  const data = r.rest();
  return { type: "XLogData", dataStart, walEnd, sendTime, data };
}

function writeXLogData(w: Writer, message: XLogData): void {
  w.literal("w");
  w.lsn(message.dataStart, "XLogData.dataStart");
  w.lsn(message.walEnd, "XLogData.walEnd");
  w.time(message.sendTime, "XLogData.sendTime");
  w.rest(message.data, "XLogData.data");
}

function readKeepalive(r: Reader): Keepalive {
  const walEnd = r.lsn("Keepalive.walEnd");
  const sendTime = r.time("Keepalive.sendTime");
  const replyRequested = r.bool("Keepalive.replyRequested");
  return { type: "Keepalive", walEnd, sendTime, replyRequested };
}

function writeKeepalive(w: Writer, message: Keepalive): void {
  w.literal("k");
  w.lsn(message.walEnd, "Keepalive.walEnd");
  w.time(message.sendTime, "Keepalive.sendTime");
  w.bool(message.replyRequested, "Keepalive.replyRequested");
}

function readPrimaryStatusUpdate(r: Reader): PrimaryStatusUpdate {
  const walWrite = r.lsn("PrimaryStatusUpdate.walWrite");
  const oldestXidInCommit = r.u64("PrimaryStatusUpdate.oldestXidInCommit");
  const nextXid = r.u64("PrimaryStatusUpdate.nextXid");
  const sendTime = r.time("PrimaryStatusUpdate.sendTime");
  return { type: "PrimaryStatusUpdate", walWrite, oldestXidInCommit, nextXid, sendTime };
}

function writePrimaryStatusUpdate(w: Writer, message: PrimaryStatusUpdate): void {
  w.literal("s");
  w.lsn(message.walWrite, "PrimaryStatusUpdate.walWrite");
  w.u64(message.oldestXidInCommit, "PrimaryStatusUpdate.oldestXidInCommit");
  w.u64(message.nextXid, "PrimaryStatusUpdate.nextXid");
  w.time(message.sendTime, "PrimaryStatusUpdate.sendTime");
}

function readStandbyStatusUpdate(r: Reader): StandbyStatusUpdate {
  const write = r.lsn("StandbyStatusUpdate.write");
  const flush = r.lsn("StandbyStatusUpdate.flush");
  const apply = r.lsn("StandbyStatusUpdate.apply");
  const clientTime = r.time("StandbyStatusUpdate.clientTime");
  const replyRequested = r.bool("StandbyStatusUpdate.replyRequested");
  const extra = r.extra();
  return { type: "StandbyStatusUpdate", write, flush, apply, clientTime, replyRequested, extra };
}

function writeStandbyStatusUpdate(w: Writer, message: StandbyStatusUpdate): void {
  w.literal("r");
  w.lsn(message.write, "StandbyStatusUpdate.write");
  w.lsn(message.flush, "StandbyStatusUpdate.flush");
  w.lsn(message.apply, "StandbyStatusUpdate.apply");
  w.time(message.clientTime, "StandbyStatusUpdate.clientTime");
  w.bool(message.replyRequested, "StandbyStatusUpdate.replyRequested");
  w.extra(message.extra, "StandbyStatusUpdate.extra");
}

function readHotStandbyFeedback(r: Reader, context: PhysicalContext): HotStandbyFeedback {
  const clientTime = r.time("HotStandbyFeedback.clientTime");
  const xmin = r.u32("HotStandbyFeedback.xmin");
  const xminEpoch = r.u32("HotStandbyFeedback.xminEpoch");
  let catalogXmin: number | undefined;
  if (context.feedbackCatalogXmin) {
    const value = r.u32("HotStandbyFeedback.catalogXmin");
    catalogXmin = value;
  }
  let catalogXminEpoch: number | undefined;
  if (context.feedbackCatalogXmin) {
    const value = r.u32("HotStandbyFeedback.catalogXminEpoch");
    catalogXminEpoch = value;
  }
  const extra = r.extra();
  return { type: "HotStandbyFeedback", clientTime, xmin, xminEpoch, catalogXmin, catalogXminEpoch, extra };
}

function writeHotStandbyFeedback(w: Writer, message: HotStandbyFeedback): void {
  w.literal("h");
  w.time(message.clientTime, "HotStandbyFeedback.clientTime");
  w.u32(message.xmin, "HotStandbyFeedback.xmin");
  w.u32(message.xminEpoch, "HotStandbyFeedback.xminEpoch");
  if (message.catalogXmin !== undefined) {
    w.u32(message.catalogXmin, "HotStandbyFeedback.catalogXmin");
  }
  if (message.catalogXmin !== undefined) {
    w.u32(message.catalogXminEpoch!, "HotStandbyFeedback.catalogXminEpoch");
  } else w.absent(message.catalogXminEpoch, "catalogXmin", "HotStandbyFeedback.catalogXminEpoch");
  w.extra(message.extra, "HotStandbyFeedback.extra");
}

function readPrimaryStatusRequest(r: Reader): PrimaryStatusRequest {
  const clientTime = r.time("PrimaryStatusRequest.clientTime");
  const extra = r.extra();
  return { type: "PrimaryStatusRequest", clientTime, extra };
}

function writePrimaryStatusRequest(w: Writer, message: PrimaryStatusRequest): void {
  w.literal("p");
  w.time(message.clientTime, "PrimaryStatusRequest.clientTime");
  w.extra(message.extra, "PrimaryStatusRequest.extra");
}
