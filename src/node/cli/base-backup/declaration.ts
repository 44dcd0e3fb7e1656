import { type CallOf, dbnameOption, defineSubcommand, jsonOption, statusIntervalOption } from "../shared/declare.ts";

export type BaseBackupCall = CallOf<typeof baseBackup>;

export const baseBackup = defineSubcommand({
  name: "base-backup",
  summary: "Take a base backup of a server",
  description: `\
Takes a base backup into a directory, as pg_basebackup does, with its options but those of the connection. The directory must be
empty or absent, and is so again if the backup fails. Without --dbname, libpq's environment variables
such as PGHOST say which server it is.
For example: walwire base-backup /backups/today --dbname postgres://me@host --checkpoint fast --progress`,
  argument: { name: "DIRECTORY", count: "one", help: "where the backup is written to" },
  options: {
    pgdata: { type: "string", short: "D", value: "DIRECTORY", help: "the same as DIRECTORY", conflicts: ["DIRECTORY"] },
    dbname: dbnameOption,
    format: {
      type: "choice",
      short: "F",
      choices: ["plain", "tar"],
      aliases: { p: "plain", t: "tar" },
      default: "plain",
      help: "files as in a data directory, or base.tar and an archive for each tablespace",
    },
    "tablespace-mapping": {
      type: "string",
      short: "T",
      value: "OLDDIR=NEWDIR",
      many: true,
      help: "the directory of a tablespace here, by its directory on the server; each needs one in plain format",
    },
    waldir: { type: "string", value: "DIR", help: "the directory of the WAL, to which pg_wal becomes a symbolic link" },
    "wal-method": {
      type: "choice",
      short: "X",
      choices: ["none", "fetch", "stream"],
      aliases: { n: "none", f: "fetch", s: "stream" },
      default: "stream",
      help: "how the required WAL is included: not, at the end, or by a second connection",
    },
    slot: { type: "string", short: "S", value: "NAME", help: "the replication slot for --wal-method stream" },
    "create-slot": { type: "boolean", short: "C", help: "create that slot", requires: ["slot"] },
    "no-slot": { type: "boolean", help: "do not use a temporary slot", conflicts: ["slot"] },
    "status-interval": {
      ...statusIntervalOption,
      help: "the time between status updates of --wal-method stream (default 10)",
    },
    checkpoint: {
      type: "choice",
      short: "c",
      choices: ["fast", "spread"],
      ignoreCase: true,
      default: "spread",
      help: "a checkpoint at once, or one that spares the server",
    },
    label: { type: "string", short: "l", value: "LABEL", help: "the label of the backup" },
    "max-rate": { type: "string", short: "r", value: "RATE", help: "the highest rate, in kB/s, or with k or M" },
    gzip: { type: "boolean", short: "z", help: "compress archives with gzip" },
    compress: {
      type: "string",
      short: "Z",
      value: "[{client|server}-]METHOD[:DETAIL]",
      help: "compress archives, such as gzip:9; on the server with server-gzip, server-lz4 or server-zstd",
      conflicts: ["gzip"],
    },
    incremental: {
      type: "string",
      short: "i",
      value: "OLDMANIFEST",
      help: "take an incremental backup, based on the backup of this manifest",
    },
    "write-recovery-conf": { type: "boolean", short: "R", help: "make it a standby of the server" },
    "manifest-checksums": {
      type: "choice",
      choices: ["NONE", "CRC32C", "SHA224", "SHA256", "SHA384", "SHA512"],
      ignoreCase: true,
      help: "the checksums in the manifest",
    },
    "manifest-force-encode": { type: "boolean", help: "write the names in the manifest in hexadecimal form" },
    "no-manifest": {
      type: "boolean",
      help: "do not ask for a manifest",
      conflicts: ["manifest-checksums", "manifest-force-encode"],
    },
    "no-verify-checksums": { type: "boolean", help: "do not let the server verify the checksums of pages" },
    "no-estimate-size": {
      type: "boolean",
      help: "do not let the server estimate the size first",
      conflicts: ["progress"],
    },
    "no-clean": { type: "boolean", short: "n", help: "leave the files if the backup fails" },
    "no-sync": { type: "boolean", short: "N", help: "do not flush the files to the disk" },
    progress: {
      type: "boolean",
      short: "P",
      help: "report progress on standard error, even if it is not a terminal",
      conflicts: ["quiet"],
    },
    verbose: { type: "boolean", short: "v", help: "write each step to standard error", conflicts: ["quiet"] },
    quiet: { type: "boolean", short: "q", help: "write errors only", conflicts: ["json"] },
    json: jsonOption,
  },
});
