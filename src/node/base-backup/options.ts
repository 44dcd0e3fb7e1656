/** The options of `takeBaseBackup`, and their checks. */
import { ArgumentError, refuseArgument } from "../../kernel/errors.ts";
import { checkObject, checkOneOf, checkOptions, checkType, checkWhole } from "../../kernel/options.ts";
import { type AbortSignalLike, checkSignal } from "../abort-signal.ts";
import type { ConnectOptions, ReplicationConnection } from "../client.ts";
import { realPath } from "../make-directories.ts";
import { canonicalPath } from "../verify-backup/paths.ts";
import { type BackupCompress, parseCompress } from "./compression.ts";
import type { BackupProgress } from "./progress.ts";
import { tablespaceMapping } from "./tablespaces.ts";

/** Options of `takeBaseBackup`. Those that the server does not have are an UnsupportedError. */
export interface TakeBaseBackupOptions {
  /**
   * How to connect: options of `connect`, or a function that opens a connection with `replication: "true"`. There are two connections for
   * `walMethod: "stream"`, else one. `{}` connects as libpq's environment variables say.
   */
  readonly connect: Omit<ConnectOptions, "replication" | "signal"> | (() => Promise<ReplicationConnection>);
  /** "plain", the default, for a data directory; "tar" for base.tar, an archive for each tablespace, and pg_wal.tar. */
  readonly format?: "plain" | "tar" | undefined;
  /**
   * The directory of each tablespace in plain format, by its directory on the server; both are absolute paths. Each tablespace must have
   * one: nothing is written to a directory that only the server names. Directories must be empty, or are made.
   */
  readonly tablespaceMapping?: Readonly<Record<string, string>> | undefined;
  /** The directory of the WAL in plain format, an absolute path: pg_wal is then a symbolic link to it. */
  readonly walDirectory?: string | undefined;
  /**
   * How the WAL that the backup requires gets into it: "stream", the default, by a second connection during the backup; "fetch" at its
   * end, when the server must still have it; "none" for not at all.
   */
  readonly walMethod?: "none" | "fetch" | "stream" | undefined;
  /** A physical slot for "stream". Default: a temporary one. */
  readonly slotname?: string | undefined;
  /** Create the slot. It is not dropped, even if the backup fails. */
  readonly createSlot?: boolean | undefined;
  /** false for "stream" without a temporary slot: the server may then remove WAL before it was sent. */
  readonly temporarySlot?: boolean | undefined;
  /** Milliseconds between two status updates of "stream"; 0 for none. Default: 10,000. */
  readonly statusInterval?: number | undefined;
  /** "fast" for a checkpoint at once, "spread", the default, for one that spares the server and may take minutes. */
  readonly checkpoint?: "fast" | "spread" | undefined;
  /** The label of the backup. Default: "walwire base backup". */
  readonly label?: string | undefined;
  /** The highest rate of transfer in kB a second, from 32 to 1,048,576. */
  readonly maxRate?: number | undefined;
  /**
   * Compression in pg_basebackup's words: `gzip`, `gzip:9` for archives that walwire compresses; `server-gzip`, `server-lz4`,
   * `server-zstd:3` for what the server compresses (since 15), which plain format decompresses; `none`, the default.
   */
  readonly compress?: string | undefined;
  /** Is there a manifest, and are its names in hexadecimal form? Default: true where the server has manifests, since 13. */
  readonly manifest?: boolean | "force-encode" | undefined;
  /** The checksums in the manifest. Default: CRC32C. */
  readonly manifestChecksums?: "NONE" | "CRC32C" | "SHA224" | "SHA256" | "SHA384" | "SHA512" | undefined;
  /** The path of the manifest of an older backup: the backup is incremental (since 17). */
  readonly incremental?: string | undefined;
  /** false if the server does not verify the checksums of pages. */
  readonly verifyChecksums?: boolean | undefined;
  /** false if the server does not estimate the size first, which `onProgress` then lacks. */
  readonly estimateSize?: boolean | undefined;
  /**
   * Make it a standby of the server: standby.signal, with primary_conninfo in postgresql.auto.conf; recovery.conf before 12. true takes
   * the connection's options, also the password if it was given as text. A text is the value of primary_conninfo.
   */
  readonly writeRecoveryConf?: boolean | string | undefined;
  /** false to leave what was written if the backup fails. */
  readonly clean?: boolean | undefined;
  /** false if the files are not flushed to the disk at the end. */
  readonly sync?: boolean | undefined;
  /** Called with the progress, at most five times a second and at the end of each tablespace. */
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined;
  /** Called with what pg_basebackup says with --verbose. */
  readonly onMessage?: ((message: string) => void) | undefined;
  /** Called after a failure with what is left: directories that could not be removed, a slot that was created. */
  readonly onWarning?: ((message: string) => void) | undefined;
  /** Ends the backup, which then fails with the signal's reason. */
  readonly signal?: AbortSignalLike | undefined;
}

