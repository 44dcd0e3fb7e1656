/**
 * An oracle of what a walsender refuses of a command that it has parsed: the commands are run, and do no harm.
 *
 * The texts of checked-commands.ts are such that each ends in an error or leaves nothing behind: a logical slot is made with a
 * plugin that there is not, a physical one is dropped again, altered is a slot that there is not, a backup has a label that is too
 * long at its end, and a stream is ended at once. What the server says then, it says after the checks: the command was accepted.
 */
import { createHash } from "node:crypto";
import { streamed, tooLong } from "../../src/arbitraries/checked-command.ts";
import { supports } from "../../src/capabilities.ts";
import type { ServerBuild } from "../../src/command/index.ts";
import { checked, errorFields, frame, type Message, type RawConnection, type Server } from "../servers/index.ts";
import { pipeline, queryBody } from "./pipeline.ts";

/** What the server says to a client, as far as we say it too. */
export interface Complaint {
  readonly sqlstate: string;
  readonly message: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
}

/** What a server with these texts says when the checks are over. */
const afterChecks: readonly RegExp[] = [
  /^58P01 could not access file "nosuchplugin": /,
  /^42501 library "nosuchplugin" may not be used as an output plugin$/,
  /^XX000 CREATE_REPLICATION_SLOT \.\.\. \S.* must be called inside a transaction$/,
  /^42704 replication slot ".*" does not exist$/s,
];

/**
 * Runs commands on a connection with or without a database.
 *
 * @returns for each, in order, what the server complained of; undefined if it was accepted.
 */
export async function outcomes(
  server: Server,
  texts: readonly string[],
  database: boolean,
): Promise<(Complaint | undefined)[]> {
  const complaints: (Complaint | undefined)[] = new Array(texts.length);
  const isStream = (i: number) => texts[i]!.startsWith("START");
  const open = () => server.connect({ replication: database ? "database" : "true" });
  let connection = await open();
  try {
    // A stream takes what comes after its end for a mistake, so those are run one by one.
    for (const i of [...texts.keys()].filter(isStream)) {
      complaints[i] = complaint(await stream(connection, texts[i]!));
      if (complaints[i] !== undefined) continue;
      // Before 16 a session that has streamed ten times or so is at its end: "out of relcache_callback_list slots".
      await connection.close();
      connection = await open();
    }
    if (supports(server.versionNum, "uploadManifest")) await uploadManifest(connection);
    const others = [...texts.keys()].filter((i) => !isStream(i));
    const queries = others.flatMap((i) => [queryBody(texts[i]!), queryBody(dropOf(texts[i]!))]);
    await pipeline(connection, queries, (answer, nth) => {
      if (nth % 2 === 0) complaints[others[nth / 2]!] = complaint(answer);
    });
    return complaints;
  } finally {
    await connection.close();
  }
}

/** What the server is built with, by its own word. */
export async function buildOf(server: Server): Promise<ServerBuild> {
  if (!supports(server.versionNum, "genericOptions")) return {};
  const names = ["gzip", "lz4", "zstd"];
  const said = await outcomes(
    server,
    names.map((name) => `BASE_BACKUP (COMPRESSION ${name}, ${tooLong})`),
    false,
  );
  return Object.fromEntries(names.map((name, i) => [name, !said[i]!.message.includes("this build")]));
}

/** Makes the slot for streams. */
export async function prepare(server: Server): Promise<void> {
  if (!supports(server.versionNum, "pgoutput")) return;
  await server.sql(`SELECT pg_create_logical_replication_slot('${streamed}', 'pgoutput')`);
}

/** Without a manifest the server refuses an incremental backup before it has checked all. This one is of nothing. */
async function uploadManifest(connection: RawConnection): Promise<void> {
  const row = checked(await connection.query("IDENTIFY_SYSTEM")).find(({ type }) => type === "D")!.body;
  const systemIdentifier = row.toString("latin1", 6, 6 + row.readInt32BE(2));
  const manifest = `{ "PostgreSQL-Backup-Manifest-Version": 2,
"System-Identifier": ${systemIdentifier},
"Files": [],
"WAL-Ranges": [{ "Timeline": 1, "Start-LSN": "0/1", "End-LSN": "0/2" }],
`;
  const checksum = createHash("sha256").update(manifest).digest("hex");
  connection.send("Q", "UPLOAD_MANIFEST");
  await connection.until("G");
  connection.send("d", Buffer.from(`${manifest}"Manifest-Checksum": "${checksum}"}\n`));
  connection.send("c", Buffer.alloc(0));
  checked(await connection.until("Z"));
}

/** Starts a stream and ends it. If it does not start, CopyDone is nothing to the server. */
function stream(connection: RawConnection, text: string): Promise<Message[]> {
  connection.write(Buffer.concat([frame("Q", queryBody(text)), frame("c", Buffer.alloc(0))]));
  return connection.until("Z");
}

/** Drops the slot that a text may have made, or does nothing. */
function dropOf(text: string): string {
  const name = /^CREATE_REPLICATION_SLOT "?([a-z0-9_]+)"? /.exec(text)?.[1];
  return name === undefined ? "IDENTIFY_SYSTEM" : `DROP_REPLICATION_SLOT "${name.slice(0, 63)}"`;
}

function complaint(answer: readonly Message[]): Complaint | undefined {
  const error = answer.find(({ type }) => type === "E");
  if (error === undefined) return undefined;
  const { C, M, D, H } = errorFields(error.body);
  if (afterChecks.some((pattern) => pattern.test(`${C} ${M}`))) return undefined;
  return { sqlstate: C!, message: M!, detail: D, hint: H };
}
