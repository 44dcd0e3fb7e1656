/**
 * fast-check arbitraries of small text files: values as servers write them, and almost valid text.
 */
import fc from "fast-check";
import type { BackupHistory, BackupLabel } from "../files/backup-label.ts";
import type { TablespaceMapEntry } from "../files/tablespace-map.ts";
import type { TimeLineHistory, TimeLineHistoryEntry } from "../files/timeline-history.ts";
import { invalidLsn, type Lsn, toLsn } from "../kernel/lsn.ts";
import { defaultSegmentSize, segmentName } from "../kernel/wal-names.ts";
import { almost, characters, record } from "./text.ts";

const uint32 = fc.oneof(fc.nat(9), fc.integer({ min: 0, max: 0xffffffff }));

const position: fc.Arbitrary<Lsn> = fc
  .oneof(fc.bigInt({ min: 1n, max: 0xffffffffn }), fc.bigInt({ min: 1n, max: (1n << 64n) - 1n }))
  .map(toLsn);

/** Text of a file, which can have a NUL character. */
const withNul = (text: fc.Arbitrary<string>): fc.Arbitrary<string> =>
  fc.oneof(
    { weight: 15, arbitrary: text },
    {
      weight: 1,
      arbitrary: fc.tuple(text, fc.nat(100)).map(([all, at]) => `${all.slice(0, at)}\0${all.slice(at)}`),
    },
  );

/** One line of text. */
const line = (maxLength = 12) => characters(maxLength).map((text) => text.replace(/\n/g, " "));

const reason = fc.oneof(
  fc.constant("no recovery target specified"),
  fc.nat(0xffffffff).map((xid) => `before transaction ${xid}`),
  fc.constant("after 2026-11-27 04:05:06.789+00"),
  fc.constant("before LSN 0/3000028"),
  line().map((name) => `at restore point "${name}"`),
  fc.constant("reached consistency"),
  line().filter((text) => !/^(?:before|after) /.test(text)),
);

/**
 * Timeline histories with a limited number of ancestors. The switch points are in any order, as a file can have them.
 *
 * @example fc.sample(timeLineHistory(), 1)[0].at(-1).end // invalidLsn
 */
export function timeLineHistory(maxParents = 5): fc.Arbitrary<TimeLineHistory> {
  const parents = fc.uniqueArray(fc.oneof(fc.integer({ min: 1, max: 20 }), fc.integer({ min: 1, max: 0xfffffffe })), {
    maxLength: maxParents,
  });
  return fc
    .tuple(parents, fc.array(fc.tuple(position, reason), { minLength: maxParents, maxLength: maxParents }))
    .map(([tlis, switches]) => {
      const history: TimeLineHistoryEntry[] = [];
      let begin = invalidLsn;
      for (const [i, tli] of tlis.sort((a, b) => a - b).entries()) {
        const [end, why] = switches[i]!;
        history.push({ tli, begin, end, reason: why });
        begin = end;
      }
      return [...history, { tli: (tlis.at(-1) ?? 0) + 1, begin, end: invalidLsn, reason: undefined }];
    });
}

const optional = <T>(arbitrary: fc.Arbitrary<T>): fc.Arbitrary<T | undefined> =>
  fc.option(arbitrary, { nil: undefined });

const startTime = fc.constantFrom("2026-11-27 04:05:06 UTC", "2026-11-27 05:05:06 CET", "2026-11-27 04:05:06 ");

/** A label that a server can start from: of several lines, none looks like a later field of the file. */
const labelText = characters(30).map((text) => text.replace(/^[\s]+/, "").replace(/T/g, "t"));

/**
 * backup_label of a whole backup, or of one that may be incremental.
 *
 * @example fc.sample(backupLabel(), 1)[0].incrementalFromLsn // undefined
 */
export function backupLabel(options: { readonly incremental?: boolean } = {}): fc.Arbitrary<BackupLabel> {
  return fc
    .tuple(
      position,
      fc.integer({ min: 1, max: 0xffffffff }),
      position,
      fc.constantFrom("streamed", "pg_start_backup", "pg_rewind"),
      fc.constantFrom("primary", "standby"),
      startTime,
      labelText,
      fc.boolean(),
      optional(fc.tuple(position, uint32)),
    )
    .map(([startWalLocation, timeline, checkpointLocation, backupMethod, backupFrom, time, label, named, from]) => ({
      startWalLocation,
      startWalFile: segmentName(timeline, startWalLocation, defaultSegmentSize),
      checkpointLocation,
      backupMethod,
      backupFrom,
      startTime: time,
      label,
      startTimeline: named ? timeline : undefined,
      incrementalFromLsn: options.incremental ? from?.[0] : undefined,
      incrementalFromTli: options.incremental ? from?.[1] : undefined,
    }));
}

