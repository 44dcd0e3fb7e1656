/** fast-check arbitraries of backup manifests: valid values, and texts that are valid, almost valid and hostile. */
import fc from "fast-check";
import {
  type BackupManifest,
  type ChecksumAlgorithm,
  checksumLengths,
  type ManifestFile,
  type ManifestWalRange,
  manifestChecksum,
  printBackupManifest,
} from "../files/manifest/index.ts";
import { hexOf } from "../wire/text.ts";
import { lsn, wireText } from "./messages.ts";
import { record } from "./text.ts";

const uint64 = fc.bigInt({ min: 0n, max: 2n ** 64n - 1n });

const path = fc.oneof(
  fc.constantFrom(
    "PG_VERSION",
    "base/1/1259",
    "global/pg_control",
    "base/16384/INCREMENTAL.16385",
    "pg_tblspc/16390/é",
  ),
  wireText(),
);

const checksum = fc
  .constantFrom(...(Object.keys(checksumLengths) as ChecksumAlgorithm[]))
  .chain((checksumAlgorithm) => {
    const length = checksumLengths[checksumAlgorithm];
    const bytes = fc.uint8Array({ minLength: length, maxLength: length });
    return (length === 0 ? fc.constant(undefined) : bytes).map((sum) => ({ checksumAlgorithm, checksum: sum }));
  });

const file: fc.Arbitrary<ManifestFile> = fc
  .tuple(
    record({
      path,
      encoded: fc.boolean(),
      size: fc.oneof(fc.bigInt({ min: 0n, max: 2n ** 30n }), uint64),
      lastModified: fc.constantFrom("2026-11-27 03:54:00 GMT", "1970-01-01 00:00:00 GMT", undefined),
    }),
    checksum,
  )
  .map(([rest, sum]) => ({
    ...rest,
    // Names that are not valid UTF-8 are always written as hexadecimal digits.
    encoded: rest.encoded || /\p{Surrogate}/u.test(rest.path),
    ...sum,
  }));

const walRange: fc.Arbitrary<ManifestWalRange> = record({
  timeline: fc.nat({ max: 0xffffffff }),
  startLsn: lsn(),
  endLsn: lsn(),
});

/**
 * A manifest as servers write it, with unique paths.
 *
 * @example fc.sample(backupManifest({ maxFiles: 0 }), 1)[0].files // []
 */
export function backupManifest({ maxFiles = 6 } = {}): fc.Arbitrary<BackupManifest> {
  const rest = {
    files: fc.uniqueArray(file, { selector: (each) => each.path, maxLength: maxFiles }),
    walRanges: fc.array(walRange, { maxLength: 3 }),
  };
  return fc.oneof(
    record<BackupManifest>({ version: fc.constant<1>(1), systemIdentifier: fc.constant(undefined), ...rest }),
    record<BackupManifest>({ version: fc.constant<2>(2), systemIdentifier: uint64, ...rest }),
  );
}

/** A placeholder for the checksum, which depends on everything before it. */
const CHECKSUM = "CHECKSUM";

const names = [
  ...["PostgreSQL-Backup-Manifest-Version", "System-Identifier", "Files", "WAL-Ranges", "Manifest-Checksum"],
  ...["Path", "Encoded-Path", "Size", "Last-Modified", "Checksum-Algorithm", "Checksum"],
  ...["Timeline", "Start-LSN", "End-LSN", "Unknown"],
];

const strings = [
  ...[
    "",
    " ",
    "0",
    "1",
    "2",
    "3",
    "01",
    "+5",
    " 7",
    "7 ",
    "\\t7",
    "-1",
    "1.5",
    "x",
    "é",
    "/",
    "\\/",
    "\\n",
    '\\"',
    "\\\\",
  ],
  ...["4294967296", "4294967297", "18446744073709551615", "18446744073709551616", "-18446744073709551616"],
  ...["9223372036854775807", "9223372036854775808", "00000000000000000000000000000000001"],
  ...[
    "none",
    "NONE",
    "CRC32C",
    "crc32c",
    "Sha256",
    "SHA512",
    "MD5",
    "zz",
    "0g",
    "00",
    "000",
    "00000000",
    "2f00",
    "C3A9",
    "c3",
  ],
  ...["0/0", "0/1", "16/B374D848", "1/", "/1", "G/1", "0x1/0x2", "0X/1", "-1/1", "+1/-1", " 1/ 1", "1 /1", "1/1x"],
  ...["FFFFFFFFF/123456789", "11111111111111111/1", "-11111111111111111/1"],
  ...[
    "\\u0041",
    "\\u00e9",
    "\\ud83d\\ude00",
    "\\ud83d",
    "\\ude00",
    "\\ud83d\\ud83d",
    "\\ud83dx",
    "\\ud83d\\n",
    "\\ud83d\\u0041",
  ],
  ...["\\u0000", "\\u12g4", "\\u12", "\\x", "\\", "\\é", "\u0001", "\\ud83d\u0001", "\u007f"],
];

