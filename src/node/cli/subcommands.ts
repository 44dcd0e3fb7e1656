/** The subcommands: their declarations, and the location of their code, which is loaded on use. */
import { baseBackup } from "./base-backup/declaration.ts";
import { combineBackup } from "./combine-backup/declaration.ts";
import { command } from "./command/declaration.ts";
import { completion } from "./completion/declaration.ts";
import { decode } from "./decode/declaration.ts";
import { doctor } from "./doctor/declaration.ts";
import { fuzz } from "./fuzz/declaration.ts";
import { proxy } from "./proxy/declaration.ts";
import { receiveWal } from "./receive-wal/declaration.ts";
import { serve } from "./serve/declaration.ts";
import type { CallOf, Declaration } from "./shared/declare.ts";
import { readCall } from "./shared/read-call.ts";
import type { Status } from "./shared/status.ts";
import { sync } from "./sync/declaration.ts";
import { tail } from "./tail/declaration.ts";
import { verifyBackup } from "./verify-backup/declaration.ts";
import { wal } from "./wal/declaration.ts";

export interface Subcommand {
  readonly declaration: Declaration;
  /** @throws UsageError if the call is wrong. */
  readonly run: (args: readonly string[]) => Promise<Status>;
  /** For a subcommand that replaces another program, with that program's help and errors: the call, or undefined if it does not. */
  readonly instead?: (args: readonly string[]) => Promise<Status> | undefined;
}

/** In the order of the help. */
export const subcommands: readonly Subcommand[] = [
  subcommand(command, () => import("./command/index.ts")),
  subcommand(sync, () => import("./sync/index.ts")),
  subcommand(decode, () => import("./decode/index.ts")),
  subcommand(wal, () => import("./wal/index.ts")),
  {
    ...subcommand(verifyBackup, () => import("./verify-backup/index.ts")),
    instead: (args) =>
      args.includes("--plain") && !args.includes("--jsonl")
        ? import("./verify-backup/pg-verifybackup.ts").then(({ run }) => run(args))
        : undefined,
  },
  subcommand(baseBackup, () => import("./base-backup/index.ts")),
  subcommand(combineBackup, () => import("./combine-backup/index.ts")),
  subcommand(receiveWal, () => import("./receive-wal/index.ts")),
  subcommand(doctor, () => import("./doctor/index.ts")),
  subcommand(tail, () => import("./tail/index.ts")),
  subcommand(serve, () => import("./serve/index.ts")),
  subcommand(proxy, () => import("./proxy/index.ts")),
  subcommand(fuzz, () => import("./fuzz/index.ts")),
  subcommand(completion, async () => {
    const { run } = await import("./completion/index.ts");
    return { run: async (call) => run(call, declarations) };
  }),
];

export const declarations: readonly Declaration[] = subcommands.map(({ declaration }) => declaration);

function subcommand<D extends Declaration>(
  declaration: D,
  load: () => Promise<{ readonly run: (call: CallOf<D>) => Promise<Status> }>,
): Subcommand {
  return {
    declaration,
    run: async (args) => {
      const call = readCall(declaration, args);
      return (await load()).run(call);
    },
  };
}
