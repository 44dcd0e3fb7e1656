/**
 * `walwire decode`: the messages of a file, a line each, for people or as JSON; whether they encode back to the same bytes; what
 * takes the bytes.
 */
import { defaultServer } from "../../../kernel/version.ts";
import type { PgoutputDecoderOptions } from "../../../logical/decoder.ts";
import { messagesOfKind } from "../../../logical/messages.ts";
import { type PgoutputProtocol, STREAMING_SINCE } from "../../../logical/protocol.ts";
import { Conversation } from "../../conversation.ts";
import { Blocks, Progress } from "../shared/output.ts";
import { Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { UsageError } from "../shared/usage.ts";
import { dissectFile, partLine, sayPart } from "./bytes.ts";
import type { DecodeFileCall } from "./declaration.ts";
import { alsoExpected, decodeFile, fileKindOf } from "./file.ts";
import { type Input, inputOf, openSource } from "./input.ts";
import { messageLine, unreadableLine } from "./json.ts";
import { DecodePage, sayStats, sayTable, sayTotals } from "./page.ts";
import { DecodeStats } from "./stats.ts";
import { type DecodeCall, type Decoded, DecodeStream, STOPPED, tagsOf } from "./stream.ts";

/** `walwire decode`. */
export async function run({ argument: path, options }: DecodeFileCall): Promise<Status> {
  const { physical, from, server, verify, stats, changes, bytes, jsonl } = options;
  const pgoutput = pgoutputOf(options);
  if (from === "client" && pgoutput !== undefined) {
    throw new UsageError("--from client cannot be used with --proto and --streaming: a client sends no pgoutput");
  }
  const call: DecodeCall = { from, server, physical: physical || undefined, pgoutput, verify };
  const source = await openSource(path, "decode");
  const kind = fileKindOf(source);
  // With one of these the file is a stream, whatever it looks like.
  const option = physical ? "--physical" : from === "client" ? "--from client" : pgoutput && "--proto";
  if (kind !== undefined && option === undefined) {
    if (stats || changes) {
      source.close();
      throw new UsageError(`the file is ${kind.name}: --stats and --changes need a stream of messages`);
    }
    const fileCall = { server: call.server, verify, jsonl };
    return bytes ? dissectFile(kind.dissect, source, fileCall) : decodeFile(kind, source, fileCall);
  }
  const unlessStream = kind === undefined ? "" : `; without ${option}, ${kind.name}`;
  const input = inputOf(source, tagsOf(from), option === undefined ? alsoExpected : unlessStream);
  if (input.form === "rows" && (physical || from === "client")) {
    source.close();
    const found = kind?.name ?? "text. Rows of an output plugin have no XLogData";
    throw new UsageError(`${option} requires payloads of CopyData, and the file is ${found}`);
  }
  // The stacks of the errors are not shown, and making them takes a third of the time: 300,000 take 2.8 s instead of 4.3 (Node 20, 2
  // shared cores).
  Error.stackTraceLimit = 0;
  const stream = new DecodeStream(call, input.form);
  if (bytes) return decodeBytes(input, stream, { server, jsonl });
  const lines = stats ? "none" : changes ? "changes" : "all";
  return jsonl ? decodeForPrograms(input, stream, call, lines) : decodeForPeople(input, stream, call, lines);
}

/** What is said where there were nothing but errors. */
const WRONG_KIND = `${STOPPED}: is it a stream of this kind? Check --physical, --proto and --from`;

/** Which messages have a line, apart from those with which something is wrong. */
type Lines = "all" | "changes" | "none";

/** What --changes shows. */
const changeTypes = messagesOfKind("change", "message");

function hasLine({ message, error, mismatch }: Decoded, lines: Lines): boolean {
  if (lines === "all" || error !== undefined || mismatch !== undefined) return true;
  return lines === "changes" && message !== undefined && changeTypes.has(message.type);
}

/** What was asked for in START_REPLICATION; undefined if the call does not say. */
function pgoutputOf({ proto, streaming }: DecodeFileCall["options"]): PgoutputDecoderOptions | undefined {
  if (proto === undefined && streaming === undefined) return undefined;
  const options = { protocol: Number(proto ?? 4) as PgoutputProtocol, streaming: streaming ?? "off" } as const;
  const since = STREAMING_SINCE[options.streaming];
  if (options.protocol < since) throw new UsageError(`--streaming ${options.streaming} needs --proto ${since}`);
  return options;
}

/** Each message as a tree of fields. */
async function decodeBytes(
  input: Input,
  stream: DecodeStream,
  { server, jsonl }: Pick<DecodeFileCall["options"], "server" | "jsonl">,
): Promise<Status> {
  const output = new Blocks();
  const page = new Page(output);
  reading: for await (const batch of input.batches) {
    for (const item of batch) {
      if (!stream.goesOn()) break reading;
      if ("unreadable" in item) {
        stream.unreadable();
        if (jsonl) output.json(unreadableLine(item));
        else page.mark("bad", printable(item.unreadable.message));
        continue;
      }
      const { dissect, error } = stream.decode(item);
      const part = { tree: dissect(), bytes: item.bytes, offset: item.offset };
      // A message out of order has good bytes.
      const other = part.tree.error === undefined ? error : undefined;
      if (jsonl) output.json({ ...partLine(part, server), ...(other && { error: other }) });
      else sayPart(page, part, server);
      if (other !== undefined && !jsonl) page.mark("bad", printable(other.message));
      await output.flush(false);
    }
    await output.flush();
  }
  if (stream.stopped) {
    if (jsonl) output.json({ stopped: WRONG_KIND });
    else page.mark("bad", WRONG_KIND);
  }
  await output.flush();
  return statusOf(stream);
}

async function decodeForPrograms(
  input: Input,
  stream: DecodeStream,
  { server, verify }: DecodeCall,
  lines: Lines,
): Promise<Status> {
  const output = new Blocks();
  const stats = lines === "none" ? new DecodeStats() : undefined;
  reading: for await (const batch of input.batches) {
    for (const item of batch) {
      if (!stream.goesOn()) break reading;
      if ("unreadable" in item) {
        stream.unreadable();
        output.json(unreadableLine(item));
        continue;
      }
      const decoded = stream.decode(item);
      const relation = stream.relationOf(decoded.message);
      stats?.note(decoded, relation);
      if (!hasLine(decoded, lines)) continue;
      output.json(messageLine(decoded, relation, server));
      await output.flush(false);
    }
    await output.flush();
  }
  if (stream.stopped) output.json({ stopped: WRONG_KIND });
  if (stats !== undefined) output.json({ stats });
  if (verify) output.json(stream.totals);
  await output.flush();
  return statusOf(stream);
}

async function decodeForPeople(input: Input, stream: DecodeStream, call: DecodeCall, lines: Lines): Promise<Status> {
  const output = new Blocks();
  const page = new Page(output);
  const conversation = new Conversation({ output, all: true });
  const people = new DecodePage(page, conversation, call.server ?? defaultServer, call.from);
  const stats = new DecodeStats();
  const progress = new Progress("messages", input.progress);
  reading: for await (const batch of input.batches) {
    for (const item of batch) {
      if (!stream.goesOn()) break reading;
      if ("unreadable" in item) {
        stream.unreadable();
        people.unreadable(item);
        continue;
      }
      const decoded = stream.decode(item);
      stats.note(decoded, stream.relationOf(decoded.message));
      if (!hasLine(decoded, lines)) continue;
      if (lines === "none") people.errors(decoded);
      else people.message(decoded, stream.decoder);
      await output.flush(false);
    }
    await output.flush();
    progress.show(stream.totals.messages);
  }
  progress.end();
  if (stream.stopped) page.mark("bad", WRONG_KIND);
  if (lines === "none") sayStats(page, stats);
  else sayTable(page, stats);
  page.line();
  sayTotals(page, stream.totals, call.verify);
  if (call.verify) page.line(JSON.stringify(stream.totals));
  await output.flush();
  return statusOf(stream);
}

function statusOf({ totals }: DecodeStream): Status {
  return totals.errors === 0 && totals.mismatches === 0 ? status.good : status.bad;
}
