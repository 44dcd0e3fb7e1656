/**
 * `walwire verify-backup --plain`: in the place of pg_verifybackup, with its options, its words and its exit statuses.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_verifybackup.c: main, usage
 * @source glibc: posix/getopt.c: process_long_option, _getopt_internal_r
 */
import { defaultServer, formatServerVersion, serverVersionNum } from "../../../kernel/version.ts";
import { verifyBackupCapabilities } from "../../capabilities.ts";
import { readCall } from "../shared/read-call.ts";
import { type Status, status } from "../shared/status.ts";
import { verifyBackup as declaration, type VerifyBackupCall } from "./declaration.ts";

interface ProgramOption {
  readonly long: string;
  readonly short: string;
  /** What the usage calls its value. */
  readonly value?: string;
  readonly help: string;
}

function optionsOf(has: ReturnType<typeof verifyBackupCapabilities.of>): readonly ProgramOption[] {
  const all: (ProgramOption | false)[] = [
    { long: "exit-on-error", short: "e", help: "exit immediately on error" },
    has.verifyBackupTar && { long: "format", short: "F", value: "p|t", help: "backup format (plain, tar)" },
    { long: "ignore", short: "i", value: "RELATIVE_PATH", help: "ignore indicated path" },
    { long: "manifest-path", short: "m", value: "PATH", help: "use specified path for manifest" },
    { long: "no-parse-wal", short: "n", help: "do not try to parse WAL files" },
    has.verifyBackupProgress && { long: "progress", short: "P", help: "show progress information" },
    { long: "quiet", short: "q", help: "do not print any output, except for errors" },
    { long: "skip-checksums", short: "s", help: "skip checksum verification" },
    has.verifyBackupWalInTar && {
      long: "wal-path",
      short: "w",
      value: "PATH",
      help: "use specified path for WAL files",
    },
    { long: "wal-directory", short: "w", value: "PATH", help: "use specified path for WAL files" },
  ];
  return all.filter((option) => option !== false);
}

/** The call is over: what the program writes, and to which output. */
class Ended extends Error {
  readonly to: "stdout" | "stderr";

  constructor(to: "stdout" | "stderr", text: string) {
    super(text);
    this.to = to;
  }
}

/**
 * Run as pg_verifybackup would.
 *
 * @param args As they were given, with `--plain`. Beside the program's options there are `--server` and `--jobs`.
 * @throws UsageError for a version that there is not.
 */
export async function run(args: readonly string[]): Promise<Status> {
  const { ours, theirs } = partsOf(args);
  // Only the options that are not the program's are read as ours.
  const { options } = readCall(declaration, ["DIRECTORY", ...ours]);
  try {
    const call = programCall(theirs, options);
    const { run } = await import("./index.ts");
    return await run(call);
  } catch (error) {
    if (!(error instanceof Ended)) throw error;
    process[error.to].write(error.message);
    return error.to === "stdout" ? status.good : status.bad;
  }
}

function partsOf(args: readonly string[]): { readonly ours: string[]; readonly theirs: string[] } {
  const ours: string[] = [];
  const theirs: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") {
      theirs.push(...args.slice(i));
      break;
    }
    if (arg === "--plain" || /^--(?:server|jobs)=/.test(arg)) ours.push(arg);
    else if (arg === "--server" || arg === "--jobs" || arg === "-j") ours.push(arg, ...args.slice(++i, i + 1));
    else theirs.push(arg);
  }
  return { ours, theirs };
}

