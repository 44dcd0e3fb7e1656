/** What `walwire fuzz emit` emits: for each kind of input where it comes from, and what is known of it. */
import fc from "fast-check";
import {
  backendMessage,
  backupHistory,
  backupLabelText,
  backupManifestText,
  baseBackupEvents,
  baseBackupMessage,
  commandText,
  damaged,
  damagedFrames,
  frontendMessage,
  pgoutputMessage,
  pgoutputStream,
  startupPacket,
  synchronousStandbyNamesText,
  tablespaceMapText,
  timeLineHistoryText,
  walReceiverMessage,
  walSenderMessage,
  walStream,
} from "../../../arbitraries/index.ts";
import { newestPgoutput } from "../../../arbitraries/streams.ts";
import {
  BaseBackupReceiver,
  decodeBaseBackupMessage,
  encodeBaseBackupEvent,
  encodeBaseBackupMessage,
} from "../../../basebackup/index.ts";
import { judgeByVersion } from "../../../command/judge.ts";
import { manifestCapabilities, textFileCapabilities } from "../../../files/capabilities.ts";
import {
  parseBackupHistory,
  parseBackupLabel,
  parseTablespaceMap,
  parseTimeLineHistory,
  printBackupHistory,
} from "../../../files/index.ts";
import { parseBackupManifest } from "../../../files/manifest/index.ts";
import {
  decodeWalReceiverMessage,
  decodeWalSenderMessage,
  encodeWalReceiverMessage,
  encodeWalSenderMessage,
} from "../../../generated/physical.ts";
import { WalwireError } from "../../../kernel/errors.ts";
import { toLsn } from "../../../kernel/lsn.ts";
import { toPgTime } from "../../../kernel/time.ts";
import { type CapabilityTable, rangesOf, type VersionRange, verdictsByVersion } from "../../../kernel/version.ts";
import { decodePgoutputMessage, encodePgoutputMessage, PgoutputDecoder } from "../../../logical/index.ts";
import { physicalCapabilities } from "../../../physical/capabilities.ts";
import { physicalContext } from "../../../physical/context.ts";
import {
  decodeBackendMessage,
  decodeFrontendMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  joined,
  type SessionFrame,
} from "../../../session/messages.ts";
import { judgeSynchronousStandbyNamesByVersion } from "../../../syncrep/judge.ts";
import { WalReader } from "../../../wal/index.ts";
import { encodeFrame, Framer } from "../../../wire/framer.ts";
import { versionsJson } from "../shared/json.ts";

/** What is done to inputs before they are emitted. */
export type DamageMode = "none" | "bytes" | "structure";

/** One input. */
export interface FuzzInput {
  /** The contents of its file. */
  readonly bytes: Uint8Array;
  /** The same as text, if it is text. */
  readonly text?: string;
  /** The same as messages of protocol 3, if it can be sent. */
  readonly wire?: Uint8Array;
  /** The bytes are messages of protocol 3, not what one of them holds. */
  readonly isFramed?: true;
}

/** What is known of an input: a verdict for some versions. */
export type Verdict = { readonly ok: boolean } & Readonly<Record<string, unknown>>;

export interface Kind {
  readonly doc: string;
  /** The damage that it can have. */
  readonly damage: readonly DamageMode[];
  readonly inputs: (server: number, damage: DamageMode) => fc.Arbitrary<FuzzInput>;
  /** A verdict for each range of versions, the newest first; or one, where versions do not differ or the input is for one of them. */
  readonly judge: (input: FuzzInput, server: number) => Verdict | readonly object[];
}

const utf8 = new TextEncoder();

/** An error without the text that it repeats. */
function errorJson(error: WalwireError): object {
  const { text: _, expected: __, near: ___, firstLine: ____, ...fields } = error.toJSON();
  return fields;
}

/** @throws any other error: a bug of walwire. */
function attempt(read: () => unknown): Verdict {
  try {
    read();
    return { ok: true };
  } catch (error) {
    if (!(error instanceof WalwireError)) throw error;
    return { ok: false, error: errorJson(error) };
  }
}

/** The different verdicts of versions, and the versions of each. */
function byVersion(ranges: readonly VersionRange[], judge: (server: number) => Verdict): object[] {
  return verdictsByVersion(ranges, judge, (verdict) => JSON.stringify(verdict)).map(({ versions, verdict }) => ({
    versions: versionsJson(versions),
    ...verdict,
  }));
}

