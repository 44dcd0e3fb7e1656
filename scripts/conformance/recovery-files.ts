/** backup_label, tablespace_map and timeline histories, good and damaged: what a server says that is to start from them. */
import { rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { checkBackupLabel, parseTablespaceMap, parseTimeLineHistory } from "../../src/files/index.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { type OwnServer, startServer } from "../../test/servers/index.ts";
import { Image } from "../../test/start-alone.ts";
import { backUp, labels, maps, timelines } from "../../test/text-files.ts";
import type { Kind } from "./kind.ts";

const contents = { backup_label: labels, tablespace_map: maps, "00000005.history": timelines };

interface RecoveryFileInput {
  readonly name: keyof typeof contents;
  readonly content: string;
}

type RecoveryFileSaid =
  | { readonly verdict: "accepted" }
  | { readonly verdict: "rejected"; readonly message: string; readonly detail?: string; readonly hint?: string };

/** What a server says when it has read the file: of the checkpoint that is not there, of a link that it cannot make. */
const afterReading = /^could not locate (?:a valid|required) checkpoint record|pg_tblspc\/|^requested timeline \d/;

export const recoveryFiles: Kind<RecoveryFileInput, RecoveryFileSaid> = {
  name: "recovery-files",

  inputs: () =>
    Object.entries(contents).flatMap(([name, all]) =>
      all.map((content) => ({ name: name as RecoveryFileInput["name"], content })),
    ),

  async ask({ major }, inputs) {
    // Its own: in the WAL of a server that others have used, there may be a checkpoint just where a label says.
    const server = await startServer({ major });
    try {
      const { labelFile } = await backUp(server, "recovery files");
      const image = new Image(server, { tables: false });
      try {
        const said: (RecoveryFileSaid | undefined)[] = [];
        for (const input of inputs) said.push(await startsFrom(server, image, labelFile, input));
        return said;
      } finally {
        image.remove();
      }
    } finally {
      await server.stop();
    }
  },

  ours({ name, content }, { versionNum: server }) {
    try {
      if (name === "backup_label") checkBackupLabel(content, { server });
      else if (name === "tablespace_map") parseTablespaceMap(content, { server });
      else parseTimeLineHistory(content, 5, { server });
      return { said: { verdict: "accepted" } };
    } catch (error) {
      if (!(error instanceof ParseError)) throw error;
      return { said: rejection(error) };
    }
  },
};

async function startsFrom(
  server: OwnServer,
  image: Image,
  labelFile: string,
  { name, content }: RecoveryFileInput,
): Promise<RecoveryFileSaid | undefined> {
  // From a map without entries it would start for good.
  if (name === "tablespace_map" && isEmptyMap(content, server)) return undefined;
  const write = (file: string, text: string): void => writeFileSync(join(image.directory, file), text);
  for (const file of [
    "backup_label",
    "tablespace_map",
    "recovery.conf",
    "recovery.signal",
    "pg_wal/00000005.history",
  ]) {
    rmSync(join(image.directory, file), { force: true });
  }
  let settings: Record<string, string> = {};
  if (name === "00000005.history") {
    const target = { restore_command: "false", recovery_target_timeline: "5" };
    const lines = Object.entries(target).map((pair) => `${pair[0]} = '${pair[1]}'\n`);
    if (server.major < 12) write("recovery.conf", lines.join(""));
    else write("recovery.signal", "");
    settings = server.major < 12 ? {} : target;
    write("pg_wal/00000005.history", content);
  } else {
    if (name === "tablespace_map") {
      write("backup_label", labelFile);
      rmSync(join(image.directory, "pg_tblspc"), { recursive: true, force: true });
    }
    write(name, content);
  }
  const { said } = await image.start(settings);
  if (said === undefined) throw new Error(`PostgreSQL ${server.major} started from ${JSON.stringify(content)}.`);
  return afterReading.test(said.message) ? { verdict: "accepted" } : rejection(said);
}

function isEmptyMap(content: string, { versionNum: server }: OwnServer): boolean {
  try {
    return parseTablespaceMap(content, { server }).length === 0;
  } catch (error) {
    if (!(error instanceof ParseError)) throw error;
    return false;
  }
}

function rejection({
  message,
  detail,
  hint,
}: {
  message: string;
  detail?: string | undefined;
  hint?: string | undefined;
}) {
  return {
    verdict: "rejected" as const,
    message,
    ...(detail !== undefined && { detail }),
    ...(hint !== undefined && { hint }),
  };
}