function programCall(
  args: readonly string[],
  ours: VerifyBackupCall["options"],
): Pick<VerifyBackupCall, "argument" | "options"> {
  const server = serverVersionNum(ours.server ?? defaultServer);
  const has = verifyBackupCapabilities.of(server);
  const known = optionsOf(has);
  const fatal = has.noFatalPrefix ? "error" : "fatal";
  const hint = `${has.noFatalPrefix ? "pg_verifybackup: hint: " : ""}Try "pg_verifybackup --help" for more information.\n`;
  const fail = (message: string, after = ""): never => {
    throw new Ended("stderr", `pg_verifybackup: ${message}\n${after}`);
  };
  const [first] = args;
  if (first === "--help" || first === "-?") throw new Ended("stdout", usage(known));
  if (first === "--version" || first === "-V") {
    throw new Ended("stdout", `pg_verifybackup (PostgreSQL) ${formatServerVersion(server)}\n`);
  }
  const { given, positionals } = getopt(args, known, (message) => fail(message, hint));
  const [directory, extra] = positionals;
  const values = (short: string): string[] => given.filter((each) => each.short === short).map(({ value }) => value);
  // An invalid value is reported when it is read.
  for (const format of values("F")) {
    if (!["p", "plain", "t", "tar"].includes(format)) {
      fail(`${fatal}: invalid backup format "${format}", must be "plain" or "tar"`);
    }
  }
  if (directory === undefined) return fail(`${fatal}: no backup directory specified`, hint);
  if (extra !== undefined) fail(`${fatal}: too many command-line arguments (first is "${extra}")`, hint);
  const has1 = (short: string): boolean => values(short).length > 0;
  if (has1("P") && has1("q")) fail(`${fatal}: cannot specify both -P/--progress and -q/--quiet`);
  const format = values("F").at(-1);
  return {
    argument: [directory],
    options: {
      ...ours,
      exitOnError: has1("e"),
      format: format === undefined ? undefined : format.startsWith("p") ? "plain" : "tar",
      ignore: values("i"),
      manifestPath: values("m").at(-1),
      noParseWal: has1("n"),
      progress: has1("P"),
      quiet: has1("q"),
      skipChecksums: has1("s"),
      walPath: values("w").at(-1),
    },
  };
}

/** getopt_long(), which takes options after arguments too, and long ones that are cut. */
function getopt(args: readonly string[], known: readonly ProgramOption[], fail: (message: string) => never) {
  const given: { readonly short: string; readonly value: string }[] = [];
  const positionals: string[] = [];
  for (let i = 0; i < args.length; i++) {
    const arg = args[i]!;
    if (arg === "--") return { given, positionals: [...positionals, ...args.slice(i + 1)] };
    if (arg.startsWith("--")) {
      const [, name, value] = /^--([^=]*)(?:=(.*))?$/s.exec(arg)!;
      const option = longOption(name!, known, fail);
      if (option.value === undefined) {
        if (value !== undefined) fail(`option '--${option.long}' doesn't allow an argument`);
        given.push({ short: option.short, value: "" });
      } else if (value !== undefined) given.push({ short: option.short, value });
      else if (i + 1 < args.length) given.push({ short: option.short, value: args[++i]! });
      else fail(`option '--${option.long}' requires an argument`);
    } else if (arg.startsWith("-") && arg !== "-") {
      for (let at = 1; at < arg.length; at++) {
        const short = arg[at]!;
        const option = known.find((each) => each.short === short) ?? fail(`invalid option -- '${short}'`);
        if (option.value === undefined) {
          given.push({ short, value: "" });
          continue;
        }
        if (at + 1 < arg.length) given.push({ short, value: arg.slice(at + 1) });
        else if (i + 1 < args.length) given.push({ short, value: args[++i]! });
        else fail(`option requires an argument -- '${short}'`);
        break;
      }
    } else positionals.push(arg);
  }
  return { given, positionals };
}

function longOption(name: string, known: readonly ProgramOption[], fail: (message: string) => never): ProgramOption {
  const exact = known.find(({ long }) => long === name);
  if (exact !== undefined) return exact;
  const possible = known.filter(({ long }) => long.startsWith(name));
  const [first] = possible;
  if (first === undefined) return fail(`unrecognized option '--${name}'`);
  // Two names of the same option are no ambiguity.
  if (possible.every(({ short }) => short === first.short)) return first;
  const names = possible.map(({ long }) => `'--${long}'`).join(" ");
  return fail(`option '--${name}' is ambiguous; possibilities: ${names}`);
}

/** @source pg_verifybackup.c: usage */
function usage(known: readonly ProgramOption[]): string {
  const line = (option: string, help: string): string => `  ${option.padEnd(28)}${help}\n`;
  const options = known.map(({ long, short, value, help }, i) => {
    const name = value === undefined ? `--${long}` : `--${long}=${value}`;
    const isSecond = known[i - 1]?.short === short;
    return isSecond
      ? line(`    ${name}`, `(same as --${known[i - 1]!.long}, deprecated)`)
      : line(`-${short}, ${name}`, help);
  });
  return `pg_verifybackup verifies a backup against the backup manifest.

Usage:
  pg_verifybackup [OPTION]... BACKUPDIR

Options:
${options.join("")}${line("-V, --version", "output version information, then exit")}${line("-?, --help", "show this help, then exit")}
Report bugs to <pgsql-bugs@lists.postgresql.org>.
PostgreSQL home page: <https://www.postgresql.org/>
`;
}
