// Generated from src/physical/messages.ts by `npm run generate`. Do not edit.
import type { Lsn } from "../lsn.ts";
import type { PgTime } from "../time.ts";
import { Reader } from "../wire/reader.ts";
import { encodeWith, mustBeObject, quoted, refuse, type Writer } from "../wire/writer.ts";

/**
 * WAL, or one message of an output plugin.
 *
 * @source walsender.c: XLogSendPhysical, WalSndPrepareWrite
 */
export interface XLogData {
  readonly type: "XLogData";
  /** Where the data begins in WAL; in a logical stream 0 if more writes of the same callback follow. Bytes. */
  readonly dataStart: Lsn;
  /** How far the server could send now; in a logical stream the same as dataStart. Bytes. */
  readonly walEnd: Lsn;
  /** The server's clock when it sent this. Microseconds since 2000-01-01 UTC. */
  readonly sendTime: PgTime;
  /** A physical stream's WAL, at most 128 KiB; or exactly one message of the output plugin. A view into the bytes that were decoded, not a copy. */
  readonly data: Uint8Array;
}

/**
 * Sent by an idle server, and by one that wants a status update.
 *
 * @source walsender.c: WalSndKeepalive
 */
export interface Keepalive {
  readonly type: "Keepalive";
  /** How far the server has sent. Bytes. */
  readonly walEnd: Lsn;
  /** The server's clock when it sent this. Microseconds since 2000-01-01 UTC. */
  readonly sendTime: PgTime;
  /** Answer at once, or be taken for dead. */
  readonly replyRequested: boolean;
}

/**
 * How far the receiver is. Positions are one byte past the last byte; 0 means unknown.
 *
 * @source walreceiver.c: XLogWalRcvSendReply
 */
export interface StandbyStatusUpdate {
  readonly type: "StandbyStatusUpdate";
  /** Received and written. Bytes. */
  readonly write: Lsn;
  /** Flushed to disk: the server may forget what comes before. Bytes. */
  readonly flush: Lsn;
  /** Applied. Bytes. */
  readonly apply: Lsn;
  /** The receiver's clock when it sent this. Microseconds since 2000-01-01 UTC. */
  readonly clientTime: PgTime;
  /** Asks the server to answer with a Keepalive at once. */
  readonly replyRequested: boolean;
}

/**
 * The oldest transactions that queries on the standby need. Both xmins 0: no feedback any more. Servers from 10 on.
 *
 * @source walreceiver.c: XLogWalRcvSendHSFeedback
 */
export interface HotStandbyFeedback {
  readonly type: "HotStandbyFeedback";
  /** The receiver's clock when it sent this. Microseconds since 2000-01-01 UTC. */
  readonly clientTime: PgTime;
  /** The standby's oldest transaction, without the one of its slots' catalogs. */
  readonly xmin: number;
  /** The epoch of xmin. */
  readonly xminEpoch: number;
  /** The oldest transaction that the standby's logical slots need in catalogs. */
  readonly catalogXmin: number;
  /** The epoch of catalogXmin. */
  readonly catalogXminEpoch: number;
}

/** What a walsender says inside CopyData. */
export type WalSenderMessage = XLogData | Keepalive;

/** What a walreceiver answers inside CopyData. */
export type WalReceiverMessage = StandbyStatusUpdate | HotStandbyFeedback;

/**
 * Decode one message: what a walsender says inside CopyData.
 *
 * @param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.
 * @throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path.
 * @source walsender.c
 * @example decodeWalSenderMessage(hex("6b 0000000006033cc8 000303e6278429f8 00")).type // "Keepalive"
 */
export function decodeWalSenderMessage(bytes: Uint8Array): WalSenderMessage {
  const r = new Reader(bytes);
  let message: WalSenderMessage;
  switch (r.u8("WalSenderMessage.type")) {
    case 0x77:
      message = readXLogData(r);
      break; // w
    case 0x6b:
      message = readKeepalive(r);
      break; // k
    default:
      return r.badTag("wk", "WalSenderMessage.type");
  }
  r.end(message.type);
  return message;
}

