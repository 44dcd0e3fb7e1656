/** `walwire tail` with a format: committed changes as lines for programs. */
import { SlotError } from "../../../kernel/errors.ts";
import { type Lsn, parseLsn } from "../../../kernel/lsn.ts";
import { requireCapability } from "../../../kernel/version.ts";
import { logicalCapabilities } from "../../../logical/capabilities.ts";
import { judgeSlotName } from "../../../text/slot-name.ts";
import { TypeMap } from "../../../values/type-map.ts";
import { connect } from "../../client.ts";
import { type Subscription, type SubscriptionStore, subscribe } from "../../subscribe/index.ts";
import { follow, OutputError } from "../../tail/follow.ts";
import { type FormatName, formats } from "../../tail/lines.ts";
import { FileOutput, StreamOutput } from "../../tail/outputs.ts";
import { choosePublications, mustBeLogical } from "../../tail.ts";
import { TailError } from "../../tail-error.ts";
import { explain } from "../shared/explain-error.ts";
import { errnoWords } from "../shared/file-error.ts";
import { urlOf } from "../shared/input.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { expectLongOutput } from "../shared/output.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import type { TailCall } from "./declaration.ts";

/** Milliseconds to connect. */
const TIMEOUT = 10_000;
/** A transaction under way may be long, and its reader slow; a second Ctrl-C ends at once. Milliseconds. */
const STOP_TIMEOUT = 2 ** 31 - 1;

/** Follow a slot, and write what it sends as lines. */
export async function writeLines({ argument: url, options }: TailCall, format: FormatName): Promise<Status> {
  expectLongOutput();
  checkCall(options, format);
  const abort = new AbortController();
  const stop = onInterrupt(() => {
    if (abort.signal.aborted) process.exit(status.interrupted);
    abort.abort();
  });
  const connection = { connectionString: urlOf(url), fallback_application_name: "walwire tail" };
  const found = await look(connection, options);
  const isPermanent = options.slot !== undefined && !options.temporary;
  const file =
    options.output === undefined
      ? undefined
      : await FileOutput.open(options.output, isPermanent ? options.slot : undefined);
  const { start } = options;
  if (start !== undefined && file?.position !== undefined) {
    await file.close();
    throw new TailError(`${options.output} goes on where it ended: leave --start out, or choose another --output`);
  }
  const typeMap = new TypeMap();
  const lines = new formats[format](typeMap, found.database, options.tables);
  let subscription: Subscription | undefined;
  try {
    subscription = subscribe({
      connection,
      slotname: options.slot,
      temporary: !isPermanent,
      publications: found.publications,
      create: options.createSlot || !isPermanent,
      // One table after the other: a file is cut where the last complete one ends.
      copy: options.copy && { workers: file === undefined ? 4 : 1 },
      store: isPermanent ? (file?.store(start) ?? startingAt(start)) : undefined,
      streaming: options.streaming,
      binary: options.binary,
      messages: options.messages,
      twoPhase: options.twoPhase,
      prepared: options.twoPhase && options.copy ? "hold" : "emit",
      skipMissing: options.skipMissing,
      typeMap,
      stopTimeout: STOP_TIMEOUT,
      signal: abort.signal,
    });
    if (file !== undefined) {
      await subscription.start();
      // Not if it was ended meanwhile.
      if (!abort.signal.aborted) await file.begin();
    }
    const output = file ?? new StreamOutput(process.stdout);
    await follow({ subscription, lines, output, until: found.until });
    await file?.close();
    return status.good;
  } catch (error) {
    if (!(error instanceof OutputError)) {
      await subscription?.stop();
      await file?.close();
      throw sayable(error, options);
    }
    const { cause } = error;
    const sentence = options.output === undefined ? undefined : `${options.output}: ${errnoWords(error.message)}`;
    process.stderr.write(`walwire: ${sentence ?? explain(cause)?.sentence ?? error.message}\n`);
    // The stream is open, and what was not written is not to be confirmed.
    process.exit(status.unseen);
  } finally {
    stop();
  }
}

type Options = TailCall["options"];

