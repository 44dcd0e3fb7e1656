/**
 * The messages inside CopyData between a walsender and a walreceiver, described once, in the order of the manual
 * ("Streaming Replication Protocol"). Logical streams travel in the same envelopes.
 */

import { CapabilityTable } from "../kernel/version.ts";
import { slotRows } from "../text/capabilities.ts";
import { bool, type Context, extra, family, fullXid, lsn, message, rest, time, u32, when, xid } from "../wire/shape.ts";
import { physicalRows } from "./capabilities.ts";

/** Differences between servers. */
export const PhysicalContext: Context = {
  name: "PhysicalContext",
  doc: "Conditions that depend on the server's version: `physicalContext` of walwire/physical returns them.",
  conditions: {
    feedbackCatalogXmin: { doc: "HotStandbyFeedback has the xmin of catalogs: servers from 10 on.", otherwise: true },
    primaryStatus: { doc: "The server answers PrimaryStatusRequest: servers from 19 on.", otherwise: true },
  },
};

const extraBytes = extra("Bytes behind it, which a server does not look at.");

export const XLogData = message("XLogData", "w", {
  doc: "WAL, or one message of an output plugin.",
  source: "walsender.c: XLogSendPhysical, WalSndPrepareWrite",
  fields: {
    dataStart: lsn(
      "Position of the data in the WAL; in a logical stream 0 if more messages of the same callback follow.",
    ),
    walEnd: lsn("End of the WAL that the server can send now; in a logical stream the same as dataStart."),
    sendTime: time("When the server sent it."),
    data: rest("A physical stream's WAL, at most 128 KiB; or exactly one message of the output plugin."),
  },
});

export const Keepalive = message("Keepalive", "k", {
  doc: "Sent by an idle server, and to request a status update.",
  source: "walsender.c: WalSndKeepalive",
  fields: {
    walEnd: lsn("End of the WAL that the server has sent."),
    sendTime: time("When the server sent it."),
    replyRequested: bool("Answer at once, or be taken for dead."),
  },
});

export const PrimaryStatusUpdate = message("PrimaryStatusUpdate", "s", {
  doc: "The answer to a PrimaryStatusRequest. A subscription with retain_dead_tuples learns from it which rows it can remove.",
  source: "walsender.c: ProcessStandbyPSRequestMessage",
  since: "primaryStatus",
  condition: "primaryStatus",
  fields: {
    walWrite: lsn("End of the WAL that the server has written."),
    oldestXidInCommit: fullXid("The oldest transaction that is committing, with its epoch in the upper 32 bits."),
    nextXid: fullXid("The next transaction, with its epoch in the upper 32 bits."),
    sendTime: time("When the server sent it."),
  },
});

export const StandbyStatusUpdate = message("StandbyStatusUpdate", "r", {
  doc: "The positions of the receiver. Each is one byte after the last byte; 0 means unknown.",
  source: "walreceiver.c: XLogWalRcvSendReply",
  fields: {
    write: lsn("Received and written."),
    flush: lsn("Flushed to disk: the server may remove WAL before this position."),
    apply: lsn("Applied."),
    clientTime: time("When the receiver sent it."),
    replyRequested: bool("Asks the server to answer with a Keepalive at once."),
    extra: extraBytes,
  },
});

export const HotStandbyFeedback = message("HotStandbyFeedback", "h", {
  doc: "The oldest transactions that queries on the standby need. If both xmins are 0, feedback ends.",
  source: "walreceiver.c: XLogWalRcvSendHSFeedback",
  fields: {
    clientTime: time("When the receiver sent it."),
    xmin: xid("The standby's oldest transaction, without that of its slots' catalogs."),
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
    clientTime: time("When the receiver sent it."),
    extra: extraBytes,
  },
});

const capabilities = new CapabilityTable({ replicationSlots: slotRows.replicationSlots, ...physicalRows });

export const WalSenderMessage = family("WalSenderMessage", {
  doc: "The messages of a walsender inside CopyData.",
  capabilities,
  since: "replicationSlots",
  example: { hex: "6b 0000000006033cc8 000303e6278429f8 00", type: "Keepalive" },
  context: PhysicalContext,
  messages: [XLogData, Keepalive, PrimaryStatusUpdate],
});

export const WalReceiverMessage = family("WalReceiverMessage", {
  doc: "The messages of a walreceiver inside CopyData.",
  capabilities,
  since: "replicationSlots",
  example: {
    hex: "72 0000000006033cc8 0000000006033cc8 0000000000000000 000303e627842a00 01",
    type: "StandbyStatusUpdate",
  },
  context: PhysicalContext,
  messages: [StandbyStatusUpdate, HotStandbyFeedback, PrimaryStatusRequest],
});
