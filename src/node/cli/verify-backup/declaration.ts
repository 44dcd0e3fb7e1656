import { type CallOf, defineSubcommand, linesOption, serverOption } from "../shared/declare.ts";

export type VerifyBackupCall = CallOf<typeof verifyBackup>;

export const verifyBackup = defineSubcommand({
  name: "verify-backup",
  summary: "Verify a base backup against its manifest",
  description: `\
Checks a base backup as pg_verifybackup does, with the same options and messages, on several threads.
Several directories are a chain for pg_combinebackup: a full backup, then the incremental backups that are
based on it, oldest first. Each is verified, and so is that they can be combined.`,
  argument: { name: "DIRECTORY", count: "many", help: "the backup, or a chain of backups" },
  options: {
    "exit-on-error": { type: "boolean", short: "e", help: "stop at the first problem" },
    format: {
      type: "choice",
      short: "F",
      choices: ["plain", "tar"],
      aliases: { p: "plain", t: "tar" },
      help: "the format of the backup; tar is base.tar and the archives beside it",
    },
    ignore: { type: "string", short: "i", value: "PATH", many: true, help: "ignore this path and everything below it" },
    "manifest-path": {
      type: "string",
      short: "m",
      value: "FILE",
      help: "the manifest, if it is not backup_manifest in the directory",
    },
    "no-parse-wal": { type: "boolean", short: "n", help: "do not read the WAL that the backup needs" },
    progress: {
      type: "boolean",
      short: "P",
      help: "report progress on standard error, even if it is not a terminal",
      conflicts: ["quiet"],
    },
    quiet: { type: "boolean", short: "q", help: "print problems only" },
    "skip-checksums": { type: "boolean", short: "s", help: "check names and sizes only" },
    "wal-path": {
      type: "string",
      short: "w",
      alias: "wal-directory",
      value: "PATH",
      help: "the directory or archive of that WAL, if it is not in the backup",
    },
    jobs: {
      type: "integer",
      short: "j",
      value: "N",
      min: 0,
      max: 999,
      help: "the number of threads; without it, the number of processors",
    },
    server: {
      ...serverOption,
      help: "the version whose pg_verifybackup judges, such as 18 or 15.18; without it, that of the backup (--plain: 18)",
    },
    plain: { type: "boolean", help: "write what pg_verifybackup writes, line by line", conflicts: ["jsonl"] },
    jsonl: { ...linesOption, help: "write one JSON object per line: each problem, then the result" },
  },
});
