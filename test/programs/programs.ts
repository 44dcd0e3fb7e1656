/**
 * PostgreSQL 15's own programs, as peers and judges. On Debian they come with the package postgresql-15; a test that needs one fails
 * where it is not there.
 */
import { spawn } from "node:child_process";
import { accessSync, constants } from "node:fs";
import { join } from "node:path";

/** WALWIRE_PROGRAMS names another directory. */
const directory = process.env.WALWIRE_PROGRAMS ?? "/usr/lib/postgresql/15/bin";

export type Program =
  | "initdb"
  | "pg_basebackup"
  | "pg_controldata"
  | "pg_receivewal"
  | "pg_recvlogical"
  | "pg_verifybackup"
  | "pg_waldump"
  | "postgres"
  | "psql";

/** What a program did: its exit status, null after a signal, and what it wrote. */
export interface Outcome {
  readonly status: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The path of a program.
 *
 * @throws Error if it is not there.
 */
export function pathOf(program: Program): string {
  const path = join(directory, program);
  try {
    accessSync(path, constants.X_OK);
  } catch {
    throw new Error(`${path} is not there: install Debian's postgresql-15, or say where it is with WALWIRE_PROGRAMS.`);
  }
  return path;
}

/** Runs a program to its end, in English. */
export function runProgram(program: Program, args: readonly string[]): Promise<Outcome> {
  const child = spawn(pathOf(program), args, {
    env: { PATH: process.env.PATH, LC_ALL: "C", TZ: "UTC" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (text: string) => {
      output[name] += text;
    });
  }
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve({ status, ...output }));
  });
}