function text(
  doc: string,
  texts: (server: number) => fc.Arbitrary<string>,
  judge: (text: string) => readonly object[],
  wire?: (bytes: Uint8Array) => Uint8Array,
): Kind {
  return {
    doc,
    damage: ["none"],
    inputs: (server) =>
      texts(server).map((each) => {
        const bytes = utf8.encode(each);
        return { bytes, text: each, ...(wire === undefined ? {} : { wire: wire(bytes) }) };
      }),
    judge: (input) => judge(input.text!),
  };
}

/** A file. */
function file(
  doc: string,
  files: (server: number) => fc.Arbitrary<Uint8Array | string>,
  judge: (bytes: Uint8Array, server: number) => Verdict | readonly object[],
): Kind {
  return {
    doc,
    damage: ["none", "bytes"],
    inputs(server, damage) {
      const whole = files(server).map((each) => (typeof each === "string" ? utf8.encode(each) : each));
      return (damage === "bytes" ? damaged(whole) : whole).map((bytes) => ({ bytes }));
    },
    judge: ({ bytes }, server) => judge(bytes, server),
  };
}

const textFile =
  (parse: (bytes: Uint8Array, options: { readonly server: number }) => unknown, table: CapabilityTable<string>) =>
  (bytes: Uint8Array): readonly object[] =>
    byVersion(rangesOf(table), (server) => attempt(() => parse(bytes, { server })));

/** A message inside CopyData. @param table Of the versions that read it in other ways; without, they do not differ. */
function payload(
  doc: string,
  payloads: fc.Arbitrary<Uint8Array>,
  read: (bytes: Uint8Array, server: number) => unknown,
  table?: CapabilityTable<string>,
): Kind {
  return {
    doc,
    damage: ["none", "bytes", "structure"],
    inputs(_, damage) {
      if (damage === "structure") {
        const frames = damagedFrames(payloads.map((each) => [encodeFrame("d", each)]));
        return frames.map(joined).map((bytes) => ({ bytes, wire: bytes, isFramed: true }));
      }
      return (damage === "bytes" ? damaged(payloads) : payloads).map((bytes) => ({
        bytes,
        wire: encodeFrame("d", bytes),
      }));
    },
    judge({ bytes, isFramed }, server) {
      if (isFramed) return framed(bytes, (frame) => read(frame.bytes, server));
      if (table === undefined) return attempt(() => read(bytes, server));
      return byVersion(rangesOf(table), (each) => attempt(() => read(bytes, each)));
    },
  };
}

/** Messages of protocol 3, one after the other. */
function conversation(
  doc: string,
  messages: (server: number) => fc.Arbitrary<readonly Uint8Array[]>,
  other: fc.Arbitrary<Uint8Array>,
  reader: (server: number) => (frame: SessionFrame) => unknown,
): Kind {
  return {
    doc,
    damage: ["none", "bytes", "structure"],
    inputs(server, damage) {
      const frames = messages(server);
      const all =
        damage === "structure" ? damagedFrames(frames, other).map(joined) : frames.map((each) => joined(each));
      return (damage === "bytes" ? damaged(all) : all).map((bytes) => ({ bytes, wire: bytes }));
    },
    judge: ({ bytes }, server) => framed(bytes, reader(server)),
  };
}

/** Read messages until one is wrong: `messages` says how many were right. */
function framed(bytes: Uint8Array, read: (frame: SessionFrame) => unknown): Verdict {
  const framer = new Framer();
  let messages = 0;
  const verdict = attempt(() => {
    framer.push(bytes);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      read(frame);
      messages++;
    }
    framer.end();
  });
  return { ...verdict, messages };
}

/** Of the WAL of the arbitrary. */
const [PAGE, SEGMENT] = [8192, 1024 * 1024];

const backendFrame = backendMessage().map(encodeBackendMessage);
const frontendFrame = frontendMessage().map(encodeFrontendMessage);
const some = (frames: fc.Arbitrary<Uint8Array>) => () => fc.array(frames, { minLength: 1, maxLength: 6 });

