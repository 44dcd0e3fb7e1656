/** `walwire tail`: watch a logical replication stream of a server until Ctrl-C. */
import { randomUUID } from "node:crypto";
import { connect } from "../../client.ts";
import { Conversation } from "../../conversation.ts";
import { loadPg } from "../../pg.ts";
import { builtinTypes, introduction, summarise, Tail } from "../../tail.ts";
import { urlOf } from "../shared/input.ts";
import { onInterrupt } from "../shared/interrupt.ts";
import { expectLongOutput, hasColors } from "../shared/output.ts";
import { type Status, status } from "../shared/status.ts";
import type { TailCall } from "./declaration.ts";
import { writeLines } from "./lines.ts";

/** `walwire tail`. */
export async function run(call: TailCall): Promise<Status> {
  const format = call.options.jsonl ? "jsonl" : call.options.format;
  return format === undefined ? converse(call) : writeLines(call, format);
}

async function converse({ argument: url, options }: TailCall): Promise<Status> {
  expectLongOutput();
  const output = {
    write: (text: string) => process.stdout.write(text),
    isTTY: process.stdout.isTTY,
    hasColors: () => hasColors(process.stdout),
  };
  const conversation = new Conversation({ output, all: options.all });
  const connectionString = urlOf(url);
  const { types } = await loadPg();
  const connection = await connect({
    connectionString,
    replication: "database",
    connectionTimeoutMillis: 10_000,
    fallback_application_name: "walwire tail",
  });
  try {
    conversation.line(introduction(connection, ", until Ctrl-C"));
    const builtins = builtinTypes(types.builtins);
    const tail = new Tail({ connection, conversation, publications: options.publication, builtins });
    await tail.start(`walwire_tail_${randomUUID().slice(0, 8)}`);
    await readUntilInterrupt(tail, conversation);
    return status.good;
  } finally {
    await connection.disconnect();
  }
}

async function readUntilInterrupt(tail: Tail, conversation: Conversation): Promise<void> {
  let interrupted = false;
  const stop = onInterrupt(() => {
    if (interrupted) process.exit(status.interrupted);
    interrupted = true;
    // The answer is a Keepalive, with which reading ends even if nothing else happens.
    tail.ask();
  });
  try {
    await tail.read(() => interrupted);
    await tail.stop();
    summarise(tail, conversation);
  } finally {
    stop();
  }
}
