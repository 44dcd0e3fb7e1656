/**
 * Dissections of the small files of text: their lines, and the parts of these. A server reads some of them in other ways than by lines,
 * so a tree always has the whole file; its value and its error are the parser's.
 */
import { parseBackupHistory, parseBackupLabel } from "../files/backup-label.ts";
import { FileText } from "../files/file-text.ts";
import { parseTablespaceMap } from "../files/tablespace-map.ts";
import { parseTimeLineHistory } from "../files/timeline-history.ts";
import type { Server } from "../kernel/version.ts";
import { givenBytes } from "../wire/check.ts";
import { type Dissection, Dissector } from "../wire/dissect.ts";
import { Reader } from "../wire/reader.ts";

/** The server that reads the file. */
export interface DissectTextOptions {
  /** Default: the newest that walwire's tests run. */
  readonly server?: Server | undefined;
}

/**
 * Dissect a timeline history.
 *
 * @param file The whole file.
 * @param timeline The timeline in the file's name.
 * @returns its lines, whatever they hold. Its error is that of `parseTimeLineHistory`.
 * @throws ArgumentError for anything but bytes, a timeline and options.
 * @example dissectTimeLineHistory(new TextEncoder().encode("1\t0/3000000\tno recovery target specified\n"), 2).fields[0]?.fields.map(({ name, value }) => `${name} ${JSON.stringify(value)}`) // ["tli \"1\"", "separator \"\\t\"", "end \"0/3000000\"", "separator \"\\t\"", "reason \"no recovery target specified\"", "newline \"\\n\""]
 */
export function dissectTimeLineHistory(
  file: Uint8Array,
  timeline: number,
  options: DissectTextOptions = {},
): Dissection {
  const bytes = givenBytes(file);
  return dissectText(bytes, historyFile, () => parseTimeLineHistory(bytes, timeline, options));
}

/**
 * Dissect backup_label.
 *
 * @param file The whole file.
 * @returns its lines, whatever they hold. Its error is that of `parseBackupLabel`.
 * @throws ArgumentError for anything but bytes and options.
 * @example dissectBackupLabel(new TextEncoder().encode("LABEL: x\n")).fields[0]?.fields.map(({ value }) => value) // ["LABEL", ": ", "x", "\n"]
 */
export function dissectBackupLabel(file: Uint8Array, options: DissectTextOptions = {}): Dissection {
  const bytes = givenBytes(file);
  return dissectText(bytes, labelFile, () => parseBackupLabel(bytes, options));
}

/**
 * Dissect a backup history file.
 *
 * @param file The whole file.
 * @returns its lines, whatever they hold. Its error is that of `parseBackupHistory`.
 * @throws ArgumentError for anything but bytes.
 * @example dissectBackupHistory(new TextEncoder().encode("STOP TIMELINE: 1\n")).error?.message // "invalid data in backup history file"
 */
export function dissectBackupHistory(file: Uint8Array): Dissection {
  const bytes = givenBytes(file);
  return dissectText(bytes, backupHistoryFile, () => parseBackupHistory(bytes));
}

/**
 * Dissect tablespace_map.
 *
 * @param file The whole file.
 * @returns its lines, whatever they hold. Its error is that of `parseTablespaceMap`.
 * @throws ArgumentError for anything but bytes and options; UnsupportedError for a server before 9.5.
 * @example dissectTablespaceMap(new TextEncoder().encode("16384 /srv/fast\n")).fields[0]?.fields[2]?.value // "/srv/fast"
 */
export function dissectTablespaceMap(file: Uint8Array, options: DissectTextOptions = {}): Dissection {
  const bytes = givenBytes(file);
  return dissectText(bytes, mapFile, () => parseTablespaceMap(bytes, options));
}

interface TextFile {
  readonly name: string;
  readonly doc: string;
  readonly line: string;
  /** Finds the parts of any line but the last one, which is the rest of the line, as its groups. */
  readonly pattern: RegExp;
  /** What they are, with the last one. */
  readonly parts: readonly (readonly [name: string, doc: string])[];
  /** Where a line ends that begins here: at its newline, or where the file ends. */
  readonly lineEnd: (chars: string, start: number) => number;
}

const SEPARATOR = ["separator", "What stands between two parts."] as const;

function nextNewline(chars: string, start: number): number {
  const at = chars.indexOf("\n", start);
  return at === -1 ? chars.length : at;
}

const historyFile: TextFile = {
  name: "TimeLineHistory",
  doc: "Which timelines a timeline came from: pg_wal/00000002.history.",
  line: "A timeline, and where it was left; or an empty line, or a comment.",
  pattern: /^(\s*)(?:(\d+)(\s+)(\S+)(\s*))?/,
  parts: [
    ["blanks", "Blanks."],
    ["tli", "The timeline."],
    SEPARATOR,
    ["end", "The first position that is on the next timeline."],
    SEPARATOR,
    ["reason", "Why it was left, or a comment."],
  ],
  lineEnd: nextNewline,
};

const labelFile: TextFile = {
  name: "BackupLabel",
  doc: "Where recovery from a base backup begins: backup_label.",
  line: "A line; a label can have several.",
  pattern: /^([^:]*)(: ?)?/,
  parts: [["name", "What the line says."], SEPARATOR, ["value", "Its value."]],
  lineEnd: nextNewline,
};

const backupHistoryFile: TextFile = {
  ...labelFile,
  name: "BackupHistory",
  doc: "What a server keeps of a base backup: pg_wal/….backup.",
};

const mapFile: TextFile = {
  name: "TablespaceMap",
  doc: "Where the tablespaces of a base backup are to be: tablespace_map.",
  line: "A tablespace.",
  pattern: /^([^ ]*)( )?/,
  parts: [
    ["oid", "The OID of the tablespace."],
    SEPARATOR,
    ["path", "The directory, with a backslash before special characters."],
  ],
  lineEnd(chars, start) {
    // A backslash takes the character behind it as it is.
    for (let at = start; at < chars.length; at++) {
      if (chars[at] === "\\") at++;
      else if (chars[at] === "\n" || chars[at] === "\r") return at;
    }
    return chars.length;
  },
};

function dissectText(
  bytes: Uint8Array,
  { name, doc, line, pattern, parts, lineEnd }: TextFile,
  parse: () => unknown,
): Dissection {
  const text = new FileText(bytes);
  const r = new Reader(text.bytes);
  return new Dissector(r, {}).dissect(name, "part", doc, (d) => {
    const leaf = (part: string, length: number, about: string): void => {
      if (length === 0) return;
      d.leaf(part, "text", about, () => {
        const start = r.skip(length, name);
        return text.text(start, r.offset);
      });
    };
    for (let i = 0; r.offset < r.length; i++) {
      const end = lineEnd(text.chars, r.offset);
      const groups = pattern.exec(text.chars.slice(r.offset, end))!;
      d.node(`[${i}]`, "part", line, () => {
        for (const [at, [part, about]] of parts.entries()) {
          leaf(part, at === parts.length - 1 ? end - r.offset : (groups[at + 1] ?? "").length, about);
        }
        leaf("newline", Math.min(1, r.length - r.offset), "The end of the line.");
      });
    }
    return parse();
  });
}
