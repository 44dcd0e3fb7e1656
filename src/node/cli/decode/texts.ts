/** `walwire decode` of the small files of text. */

import {
  dissectBackupHistory,
  dissectBackupLabel,
  dissectTablespaceMap,
  dissectTimeLineHistory,
} from "../../../dissect/index.ts";
import {
  type BackupHistory,
  type BackupLabel,
  checkBackupLabel,
  explainTimeLineHistory,
  parseBackupHistory,
  parseBackupLabel,
  parseTablespaceMap,
  parseTimeLineHistory,
  printBackupHistory,
  printBackupLabel,
  printTablespaceMap,
  printTimeLineHistory,
  unreadBackupLabel,
} from "../../../files/index.ts";
import { ParseError } from "../../../kernel/errors.ts";
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import { lsnCapabilities, rangesOf } from "../../../kernel/version.ts";
import { parseWalFileName } from "../../../kernel/wal-names.ts";
import type { Json } from "../../../wire/json.ts";
import { firstDifference } from "../../first-difference.ts";
import { type Page, printable } from "../shared/people.ts";
import { type FileCall, type FileKind, type FilePart, small, title } from "./kind.ts";

const timelineHistory = small({
  name: "a timeline history",
  // A position and another number could be in a row of psql's too, but no message then stands behind a tab.
  recognise: ({ text, name }) =>
    parseWalFileName(name)?.type === "history" ||
    /^\s*(?:#.*\n\s*)*\d+\t[0-9A-F]{1,8}\/[0-9A-F]{1,8}\t(?!\\)/.test(text),
  tree(bytes, { server }, name) {
    const named = parseWalFileName(name)?.timeline;
    return dissectTimeLineHistory(bytes, named ?? 0xffffffff, { server });
  },
  show(bytes, call, name) {
    const { server } = call;
    const named = parseWalFileName(name);
    const options = server === undefined ? {} : { server };
    // Without its name the timeline is unknown: usually it is the one after the last in the file.
    const last = named === undefined ? parseTimeLineHistory(bytes, 0xffffffff, options).at(-2)?.tli : undefined;
    const timeline = named?.timeline ?? (last ?? 0) + 1;
    const history = parseTimeLineHistory(bytes, timeline, options);
    return {
      json: {
        type: "TimeLineHistory",
        timeline,
        entries: history.map(({ tli, begin, end, reason }) => ({
          tli,
          begin: formatLsn(begin, { server }),
          end: formatLsn(end, { server }),
          ...(reason === undefined ? {} : { reason }),
        })),
      },
      say(page) {
        title(page, `History of timeline ${timeline}${named === undefined ? ", if that is the next one" : ""}`);
        for (const sentence of explainTimeLineHistory(history, { server })) page.line(`  ${printable(sentence)}`);
      },
      mismatch: verified(bytes, call, (each) =>
        printTimeLineHistory(history, each === undefined ? {} : { server: each }),
      ),
    };
  },
});

/** The lines of backup_label and of a backup history, with what they mean. */
const labelLines: readonly (readonly [name: keyof BackupHistory, line: string, meaning: string])[] = [
  ["startWalLocation", "START WAL LOCATION", "replay begins here"],
  ["startWalFile", "", "in this segment of WAL"],
  ["stopWalLocation", "STOP WAL LOCATION", "all WAL up to here is needed"],
  ["stopWalFile", "", "up to this segment"],
  ["checkpointLocation", "CHECKPOINT LOCATION", "of the checkpoint at which recovery starts"],
  ["backupMethod", "BACKUP METHOD", ""],
  ["backupFrom", "BACKUP FROM", ""],
  ["startTime", "START TIME", ""],
  ["label", "LABEL", ""],
  ["startTimeline", "START TIMELINE", ""],
  ["stopTime", "STOP TIME", ""],
  ["stopTimeline", "STOP TIMELINE", ""],
  ["incrementalFromLsn", "INCREMENTAL FROM LSN", "it holds what changed since a backup that began here"],
  ["incrementalFromTli", "INCREMENTAL FROM TLI", ""],
];

function labelJson(type: string, value: BackupLabel | BackupHistory, server: number | undefined): FilePart["json"] {
  const json: Record<string, Json> = { type };
  for (const [name] of labelLines) {
    const field = (value as BackupHistory)[name];
    if (field !== undefined) json[name] = typeof field === "bigint" ? formatLsn(field as Lsn, { server }) : field;
  }
  return json;
}

function sayLabel(page: Page, value: BackupLabel | BackupHistory, server: number | undefined): void {
  page.table(
    labelLines.flatMap(([name, line, meaning]) => {
      const field = (value as BackupHistory)[name];
      if (field === undefined) return [];
      return [[line, typeof field === "bigint" ? formatLsn(field as Lsn, { server }) : String(field), meaning]];
    }),
    [undefined, "bold", "dim"],
  );
}

const backupHistory = small({
  name: "a backup history file",
  recognise: ({ text, name }) =>
    /^START WAL LOCATION: [^\n]*\nSTOP WAL/.test(text) || parseWalFileName(name)?.type === "backup",
  tree: (bytes) => dissectBackupHistory(bytes),
  show(bytes, call) {
    const history = parseBackupHistory(bytes);
    return {
      json: labelJson("BackupHistory", history, call.server),
      say(page) {
        title(page, "Backup history");
        sayLabel(page, history, call.server);
      },
      mismatch: verified(bytes, call, (server) => printBackupHistory(history, { server })),
    };
  },
});

const backupLabel = small({
  name: "backup_label",
  recognise: ({ text, name }) => text.startsWith("START WAL LOCATION: ") || /^backup_label(?:\.old)?$/.test(name),
  tree: (bytes, { server }) => dissectBackupLabel(bytes, { server }),
  show(bytes, call) {
    const options = call.server === undefined ? {} : { server: call.server };
    const label = parseBackupLabel(bytes, options);
    return {
      json: {
        ...labelJson("BackupLabel", label, call.server),
        ...(unreadBackupLabel(bytes, options) === "" ? {} : { unread: unreadBackupLabel(bytes, options) }),
      },
      say(page) {
        title(page, "backup_label");
        sayLabel(page, label, call.server);
        page.line();
        const unread = unreadBackupLabel(bytes, options);
        if (unread !== "") page.mark("neutral", `a server does not read the rest of it: ${JSON.stringify(unread)}`);
        try {
          checkBackupLabel(bytes, options);
          page.mark("good", "a server starts recovery from it");
        } catch (error) {
          if (!(error instanceof ParseError)) throw error;
          page.mark("neutral", `a server does not start from it: ${printable(error.message)}`);
          if (error.hint !== undefined) page.line(`  ${error.hint}`);
        }
      },
      mismatch: verified(bytes, call, (server) => printBackupLabel(label, { server })),
    };
  },
});

const tablespaceMap = small({
  name: "tablespace_map",
  recognise: ({ text, name }) => /^\d+ (?:\/|[A-Za-z]:)/.test(text) || /^tablespace_map(?:\.old)?$/.test(name),
  tree: (bytes, { server }) => dissectTablespaceMap(bytes, { server }),
  show(bytes, call) {
    const options = call.server === undefined ? {} : { server: call.server };
    const entries = parseTablespaceMap(bytes, options);
    return {
      json: { type: "TablespaceMap", tablespaces: entries.map(({ oid, path }) => ({ oid, path })) },
      say(page) {
        title(page, entries.length === 0 ? "tablespace_map of no tablespace" : "tablespace_map");
        page.table(
          entries.map(({ oid, path }) => [`pg_tblspc/${oid}`, "→", path]),
          ["bold"],
        );
      },
      mismatch: verified(bytes, call, (server) => printTablespaceMap(entries, server === undefined ? {} : { server })),
    };
  },
});

/** What can only be one thing first. */
export const textKinds: readonly FileKind[] = [backupHistory, backupLabel, tablespaceMap, timelineHistory];

/** What they are printed as by the version that was named, or by any: positions have two forms. */
function verified(
  bytes: Uint8Array,
  { server, verify }: FileCall,
  print: (server: number | undefined) => Uint8Array,
): number | undefined {
  if (!verify) return undefined;
  const servers = server === undefined ? [undefined, rangesOf(lsnCapabilities, "lsnZeroPadded")[0]!.since] : [server];
  const differences = servers.map((each) => firstDifference(print(each), bytes));
  return differences.includes(undefined) ? undefined : differences[0];
}