/** JSON tokens, valid and invalid. */
const token = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(...'{}[],:"'.split(""), "\n", " ", "\t") },
  { weight: 4, arbitrary: fc.constantFrom(...names).map((name) => `"${name}"`) },
  { weight: 4, arbitrary: fc.constantFrom(...strings).map((text) => `"${text}"`) },
  {
    weight: 2,
    arbitrary: fc.constantFrom(
      ...["0", "1", "2", "-1", "-", "01", "1.5", "1.", ".5", "1e3", "1e", "1e+", "1E-2", "-0", "12x", "1-2", "1_000"],
      ...[
        "99999999999999999999",
        "18446744073709551615",
        "4294967298",
        "true",
        "false",
        "null",
        "nul",
        "truex",
        "True",
      ],
      ...["#", "\u0000", "\u0001", "é", "世", "\\", "'", "//", "NaN"],
    ),
  },
);

type Change = (list: readonly string[]) => readonly string[];

const change: fc.Arbitrary<Change> = fc
  .tuple(fc.nat(6), fc.nat(0xffff), token, fc.nat(0xffff))
  .map(([what, share, other, far]) => (list) => {
    const at = Math.floor((share / 0x10000) * list.length);
    switch (what) {
      case 0:
      case 1:
        return list.toSpliced(at, 1, other);
      case 2:
        return list.toSpliced(at, 0, other);
      case 3:
        return list.toSpliced(at, 1);
      case 4:
        return list.toSpliced(at, 0, list[Math.floor((far / 0x10000) * list.length)] ?? other);
      case 5:
        return list.toSpliced(at, 2, ...list.slice(at, at + 2).reverse());
      default:
        return far % 8 === 0 ? list.slice(0, at) : list.toSpliced(at, 1, [...(list[at] ?? "")].slice(far % 3).join(""));
    }
  });

/**
 * Manifests as bytes: valid ones, and ones with tokens or bytes changed. Most have the right checksum, so that the change is the only
 * error.
 *
 * @param value The values of the valid ones.
 * @example fc.sample(backupManifestText(), 9).every((bytes) => bytes instanceof Uint8Array) // true
 */
export function backupManifestText(
  value: fc.Arbitrary<BackupManifest> = backupManifest({ maxFiles: 3 }),
): fc.Arbitrary<Uint8Array> {
  const changes = fc.array(change, { maxLength: 3 });
  const oneByte = fc.option(fc.tuple(fc.nat(0xffff), fc.nat(0xff)), { nil: undefined, freq: 4 });
  return fc.tuple(value, changes, oneByte, fc.nat(7)).map(([manifest, edits, byte, checksums]) => {
    const text = new TextDecoder().decode(printBackupManifest(manifest));
    const right = text.replace(/"[0-9a-f]{64}"\}\n$/, `"${CHECKSUM}"}\n`);
    const tokens: readonly string[] = right.match(/"(?:[^"\\]+|\\.)*"|[\w.+-]+|.|\n/g) ?? [];
    const changed = edits.reduce((list, edit) => edit(list), tokens).join("");
    const bytes = new TextEncoder().encode(changed);
    if (byte !== undefined && bytes.length > 0) bytes[byte[0] % bytes.length] = byte[1];
    return checksums === 0 ? bytes : withChecksum(bytes, checksums === 1);
  });
}

/** Replace the placeholder, if there is one, by the right checksum or a wrong one. */
function withChecksum(bytes: Uint8Array, isWrong: boolean): Uint8Array {
  const sum = manifestChecksum(bytes);
  if (sum === undefined) return bytes;
  const marker = new TextEncoder().encode(CHECKSUM);
  const at = bytes.findLastIndex((_, i) => marker.every((byte, k) => bytes[i + k] === byte));
  if (at === -1) return bytes;
  if (isWrong) sum[0]! ^= 1;
  const digits = new TextEncoder().encode(hexOf(sum));
  const result = new Uint8Array(bytes.length - marker.length + digits.length);
  result.set(bytes.subarray(0, at));
  result.set(digits, at);
  result.set(bytes.subarray(at + marker.length), at + digits.length);
  return result;
}