function checkCall(options: Options, format: FormatName): void {
  const { slot, copy, output, temporary, createSlot, start, until, twoPhase } = options;
  if (twoPhase && format !== "jsonl")
    throw new UsageError(`--two-phase requires --jsonl: ${format} has no lines for it`);
  if (options.tables && format !== "jsonl")
    throw new UsageError(`--tables requires --jsonl: ${format} has no lines for it`);
  if (copy && format === "wal2json") throw new UsageError("--copy requires --jsonl or --format debezium");
  const refusal = slot === undefined ? undefined : judgeSlotName(slot);
  if (refusal !== undefined) {
    throw new UsageError(
      `--slot: expected lower-case letters, digits and underscores, at most 63, got ${JSON.stringify(slot)}`,
    );
  }
  if (temporary && start !== undefined)
    throw new UsageError("--start requires a slot that exists: leave --temporary out");
  if (copy && slot !== undefined && !temporary && output === undefined) {
    throw new UsageError("--copy with --slot requires --output, which keeps what has been copied");
  }
  if (createSlot && start !== undefined) {
    throw new UsageError("--start and --create-slot are mutually exclusive: a new slot begins now");
  }
  if (until !== undefined) untilOf(until);
}

/** @returns undefined for "now" */
function untilOf(text: string): Lsn | undefined {
  if (text === "now") return undefined;
  try {
    return parseLsn(text);
  } catch {
    throw new UsageError(`--until: expected a position such as 0/16B3748, or now, got ${JSON.stringify(text)}`);
  }
}

/** What must be known before the subscription. @throws TailError */
async function look(
  server: { readonly connectionString: string; readonly fallback_application_name: string },
  { publication, until }: Options,
): Promise<{ readonly database: string; readonly publications: readonly string[]; readonly until: Lsn | undefined }> {
  const connection = await connect({ ...server, replication: "database", connectionTimeoutMillis: TIMEOUT });
  try {
    requireCapability(logicalCapabilities, connection.serverVersion, "pgoutput", "Logical replication with pgoutput");
    const { xlogpos, dbname } = await connection.identifySystem();
    const level = await connection.query("SHOW wal_level");
    mustBeLogical(level.rows[0]?.[0]);
    const { rows } = await connection.query("SELECT pubname FROM pg_catalog.pg_publication ORDER BY pubname");
    return {
      database: dbname ?? "",
      publications: choosePublications(
        rows.map(([name]) => String(name)),
        publication,
      ),
      until: until === undefined ? undefined : (untilOf(until) ?? xlogpos),
    };
  } finally {
    await connection.disconnect();
  }
}

/** A store that only says where to begin. */
function startingAt(lsn: Lsn | undefined): SubscriptionStore | undefined {
  if (lsn === undefined) return undefined;
  return { load: () => ({ lsn, copied: [] }), save: () => {} };
}

/** An error of the subscription, with what to type instead. */
function sayable(error: unknown, { slot, output, start, temporary }: Options): unknown {
  if (!(error instanceof SlotError)) return error;
  const anew = output === undefined ? "" : `, move ${output} and ${output}.state away,`;
  switch (error.code) {
    case "SLOT_MISSING":
      return new TailError(
        error.message.includes("existed before")
          ? `${error.message.replace(/ To begin anew.*$/s, "")} To begin anew${anew} and add --create-slot --copy`.replace(
              ",  and",
              " and",
            )
          : `the slot ${slot} does not exist: add --create-slot`,
      );
    case "SLOT_LOST":
      return new TailError(
        `${error.message.replace(/ Drop the slot.*$/s, "")} Drop the slot with SELECT pg_drop_replication_slot('${slot}')${anew} and add --create-slot --copy`,
      );
    case "PUBLICATION_MISSING": {
      const drop = `, drop the slot with SELECT pg_drop_replication_slot('${slot}')${anew} and add --create-slot${output === undefined ? "" : " --copy"}`;
      return new TailError(
        `${error.message.replace(/ Create it, .*$/s, "")} Create it${slot === undefined || temporary ? " and start again" : drop}; or, from PostgreSQL 18 on, add --skip-missing to go on without these changes`,
      );
    }
    case "POSITION_LOST":
      if (start === undefined) return new TailError(error.message);
      return new TailError(
        `${error.message.replace(/: the changes between.*$/s, "")}: leave --start out to begin where the slot is`,
      );
    case "SLOT_MISMATCH":
      return new TailError(
        error.message
          .replace(/: pass twoPhase: true/, ": add --two-phase")
          .replace(
            /: create another one with twoPhase: true, or leave twoPhase out/,
            ": leave --two-phase out, or create another slot with it",
          ),
      );
    default:
      return new TailError(error.message);
  }
}
