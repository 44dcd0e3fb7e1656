/** `walwire serve --wal`: the WAL of a directory. */
import { formatLsn } from "../../../kernel/lsn.ts";
import { formatServerVersion } from "../../../kernel/version.ts";
import { WalDirectory } from "../../server/index.ts";
import type { ServeCall } from "./declaration.ts";
import type { Source } from "./source.ts";

/** Serve what is there, and what comes. */
export async function walSource(path: string, { slots, baseBackup }: ServeCall["options"]): Promise<Source> {
  const directory = await WalDirectory.open(path, { slots, backup: baseBackup });
  const { server, systemid, timeline, end, handlers } = directory;
  return {
    ...{ server, systemid, handlers },
    says: `PostgreSQL ${formatServerVersion(server)}, system ${systemid}, timeline ${timeline}, WAL up to ${formatLsn(end)}`,
    contents: "WAL",
    ended: new Promise(() => {}),
    close: () => directory.close(),
  };
}