const names = [
  ...["connect", "format", "tablespaceMapping", "walDirectory", "walMethod", "slotname", "createSlot", "temporarySlot"],
  ...["statusInterval", "checkpoint", "label", "maxRate", "compress", "manifest", "manifestChecksums", "incremental"],
  ...["verifyChecksums", "estimateSize", "writeRecoveryConf", "clean", "sync", "onProgress", "onMessage", "onWarning"],
  "signal",
];

/** Options that are checked and complete. */
export interface BackupPlan extends TakeBaseBackupOptions {
  readonly directory: string;
  readonly format: "plain" | "tar";
  readonly walMethod: "none" | "fetch" | "stream";
  readonly compressed: BackupCompress;
  readonly mapping: ReadonlyMap<string, string>;
}

const checksumNames = ["NONE", "CRC32C", "SHA224", "SHA256", "SHA384", "SHA512"];
/** The lowest and the highest rate. */
const rates = [32, 1048576] as const;
/** The longest time between status updates: pg_basebackup's. */
const LONGEST_INTERVAL = 2 ** 31 - 1;

/** @throws ArgumentError */
export function planOf(directory: string, options: TakeBaseBackupOptions): BackupPlan {
  checkPath("directory", directory);
  checkOptions(options, names);
  const { format = "plain", walMethod = "stream", compress = "none", manifest, walDirectory } = options;
  if (typeof options.connect !== "function") checkObject("options.connect", options.connect);
  checkOneOf("options.format", format, ["plain", "tar"]);
  checkOneOf("options.walMethod", walMethod, ["none", "fetch", "stream"]);
  checkOneOf("options.checkpoint", options.checkpoint, ["fast", "spread", undefined]);
  checkOneOf("options.manifestChecksums", options.manifestChecksums, [...checksumNames, undefined]);
  if (options.maxRate !== undefined) checkWhole("options.maxRate", options.maxRate, ...rates);
  checkOneOf("options.manifest", manifest, [true, false, "force-encode", undefined]);
  for (const name of ["createSlot", "temporarySlot", "verifyChecksums", "estimateSize", "clean", "sync"] as const) {
    checkType(`options.${name}`, options[name], "boolean");
  }
  for (const name of ["label", "slotname"] as const) checkType(`options.${name}`, options[name], "string");
  for (const name of ["onProgress", "onMessage", "onWarning"] as const)
    checkType(`options.${name}`, options[name], "function");
  if (typeof options.writeRecoveryConf !== "string") {
    checkType("options.writeRecoveryConf", options.writeRecoveryConf, "boolean");
  }
  if (options.statusInterval !== undefined) {
    checkWhole("options.statusInterval", options.statusInterval, 0, LONGEST_INTERVAL);
  }
  if (options.incremental !== undefined) checkPath("options.incremental", options.incremental);
  if (walDirectory !== undefined) checkPath("options.walDirectory", walDirectory);
  if (typeof compress !== "string") refuseArgument("options.compress", "a string", compress);
  const { tablespaceMapping: mapping = {} } = options;
  checkObject("options.tablespaceMapping", mapping);
  checkSignal(options.signal);
  const compressed = parseCompress(compress, "options.compress");
  checkTogether(options, format, walMethod, compressed);
  const plan: BackupPlan = {
    ...options,
    directory: canonicalPath(directory),
    format,
    walMethod,
    compressed,
    mapping: tablespaceMapping(mapping),
    walDirectory: walDirectory === undefined ? undefined : canonicalPath(walDirectory),
  };
  if (format === "plain") checkApart(plan);
  return plan;
}

