/** fast-check arbitraries of base backups: messages, and whole conversations of a server version. */
import * as fc from "fast-check";
import type { BackupTablespace, BaseBackupEvent } from "../basebackup/index.ts";
import { BaseBackupMessage } from "../basebackup/messages.ts";
import { commandCapabilities } from "../command/capabilities.ts";
import type { BaseBackupMessage as Message } from "../generated/basebackup.ts";
import { defaultServer, type Server } from "../kernel/version.ts";
import { lsn, messageOf, wireText } from "./messages.ts";

/** Any message inside the CopyData of a base backup, independent of others. */
export const baseBackupMessage = (): fc.Arbitrary<Message> => messageOf(BaseBackupMessage);

/**
 * The events of a whole backup by a server of this version, from BASE_BACKUP to ReadyForQuery: complete backups and failed ones.
 *
 * @example fc.sample(baseBackupEvents(18), 1)[0].at(-1).type // "Ready"
 */
export function baseBackupEvents(server: Server = defaultServer): fc.Arbitrary<BaseBackupEvent[]> {
  const oneStream = commandCapabilities.supports(server, "baseBackupOneStream");
  const manifest = oneStream || commandCapabilities.supports(server, "baseBackupManifest");
  const uint32 = fc.integer({ min: 0, max: 0xffffffff });
  const position = fc.record({ recptr: lsn(), tli: uint32 });
  const sizes = fc.option(fc.bigInt({ min: 0n, max: 2n ** 63n - 1n }), { nil: undefined });
  const location = wireText().filter((text) => text !== "");
  const compression = oneStream ? fc.constantFrom(undefined, "gzip", "lz4", "zstd") : fc.constant(undefined);
  const data: fc.Arbitrary<BaseBackupEvent[]> = fc.array(
    fc.oneof(
      { weight: 3, arbitrary: fc.uint8Array({ maxLength: 20 }).map((each) => ({ type: "Data", data: each }) as const) },
      ...(oneStream
        ? [fc.record({ type: fc.constant("Progress" as const), bytesDone: fc.bigInt(0n, 2n ** 64n - 1n) })]
        : []),
      fc.record({ type: fc.constant("Notice" as const), fields: serverFields("WARNING") }),
    ),
    { maxLength: 4 },
  );
  const tablespace = fc.record({ spcoid: uint32, spclocation: location, size: sizes, data });
  return fc
    .record({
      start: position,
      end: position,
      tablespaces: fc.array(tablespace, { maxLength: 3 }),
      main: fc.record({ size: sizes, data }),
      compression,
      manifest: fc.option(data, { nil: undefined }),
      error: serverFields("ERROR"),
      /** The position of the failure, if there is one. */
      cut: fc.option(fc.nat(), { nil: undefined, freq: 2 }),
    })
    .map(({ start, end, tablespaces, main, compression: how, manifest: manifestData, error, cut }) => {
      const list = [...tablespaces, { spcoid: undefined, spclocation: undefined, ...main }];
      const listed = list.map(({ spcoid, spclocation, size }): BackupTablespace => ({ spcoid, spclocation, size }));
      const suffix = how === undefined ? "" : { gzip: ".gz", lz4: ".lz4", zstd: ".zst" }[how];
      const events: BaseBackupEvent[] = [
        { type: "BackupStart", ...start },
        { type: "Tablespaces", tablespaces: listed },
        ...(oneStream ? [{ type: "StreamStart" } as const] : []),
        ...list.flatMap(({ spcoid, data: bytes }, i): BaseBackupEvent[] => [
          {
            type: "ArchiveStart",
            archive: `${spcoid ?? "base"}.tar${suffix}`,
            compression: how,
            tablespace: listed[i]!,
          },
          ...bytes,
          { type: "ArchiveEnd" },
        ]),
        ...(manifestData !== undefined && manifest
          ? ([{ type: "ManifestStart" }, ...manifestData, { type: "ManifestEnd" }] as const)
          : []),
        ...(oneStream ? [{ type: "StreamEnd" } as const] : []),
        { type: "BackupEnd", ...end },
      ];
      const failed = cut === undefined ? undefined : cut % (events.length + 1);
      const good = failed === undefined ? events : withoutSilentEnd(events.slice(0, failed), oneStream);
      const verdict: BaseBackupEvent = failed === undefined ? { type: "Complete" } : { type: "Error", fields: error };
      return [...good, verdict, { type: "Ready", status: "I" }];
    });
}

/** In the single stream, the end of an archive is implied by the next message. */
function withoutSilentEnd(events: BaseBackupEvent[], oneStream: boolean): BaseBackupEvent[] {
  const last = events.at(-1)?.type;
  return oneStream && (last === "ArchiveEnd" || last === "ManifestEnd") ? events.slice(0, -1) : events;
}

function serverFields(severity: string): fc.Arbitrary<Record<string, string>> {
  return fc.record({
    S: fc.constant(severity),
    V: fc.constant(severity),
    C: fc.constantFrom("01000", "57014", "XX001"),
    M: wireText(),
  });
}
