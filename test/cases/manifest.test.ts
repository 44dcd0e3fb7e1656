/** Facts of backup manifests: what each version says to a text. */
import { createHash } from "node:crypto";
import { describe, expect, test } from "vitest";
import {
  type BackupManifestError,
  type BackupManifestOptions,
  BackupManifestReader,
  BackupManifestWriter,
  formatLastModified,
  type ManifestFile,
  parseBackupManifest,
  printBackupManifest,
} from "../../src/files/manifest/index.ts";
import { EncodeError, UnsupportedError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { pgTimeFromDate } from "../../src/kernel/time.ts";
import { withChecksum } from "../manifests.ts";

const start = '{ "PostgreSQL-Backup-Manifest-Version": 1,\n';

function message(text: string | Uint8Array, options: BackupManifestOptions = {}): string {
  try {
    parseBackupManifest(text, options);
    return "taken";
  } catch (error) {
    return (error as BackupManifestError).message;
  }
}

const prefix = "could not parse backup manifest: ";

describe("what is said of JSON that is none", () => {
  test.each([
    ["", "The input string ended unexpectedly."],
    ["x", 'Token "x" is invalid.'],
    ["\0", 'Token "" is invalid.'],
    ['{ "a', 'Token ""a" is invalid.'],
    ['{ "\\é" }', 'Escape sequence "\\é" is invalid.'],
    ['{ "\\u12g4" }', '"\\u" must be followed by four hexadecimal digits.'],
    ['{ "\\u0000" }', "\\u0000 cannot be converted to text."],
    ['{ "\\ud83d\\ud83d" }', "Unicode high surrogate must not follow a high surrogate."],
    ['{ "\\ude00" }', "Unicode low surrogate must follow a high surrogate."],
    ['{ "a\nb" }', "Character with value 0x0a must be escaped."],
    ["{ 1 }", 'Expected string or "}", but found "1".'],
    ['{ "a" 1 }', 'Expected ":", but found "1".'],
    [`${start}1 }`, 'Expected string, but found "1".'],
    [`${start}"Files": [{ "Path": "a", "Size": 1 } 2] }`, 'Expected "," or "]", but found "2".'],
    [`${start}"Files": , }`, 'Expected JSON value, but found ",".'],
    ['{ "PostgreSQL-Backup-Manifest-Version": 1 1 }', 'Expected "," or "}", but found "1".'],
  ])("%j", (text, detail) => {
    for (const server of ["13", "14", "17", "18", "19"]) expect(message(text, { server })).toBe(prefix + detail);
    // For two majors programs could not say it.
    for (const server of ["15", "16"]) expect(message(text, { server })).toBe(`${prefix}parsing failed`);
  });

  test("in the order of each version", () => {
    const text = '{ "\\ud83d\u0001" }';
    expect(message(text, { server: "14" })).toBe(`${prefix}Character with value 0x01 must be escaped.`);
    expect(message(text, { server: "17" })).toBe(`${prefix}Unicode low surrogate must follow a high surrogate.`);
  });

  test("a server calls the first element of an array by another name", () => {
    const text = '{ "PostgreSQL-Backup-Manifest-Version": 2,\n"Files": [,] }';
    expect(message(text, { server: "18" })).toBe(`${prefix}Expected JSON value, but found ",".`);
    const judge = { server: "18", judge: "server" } as const;
    expect(message(text, judge)).toBe(`${prefix}Expected array element or "]", but found ",".`);
    expect(message(start, judge)).toBe("backup manifest version 1 does not support incremental backup");
  });
});

describe("numbers as C reads them", () => {
  const size = (text: string, server = "18") => {
    const manifest = withChecksum(
      `${start}"Files": [\n{ "Path": "a", "Size": ${text} }\n],\n"WAL-Ranges": [\n],\n"Manifest-Checksum": "CHECKSUM"}\n`,
    );
    try {
      return parseBackupManifest(manifest, { server }).files[0]!.size;
    } catch (error) {
      return (error as Error).message.replace(prefix, "");
    }
  };

  test.each([
    ["8192", 8192n],
    ['"8192"', 8192n],
    ['" \\t+8192"', 8192n],
    ['""', 0n],
    ["-1", 2n ** 64n - 1n],
    ["18446744073709551616", 2n ** 64n - 1n],
    ["-18446744073709551616", 2n ** 64n - 1n],
    [`"${"0".repeat(100)}7"`, 7n],
    ["1.0", "file size is not an integer"],
    ["1e3", "file size is not an integer"],
    ['" "', "file size is not an integer"],
    ["null", "file size is not an integer"],
  ])("%s", (text, value) => {
    for (const server of ["13", "15", "18"]) expect(size(text, server)).toBe(value);
  });

  // A line as servers write it is read at once; with one blank more it is read as any JSON.
  test.each(["0", "8192", "08192", "00", "-1", "1.0", "1e3", '"7"', "999999999999999", "9999999999999999", ""])(
    "%s in a line as servers write it",
    (text) => {
      const outcome = (blank: string, server: string) => {
        const line = `{${blank} "Path": "a", "Size": ${text}, "Last-Modified": "2026-11-27 03:54:00 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "01020304" }`;
        const good = (path: string) => `{ "Path": "${path}", "Size": 1 }`;
        const manifest = withChecksum(
          `${start}"Files": [\n${good("b")},\n${line},\n${good("c")}\n],\n"WAL-Ranges": [\n],\n"Manifest-Checksum": "CHECKSUM"}\n`,
        );
        try {
          return parseBackupManifest(manifest, { server });
        } catch (error) {
          return (error as Error).message;
        }
      };
      for (const server of ["13", "15", "18"]) expect(outcome("", server)).toEqual(outcome(" ", server));
    },
  );

  const range = (lsn: string, server: string) => {
    const manifest = withChecksum(
      `${start}"Files": [\n],\n"WAL-Ranges": [\n{ "Timeline": 4294967297, "Start-LSN": "${lsn}", "End-LSN": "0/0" }\n],\n"Manifest-Checksum": "CHECKSUM"}\n`,
    );
    const { timeline, startLsn } = parseBackupManifest(manifest, { server }).walRanges[0]!;
    expect(timeline).toBe(1);
    return startLsn;
  };

  test.each([
    ["16/B374D848", 0x16b374d848n, 0x16b374d848n],
    ["0x16/ -0x1x", 0x16ffffffffn, 0x16ffffffffn],
    ["1/123456789", 0x123456789n, 0x112345678n],
    ["-1/1", 0xffffffff00000001n, 0xffffffff00000001n],
  ])("a position %s", (text, upTo18, from19) => {
    expect(range(text, "18")).toBe(upTo18);
    expect(range(text, "19")).toBe(from19);
  });
});

test("an error says where, and shows it", () => {
  const text = `${start}"Files": [\n{ "Path": "é", "Size": 1 },\n{ "Path": "b", "Größe": 2 }\n]\n`;
  let error: BackupManifestError | undefined;
  try {
    parseBackupManifest(text);
  } catch (caught) {
    error = caught as BackupManifestError;
  }
  expect(error!.message).toBe(`${prefix}unexpected file field`);
  expect(error!.position).toBe(Buffer.from(text.slice(0, text.indexOf('"Größe"'))).length);
  expect(error!.line).toBe(4);
  expect(String(error)).toContain('LINE 4: { "Path": "b", "Größe": 2 }\n                       ^');
  expect(error!.toJSON()).toMatchObject({ code: "INVALID_VALUE", line: 4, column: 16, position: error!.position });
});

test("a path that comes twice is refused, or not, as one likes", () => {
  const file: ManifestFile = {
    path: "a",
    encoded: false,
    size: 0n,
    lastModified: undefined,
    checksumAlgorithm: "NONE",
    checksum: undefined,
  };
  const text = printBackupManifest({ version: 1, systemIdentifier: undefined, files: [file, file], walRanges: [] });
  expect(message(text)).toBe('duplicate path name in backup manifest: "a"');
  expect(parseBackupManifest(text, { duplicates: true }).files).toEqual([file, file]);
});

test("a reader that has failed stays so", () => {
  const reader = new BackupManifestReader({ server: "15" });
  expect(() => reader.push(new TextEncoder().encode("]"))).toThrow("parsing failed");
  expect(() => reader.push(new Uint8Array())).toThrow("parsing failed");
  expect(() => reader.end()).toThrow("parsing failed");
});

test("versions that know no manifests", () => {
  expect(() => new BackupManifestReader({ server: "12" })).toThrow(UnsupportedError);
  expect(() => new BackupManifestReader({ server: "16", judge: "server" })).toThrow(
    "UPLOAD_MANIFEST is not in PostgreSQL 16",
  );
});

test("a manifest is written as it becomes known", () => {
  const writer = new BackupManifestWriter({
    version: 2,
    systemIdentifier: 7712700038425239164n,
    server: "19",
    sha256: () => createHash("sha256"),
  });
  const chunks = [
    writer.file({
      path: 'a "quoted"\n\u0001 path',
      encoded: false,
      size: 3n,
      lastModified: formatLastModified(pgTimeFromDate(new Date("2026-11-27T03:54:59.999Z"))),
      checksumAlgorithm: "CRC32C",
      checksum: Uint8Array.of(1, 2, 3, 4),
    }),
    writer.end([{ timeline: 1, startLsn: toLsn(0x2000028n), endLsn: toLsn(0x2000100n) }]),
  ];
  const text = Buffer.concat(chunks).toString();
  expect(text.replace(/[0-9a-f]{64}/, "CHECKSUM")).toBe(`\
{ "PostgreSQL-Backup-Manifest-Version": 2,
"System-Identifier": 7712700038425239164,
"Files": [
{ "Path": "a \\"quoted\\"\\n\\u0001 path", "Size": 3, "Last-Modified": "2026-11-27 03:54:59 GMT", "Checksum-Algorithm": "CRC32C", "Checksum": "01020304" }
],
"WAL-Ranges": [
{ "Timeline": 1, "Start-LSN": "0/02000028", "End-LSN": "0/02000100" }
],
"Manifest-Checksum": "CHECKSUM"}
`);
  expect(parseBackupManifest(text, { server: "19" }).files).toHaveLength(1);
});

test.each<[string, Partial<ManifestFile>]>([
  ["files[0].size", { size: -1n }],
  ["files[0].size", { size: 2n ** 64n }],
  ["files[0].path", { path: "a\0b" }],
  ["files[0].path", { path: "\ud800" }],
  ["files[0].checksum", { checksumAlgorithm: "NONE", checksum: Uint8Array.of(1) }],
])("%s cannot be written of %o", (path, wrong) => {
  const file: ManifestFile = {
    path: "a",
    encoded: false,
    size: 0n,
    lastModified: undefined,
    checksumAlgorithm: "NONE",
    checksum: undefined,
    ...wrong,
  };
  const write = () => printBackupManifest({ version: 1, systemIdentifier: undefined, files: [file], walRanges: [] });
  expect(write).toThrow(EncodeError);
  expect(write).toThrow(path);
});

test("version 2 has a system identifier, and version 1 none", () => {
  const rest = { files: [], walRanges: [] };
  expect(() => printBackupManifest({ version: 2, systemIdentifier: undefined, ...rest })).toThrow("systemIdentifier");
  expect(() => printBackupManifest({ version: 1, systemIdentifier: 1n, ...rest })).toThrow("systemIdentifier");
});