/** Every kind, by its name. */
export const kinds: Readonly<Record<string, Kind>> = {
  command: text(
    "replication commands, and text that is nearly one",
    (server) => commandText({ server }),
    (each) =>
      judgeByVersion(each).map(({ versions, verdict }) => ({
        versions: versionsJson(versions),
        ...(verdict.type === "refused"
          ? { ok: false, stage: verdict.stage, error: errorJson(verdict.error) }
          : { ok: true, command: verdict.command.type }),
      })),
    (bytes) => encodeFrame("Q", joined([bytes, Uint8Array.of(0)])),
  ),
  "standby-names": text(
    "values of synchronous_standby_names, and text that is nearly one",
    () => synchronousStandbyNamesText(),
    (each) =>
      judgeSynchronousStandbyNamesByVersion(each).map(({ versions, verdict }) => ({
        versions: versionsJson(versions),
        ...(verdict.type === "refused"
          ? { ok: false, error: errorJson(verdict.error) }
          : { ok: true, config: verdict.config ?? null }),
      })),
  ),
  pgoutput: payload(
    "messages of pgoutput, each by itself",
    pgoutputMessage({ inStream: false, parallel: false }).map(encodePgoutputMessage),
    (bytes) => decodePgoutputMessage(bytes),
  ),
  "pgoutput-stream": conversation(
    "whole streams of pgoutput in the newest protocol of the server, in XLogData in CopyData",
    (server) => {
      const options = { ...newestPgoutput(server), messages: true, twoPhase: true };
      return pgoutputStream(options).map((messages) =>
        messages.map((message, i) => {
          const [dataStart, sendTime] = [toLsn(BigInt(i)), toPgTime(0n)];
          const data = encodePgoutputMessage(message);
          return encodeFrame(
            "d",
            encodeWalSenderMessage({ type: "XLogData", dataStart, walEnd: dataStart, sendTime, data }),
          );
        }),
      );
    },
    frontendFrame,
    (server) => {
      const decoder = new PgoutputDecoder(newestPgoutput(server));
      return (frame) => {
        const message = decodeBackendMessage(frame);
        if (message.type !== "CopyData") return;
        const inside = decodeWalSenderMessage(message.data, physicalContext(server));
        if (inside.type === "XLogData") decoder.decode(inside.data);
      };
    },
  ),
  walsender: payload(
    "messages of a walsender",
    walSenderMessage().map(encodeWalSenderMessage),
    (bytes, server) => decodeWalSenderMessage(bytes, physicalContext(server)),
    physicalCapabilities,
  ),
  walreceiver: payload(
    "messages of a walreceiver",
    walReceiverMessage().map(encodeWalReceiverMessage),
    (bytes, server) => decodeWalReceiverMessage(bytes, physicalContext(server)),
    physicalCapabilities,
  ),
  "base-backup-message": payload(
    "messages inside the CopyData of a base backup, since 15",
    baseBackupMessage().map(encodeBaseBackupMessage),
    (bytes) => decodeBaseBackupMessage(bytes),
  ),
  "base-backup": conversation(
    "the answer to BASE_BACKUP, up to ReadyForQuery",
    (server) =>
      baseBackupEvents(server).map((events) => events.map((event) => encodeBaseBackupEvent(event, { server }))),
    frontendFrame,
    (server) => {
      const receiver = new BaseBackupReceiver({ server });
      return (frame) => receiver.receive(decodeBackendMessage(frame));
    },
  ),
  backend: conversation(
    "messages of a server, in any order",
    some(backendFrame),
    frontendFrame,
    () => decodeBackendMessage,
  ),
  frontend: conversation(
    "messages of a client, in any order",
    some(frontendFrame),
    backendFrame,
    () => decodeFrontendMessage,
  ),
  startup: file(
    "the first packet of a client",
    () => startupPacket().map(encodeStartupPacket),
    (bytes) => attempt(() => decodeStartupPacket(bytes.subarray(4))),
  ),
  wal: file(
    "WAL in pages of 8 kB, from the beginning of a page on",
    (server) =>
      walStream({ server })
        .filter(({ options }) => options.pageSize === PAGE)
        .map(({ bytes }) => bytes),
    (bytes, server) =>
      attempt(() => {
        const reader = new WalReader({ server, pageSize: PAGE, segmentSize: SEGMENT });
        reader.push(bytes);
        while (reader.next() !== undefined);
      }),
  ),
  manifest: file(
    "backup_manifest, and text that is nearly one",
    () => backupManifestText(),
    textFile((bytes, { server }) => parseBackupManifest(bytes, { server }), manifestCapabilities),
  ),
  "backup-label": file(
    "backup_label, and text that is nearly one",
    () => backupLabelText(),
    textFile(parseBackupLabel, textFileCapabilities),
  ),
  "backup-history": file(
    "backup history files",
    () => backupHistory().map((history) => printBackupHistory(history)),
    (bytes) => attempt(() => parseBackupHistory(bytes)),
  ),
  "tablespace-map": file(
    "tablespace_map, and text that is nearly one",
    () => tablespaceMapText(),
    textFile(parseTablespaceMap, textFileCapabilities),
  ),
  "timeline-history": file(
    "timeline histories, and text that is nearly one",
    () => timeLineHistoryText(),
    textFile((bytes, { server }) => parseTimeLineHistory(bytes, 0xffffffff, { server }), textFileCapabilities),
  ),
};
