/**
 * The messages inside CopyData between a walsender and a walreceiver, described once, in the order of the manual
 * ("Streaming Replication Protocol"). Logical streams travel in the same envelopes.
 */

import { CapabilityTable } from "../kernel/version.ts";
import { slotRows } from "../text/capabilities.ts";
import { bool, type Context, extra, family, fullXid, lsn, message, rest, time, u32, when, xid } from "../wire/shape.ts";
import { physicalRows } from "./capabilities.ts";

/** What differs between servers. */
export const PhysicalContext: Context = {
  name: "PhysicalContext",
  doc: "What depends on the server's version: walwire/physical's `physicalContext` knows it.",
  conditions: {
    feedbackCatalogXmin: { doc: "HotStandbyFeedback has the xmin of catalogs: servers from 10 on.", otherwise: true },
    primaryStatus: { doc: "The status of the primary can be asked for: servers from 19 on.", otherwise: true },
  },
};

const extraBytes = extra("Bytes behind it, which a server does not look at.");

export const XLogData = message("XLogData", "w", {
  doc: "WAL, or one message of an output plugin.",
  source: "walsender.c: XLogSendPhysical, WalSndPrepareWrite",
  fields: {
    dataStart: lsn("Where the data begins in WAL; in a logical stream 0 if more writes of the same callback follow."),
    walEnd: lsn("How far the server could send now; in a logical stream the same as dataStart."),
    sendTime: time("The server's clock when it sent this."),
    data: rest("A physical stream's WAL, at most 128 KiB; or exactly one message of the output plugin."),
  },
});

export const Keepalive = message("Keepalive", "k", {
  doc: "Sent by an idle server, and by one that wants a status update.",
  source: "walsender.c: WalSndKeepalive",
  fields: {
    walEnd: lsn("How far the server has sent."),
    sendTime: time("The server's clock when it sent this."),
    replyRequested: bool("Answer at once, or be taken for dead."),
  },
});

export const PrimaryStatusUpdate = message("PrimaryStatusUpdate", "s", {
  doc: "The answer to a PrimaryStatusRequest: a subscription with retain_dead_tuples learns what it need not keep any more.",
  source: "walsender.c: ProcessStandbyPSRequestMessage",
  since: "primaryStatus",
  condition: "primaryStatus",
  fields: {
    walWrite: lsn("How far the server has written WAL."),
    oldestXidInCommit: fullXid("The oldest transaction that is committing, with its epoch in the upper 32 bits."),
    nextXid: fullXid("The next transaction, with its epoch in the upper 32 bits."),
    sendTime: time("The server's clock when it sent this."),
  },
});

export const StandbyStatusUpdate = message("StandbyStatusUpdate", "r", {
  doc: "How far the receiver is. Positions are one byte past the last byte; 0 means unknown.",
  source: "walreceiver.c: XLogWalRcvSendReply",
  fields: {
    write: lsn("Received and written."),
    flush: lsn("Flushed to disk: the server may forget what comes before."),
    apply: lsn("Applied."),
    clientTime: time("The receiver's clock when it sent this."),
    replyRequested: bool("Asks the server to answer with a Keepalive at once."),
    extra: extraBytes,
  },
});

export const HotStandbyFeedback = message("HotStandbyFeedback", "h", {
  doc: "The oldest transactions that queries on the standby need. Both xmins 0: no feedback any more.",
  source: "walreceiver.c: XLogWalRcvSendHSFeedback",
  fields: {
    clientTime: time("The receiver's clock when it sent this."),
    xmin: xid("The standby's oldest transaction, without the one of its slots' catalogs."),
    xminEpoch: u32("The epoch of xmin."),
    catalogXmin: when(
      "feedbackCatalogXmin",
      xid(""),
      "The oldest transaction that the standby's logical slots need in catalogs.",
    ),
    catalogXminEpoch: when("feedbackCatalogXmin", u32(""), "The epoch of catalogXmin."),
    extra: extraBytes,
  },
});

export const PrimaryStatusRequest = message("PrimaryStatusRequest", "p", {
  doc: "Asks for a PrimaryStatusUpdate. A server that is a standby itself answers with an error.",
  source: "worker.c: request_publisher_status; walsender.c: ProcessStandbyPSRequestMessage",
  since: "primaryStatus",
  condition: "primaryStatus",
  fields: {
    clientTime: time("The receiver's clock when it sent this."),
    extra: extraBytes,
  },
});

const capabilities = new CapabilityTable({ replicationSlots: slotRows.replicationSlots, ...physicalRows });

export const WalSenderMessage = family("WalSenderMessage", {
  doc: "What a walsender says inside CopyData.",
  capabilities,
  since: "replicationSlots",
  example: { hex: "6b 0000000006033cc8 000303e6278429f8 00", type: "Keepalive" },
  context: PhysicalContext,
  messages: [XLogData, Keepalive, PrimaryStatusUpdate],
});

export const WalReceiverMessage = family("WalReceiverMessage", {
  doc: "What a walreceiver answers inside CopyData.",
  capabilities,
  since: "replicationSlots",
  example: {
    hex: "72 0000000006033cc8 0000000006033cc8 0000000000000000 000303e627842a00 01",
    type: "StandbyStatusUpdate",
  },
  context: PhysicalContext,
  messages: [StandbyStatusUpdate, HotStandbyFeedback, PrimaryStatusRequest],
});