/** No directory may be inside of another: each is to be empty, and removed on its own. */
function checkApart({ directory, walDirectory, mapping }: BackupPlan): void {
  const apart = (path: string, to: string, what: string, from: string): void => {
    const [inner, outer] = [realPath(to), realPath(from)];
    if (inner === undefined || outer === undefined || !(isWithin(inner, outer) || isWithin(outer, inner))) return;
    const relation = inner === outer ? "is" : isWithin(inner, outer) ? "is inside" : "contains";
    throw new ArgumentError(path, `directory "${to}" ${relation} the ${what} "${from}": choose another directory`);
  };
  if (walDirectory !== undefined) apart("options.walDirectory", walDirectory, "backup directory", directory);
  for (const [from, to] of mapping) {
    const path = `options.tablespaceMapping[${JSON.stringify(from)}]`;
    apart(path, to, "backup directory", directory);
    if (walDirectory !== undefined) apart(path, to, "WAL directory", walDirectory);
  }
}

function isWithin(path: string, directory: string): boolean {
  return path === directory || path.startsWith(directory.endsWith("/") ? directory : `${directory}/`);
}

/** @source pg_basebackup.c: main */
function checkTogether(
  {
    slotname,
    connect,
    createSlot,
    temporarySlot,
    manifest,
    manifestChecksums,
    walDirectory,
    writeRecoveryConf,
  }: TakeBaseBackupOptions,
  format: "plain" | "tar",
  walMethod: "none" | "fetch" | "stream",
  { where, algorithm }: BackupCompress,
): void {
  const refuse = (name: string, message: string): never => {
    throw new ArgumentError(`options.${name}`, message);
  };
  if (format === "plain" && where === "client" && algorithm !== "none") {
    refuse("compress", "only tar mode backups can be compressed");
  }
  if (slotname !== undefined && walMethod !== "stream") {
    refuse("slotname", "replication slots can only be used with WAL streaming");
  }
  if (slotname === undefined && createSlot) refuse("createSlot", "createSlot needs a slotname");
  if (slotname !== undefined && temporarySlot) refuse("temporarySlot", "temporarySlot cannot be used with slotname");
  if (manifest === false && manifestChecksums !== undefined) {
    refuse("manifestChecksums", "manifestChecksums cannot be used with manifest: false");
  }
  if (walDirectory !== undefined && format !== "plain") {
    refuse("walDirectory", "WAL directory location can only be specified in plain mode");
  }
  if (walDirectory !== undefined && !walDirectory.startsWith("/")) {
    refuse("walDirectory", "WAL directory location must be an absolute path");
  }
  if (typeof connect === "function" && writeRecoveryConf === true) {
    refuse("writeRecoveryConf", "writeRecoveryConf is to be the value of primary_conninfo if connect is a function");
  }
  if (format === "tar" && writeRecoveryConf && where === "server" && algorithm !== "none") {
    refuse("writeRecoveryConf", "writeRecoveryConf cannot be used with archives that the server compresses");
  }
}

function checkPath(path: string, value: unknown): void {
  if (typeof value !== "string" || value === "" || value.includes("\0")) {
    refuseArgument(path, "a path without NUL characters", value);
  }
}
