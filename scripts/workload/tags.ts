/** Counts the messages of pgoutput in a recording by their first bytes, and lists those that are expected. */
import type { Server } from "../../src/kernel/version.ts";
import { PgoutputMessage } from "../../src/logical/messages.ts";

/** All messages that any server sends, in the order in which they were added. */
export const allTags: readonly string[] = PgoutputMessage.messages.map(({ tag }) => tag);

/** The messages that this server can send. */
export function tagsOfServer(server: Server): readonly string[] {
  return PgoutputMessage.messages
    .filter(({ since }) => since === undefined || PgoutputMessage.capabilities.supports(server, since))
    .map(({ tag }) => tag);
}

/** The count of each message in payloads of CopyData, in the order of {@link allTags}. */
export function countTags(payloads: readonly Uint8Array[]): Readonly<Record<string, number>> {
  return countTagsOfMessages(
    payloads.filter((payload) => payload[0] === xLogData).map((each) => each.subarray(header)),
  );
}

/** The same for bare messages, as SQL returns them. */
export function countTagsOfMessages(messages: readonly Uint8Array[]): Readonly<Record<string, number>> {
  const count: Record<string, number> = {};
  for (const message of messages) {
    const tag = String.fromCharCode(message[0]!);
    count[tag] = (count[tag] ?? 0) + 1;
  }
  const order = (tag: string) => (allTags.includes(tag) ? allTags.indexOf(tag) : allTags.length);
  return Object.fromEntries(Object.entries(count).sort(([a], [b]) => order(a) - order(b)));
}

/** XLogData: "w", three 8-byte numbers, then the message. */
const xLogData = 0x77;
const header = 25;