/**
 * The values of a backup history file.
 *
 * @example typeof fc.sample(backupHistory(), 1)[0].stopWalFile // "string"
 */
export function backupHistory(): fc.Arbitrary<BackupHistory> {
  return fc
    .tuple(backupLabel({ incremental: true }), position, startTime)
    .map(([label, stopWalLocation, stopTime]) => ({
      ...label,
      stopWalLocation,
      stopWalFile: segmentName(label.startTimeline ?? 1, stopWalLocation, defaultSegmentSize),
      stopTime,
      stopTimeline: label.startTimeline,
    }));
}

/**
 * tablespace_map of a server from 14 on; earlier ones cannot express all paths.
 *
 * @example Array.isArray(fc.sample(tablespaceMap(), 1)[0]) // true
 */
export function tablespaceMap(): fc.Arbitrary<readonly TablespaceMapEntry[]> {
  const path = fc.oneof(
    fc.constantFrom("/srv/fast", "/srv/with blank", " /x", "/a\\", "/a\\\nb", "/a\r\nb"),
    characters(20).filter((text) => text !== ""),
  );
  return fc.array(record<TablespaceMapEntry>({ oid: uint32, path }), { maxLength: 4 });
}

const hexadecimal = fc.nat(0xffffffff).map((number) => number.toString(16).toUpperCase());
const token = fc.oneof(
  hexadecimal,
  fc.constantFrom("0/3000000", "-1", "+1", "0x1f", "18446744073709551616", "4294967297", "000000010000000000000002"),
  fc.constantFrom("\t", "\n", "#", "/", "(", ")", ":", "\r\n", "\\", " "),
  fc.constantFrom("START TIMELINE: 1\n", "INCREMENTAL FROM LSN: 0/28\n", "LABEL: x\n", "(file ", "streamed"),
);

/**
 * An almost valid timeline history.
 *
 * @example typeof fc.sample(timeLineHistoryText(), 1)[0] // "string"
 */
export function timeLineHistoryText(): fc.Arbitrary<string> {
  const lines = fc.array(
    fc.tuple(
      fc.nat(9).map(String),
      fc.constant("\t"),
      hexadecimal,
      fc.constant("/"),
      hexadecimal,
      fc.constant("\t"),
      line(),
    ),
    { maxLength: 4 },
  );
  return withNul(
    almost(
      lines.map((all) => all.flatMap((parts) => [...parts, "\n"])),
      token,
    ),
  );
}

/**
 * An almost valid backup_label.
 *
 * @example typeof fc.sample(backupLabelText(), 1)[0] // "string"
 */
export function backupLabelText(): fc.Arbitrary<string> {
  const parts = fc
    .tuple(hexadecimal, hexadecimal, fc.constantFrom("1", "2"), line())
    .map(([high, low, tli, label]) => [
      ...["START WAL LOCATION", ":", " ", high, "/", low, " ", `(file 0000000${tli}`, "0000000000000002", ")", "\n"],
      ...["CHECKPOINT LOCATION", ":", " ", high, "/", low, "\n"],
      ...["BACKUP METHOD", ":", " streamed", "\n", "BACKUP FROM", ":", " primary", "\n"],
      ...[
        "START TIME",
        ":",
        " 2026-11-27 04:05:06 UTC",
        "\n",
        "LABEL",
        ": ",
        label,
        "\n",
        "START TIMELINE",
        ": ",
        "1",
        "\n",
      ],
      ...["INCREMENTAL FROM LSN", ":", " ", high, "/", low, "\n"],
    ]);
  return withNul(almost(parts, token));
}

/**
 * An almost valid tablespace_map.
 *
 * @example typeof fc.sample(tablespaceMapText(), 1)[0] // "string"
 */
export function tablespaceMapText(): fc.Arbitrary<string> {
  const lines = fc.array(
    fc.tuple(uint32.map(String), fc.constant(" "), fc.constant("/srv"), line(), fc.constant("\n")),
    {
      maxLength: 4,
    },
  );
  return withNul(
    almost(
      lines.map((all) => all.flat()),
      token,
    ),
  );
}
