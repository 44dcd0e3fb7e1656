import { type CallOf, defineSubcommand, jsonOption, serverOption } from "../shared/declare.ts";

export type CombineBackupCall = CallOf<typeof combineBackup>;

export const combineBackup = defineSubcommand({
  name: "combine-backup",
  summary: "Combine a full backup and incremental ones to a full backup",
  description: `\
Writes the full backup that a server can start from, as pg_combinebackup does, with the same options and
messages. The directories are a full backup, then the incremental backups that are based on it, oldest
first. If something is wrong with one of them, nothing is left of the output.
Example: walwire combine-backup full monday tuesday -o restored`,
  argument: { name: "DIRECTORY", count: "many", help: "the backups, the full one first" },
  options: {
    output: {
      type: "string",
      short: "o",
      value: "DIRECTORY",
      help: "where to write the combined backup: a directory that does not exist, or is empty",
    },
    "tablespace-mapping": {
      type: "string",
      short: "T",
      value: "OLD=NEW",
      many: true,
      help: "write the tablespace whose directory is OLD in the last backup to NEW; both are absolute, and \\= is an =",
    },
    "dry-run": {
      type: "boolean",
      short: "n",
      help: "write nothing: check what can be checked without reading the blocks",
    },
    "no-sync": { type: "boolean", short: "N", help: "do not wait until the output is on disk" },
    copy: { type: "boolean", help: "copy files (default)", conflicts: ["link", "clone", "copy-file-range"] },
    link: {
      type: "boolean",
      short: "k",
      help: "link files instead of copying them; a change of the output then changes the backups",
      conflicts: ["clone", "copy-file-range"],
    },
    clone: {
      type: "boolean",
      help: "clone files instead of copying them, where the file system can",
      conflicts: ["copy-file-range"],
    },
    "copy-file-range": { type: "boolean", help: "not supported; use --clone" },
    "manifest-checksums": {
      type: "choice",
      choices: ["CRC32C", "SHA224", "SHA256", "SHA384", "SHA512", "NONE"],
      aliases: {
        crc32c: "CRC32C",
        sha224: "SHA224",
        sha256: "SHA256",
        sha384: "SHA384",
        sha512: "SHA512",
        none: "NONE",
      },
      default: "CRC32C",
      help: "the algorithm of the checksums in the new manifest",
    },
    "no-manifest": { type: "boolean", help: "write no manifest" },
    progress: {
      type: "boolean",
      short: "P",
      help: "report progress on standard error, even if it is not a terminal",
      conflicts: ["quiet"],
    },
    quiet: { type: "boolean", short: "q", help: "print warnings and errors only" },
    server: {
      ...serverOption,
      help: "the version whose pg_combinebackup is followed, such as 17 or 18; without it, that of the last backup",
    },
    json: { ...jsonOption, conflicts: ["quiet"] },
  },
});