/**
 * Encode one message: what a walsender says inside CopyData.
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
    default:
      refuse(quoted(["XLogData", "Keepalive"]), (message as { type: unknown }).type, "WalSenderMessage.type");
  }
}

/**
 * Decode one message: what a walreceiver answers inside CopyData.
 *
 * @param bytes The type byte, then the fields, and nothing else. Byte arrays in the result are views into it, not copies.
 * @throws DecodeError BAD_TAG, TRUNCATED, BAD_VALUE or TRAILING_BYTES, with offset and field path.
 * @source walreceiver.c
 * @example decodeWalReceiverMessage(hex("72 0000000006033cc8 0000000006033cc8 0000000000000000 000303e627842a00 01")).type // "StandbyStatusUpdate"
 */
export function decodeWalReceiverMessage(bytes: Uint8Array): WalReceiverMessage {
  const r = new Reader(bytes);
  let message: WalReceiverMessage;
  switch (r.u8("WalReceiverMessage.type")) {
    case 0x72:
      message = readStandbyStatusUpdate(r);
      break; // r
    case 0x68:
      message = readHotStandbyFeedback(r);
      break; // h
    default:
      return r.badTag("rh", "WalReceiverMessage.type");
  }
  r.end(message.type);
  return message;
}

/**
 * Encode one message: what a walreceiver answers inside CopyData.
 *
 * @returns The type byte and the fields, in a fresh array that is the caller's.
 * @throws EncodeError with the path of the field that does not fit.
 * @source walreceiver.c
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
    default:
      refuse(
        quoted(["StandbyStatusUpdate", "HotStandbyFeedback"]),
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

function readStandbyStatusUpdate(r: Reader): StandbyStatusUpdate {
  const write = r.lsn("StandbyStatusUpdate.write");
  const flush = r.lsn("StandbyStatusUpdate.flush");
  const apply = r.lsn("StandbyStatusUpdate.apply");
  const clientTime = r.time("StandbyStatusUpdate.clientTime");
  const replyRequested = r.bool("StandbyStatusUpdate.replyRequested");
  return { type: "StandbyStatusUpdate", write, flush, apply, clientTime, replyRequested };
}

function writeStandbyStatusUpdate(w: Writer, message: StandbyStatusUpdate): void {
  w.literal("r");
  w.lsn(message.write, "StandbyStatusUpdate.write");
  w.lsn(message.flush, "StandbyStatusUpdate.flush");
  w.lsn(message.apply, "StandbyStatusUpdate.apply");
  w.time(message.clientTime, "StandbyStatusUpdate.clientTime");
  w.bool(message.replyRequested, "StandbyStatusUpdate.replyRequested");
}

function readHotStandbyFeedback(r: Reader): HotStandbyFeedback {
  const clientTime = r.time("HotStandbyFeedback.clientTime");
  const xmin = r.u32("HotStandbyFeedback.xmin");
  const xminEpoch = r.u32("HotStandbyFeedback.xminEpoch");
  const catalogXmin = r.u32("HotStandbyFeedback.catalogXmin");
  const catalogXminEpoch = r.u32("HotStandbyFeedback.catalogXminEpoch");
  return { type: "HotStandbyFeedback", clientTime, xmin, xminEpoch, catalogXmin, catalogXminEpoch };
}

function writeHotStandbyFeedback(w: Writer, message: HotStandbyFeedback): void {
  w.literal("h");
  w.time(message.clientTime, "HotStandbyFeedback.clientTime");
  w.u32(message.xmin, "HotStandbyFeedback.xmin");
  w.u32(message.xminEpoch, "HotStandbyFeedback.xminEpoch");
  w.u32(message.catalogXmin, "HotStandbyFeedback.catalogXmin");
  w.u32(message.catalogXminEpoch, "HotStandbyFeedback.catalogXminEpoch");
}
