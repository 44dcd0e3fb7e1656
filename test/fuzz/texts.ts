/** Fuzz targets of the small files of text: timeline history, backup_label, backup history, tablespace_map. */
import fc from "fast-check";
import {
  backupHistory,
  backupLabel,
  backupLabelText,
  tablespaceMap,
  tablespaceMapText,
  timeLineHistory,
  timeLineHistoryText,
} from "../../src/arbitraries/texts.ts";
import {
  checkBackupLabel,
  parseBackupHistory,
  parseBackupLabel,
  parseTablespaceMap,
  parseTimeLineHistory,
  printBackupHistory,
  printBackupLabel,
  printTablespaceMap,
  printTimeLineHistory,
} from "../../src/files/index.ts";
import { EncodeError, ParseError } from "../../src/kernel/errors.ts";
import { decodeText } from "../../src/wire/text.ts";
import type { FuzzTarget } from "./target.ts";

const utf8 = new TextEncoder();

/** The versions between which these files differ. */
const servers = ["9.6", "10", "11", "13", "14", "17", "18", "19"];

/** What it is read as, from bytes and from text: refusals are the same for both, and what was read is printed and read again. */
function target<T>(
  name: string,
  corpus: () => readonly Uint8Array[],
  parse: (file: Uint8Array | string, server: string) => T,
  print: (value: T, server: string) => Uint8Array,
): FuzzTarget {
  const outcome = (file: Uint8Array | string, server: string): T | ParseError => {
    try {
      return parse(file, server);
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      if (!(error.offset >= 0 && error.offset <= error.text.length)) throw new Error(`place ${error.offset}`);
      return error;
    }
  };
  return {
    name,
    corpus,
    check(bytes) {
      // One version each, whichever the bytes add up to: so a run tries eight times as many inputs.
      const server = servers[bytes.reduce((sum, byte) => sum + byte, 0) % servers.length]!;
      const value = outcome(bytes, server);
      const fromText = outcome(decodeText(bytes, 0, bytes.length), server);
      if (JSON.stringify(value, plain) !== JSON.stringify(fromText, plain)) throw new Error("text and bytes differ");
      if (value instanceof ParseError) return "error";
      try {
        const again = outcome(print(value, server), server);
        if (JSON.stringify(again, plain) !== JSON.stringify(value, plain)) {
          throw new Error(`${server} reads something else than what was printed`);
        }
      } catch (error) {
        // What a server reads is not always what one would write.
        if (!(error instanceof EncodeError)) throw error;
      }
      return "value";
    },
  };
}

const plain = (_: string, value: unknown) => (typeof value === "bigint" ? String(value) : value);

function samples(arbitrary: fc.Arbitrary<Uint8Array | string>): Uint8Array[] {
  return fc
    .sample(arbitrary, { numRuns: 60, seed: 1 })
    .map((file) => (typeof file === "string" ? utf8.encode(file) : file));
}

export const texts: readonly FuzzTarget[] = [
  target(
    "timeline history",
    () => [
      ...samples(timeLineHistory().map((history) => printTimeLineHistory(history))),
      ...samples(timeLineHistoryText()),
    ],
    (file, server) => parseTimeLineHistory(file, 0xffffffff, { server }),
    (history, server) => printTimeLineHistory(history, { server }),
  ),
  target(
    "backup_label",
    () => [
      ...samples(backupLabel({ incremental: true }).map((label) => printBackupLabel(label))),
      ...samples(backupLabelText()),
    ],
    (file, server) => {
      const label = parseBackupLabel(file, { server });
      try {
        checkBackupLabel(file, { server });
      } catch (error) {
        if (!(error instanceof ParseError) || error.code !== "REFUSED") throw error;
      }
      return label;
    },
    // Of one that looks like an incremental backup's a server before 17 knows nothing.
    (label) => printBackupLabel(label),
  ),
  target(
    "backup history",
    () => samples(backupHistory().map((history) => printBackupHistory(history))),
    (file) => parseBackupHistory(file),
    (history) => printBackupHistory(history),
  ),
  target(
    "tablespace_map",
    () => [...samples(tablespaceMap().map((entries) => printTablespaceMap(entries))), ...samples(tablespaceMapText())],
    (file, server) => parseTablespaceMap(file, { server }),
    (entries, server) => printTablespaceMap(entries, { server }),
  ),
];
