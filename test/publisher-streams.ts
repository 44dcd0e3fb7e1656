/** What a subscriber would be sent of a Publisher, without a network. */
import type { PgoutputMessage } from "../src/generated/logical.ts";
import type { Lsn } from "../src/kernel/lsn.ts";
import { PgoutputDecoder } from "../src/logical/decoder.ts";
import { type EncoderOptions, PgoutputEncoder } from "../src/publisher/encoder.ts";
import type { Publisher } from "../src/publisher/publisher.ts";
import { streamSteps } from "../src/publisher/stream.ts";

/** Everything that a slot has not confirmed, and the positions between. */
export async function sentTo(
  publisher: Publisher,
  slotname: string,
  options: Partial<EncoderOptions> = {},
): Promise<{ readonly messages: readonly PgoutputMessage[]; readonly positions: readonly Lsn[] }> {
  const { restartLsn, confirmedFlush, twoPhaseAt } = publisher.slot(slotname);
  const all: EncoderOptions = {
    protocol: 4,
    publicationNames: ["all"],
    binary: false,
    messages: true,
    streaming: "off",
    twoPhase: twoPhaseAt !== undefined,
    origin: "any",
    ...options,
  };
  const encoder = new PgoutputEncoder(publisher, { ...all, workMemory: publisher.workMemory });
  const decoder = new PgoutputDecoder({ protocol: all.protocol, streaming: all.streaming });
  const messages: PgoutputMessage[] = [];
  const positions: Lsn[] = [];
  const { signal } = new AbortController();
  for await (const step of oneByOne(
    streamSteps(publisher, encoder, {
      restartLsn,
      startpoint: confirmedFlush,
      twoPhaseAt,
      signal,
    }),
  )) {
    if (step.type === "send") for (const { data } of step.messages) messages.push(decoder.decode(data));
    else {
      positions.push(step.lsn);
      if (step.caughtUp) break;
    }
  }
  return { messages, positions };
}

/** The steps of a stream, which come several at once. */
export async function* oneByOne<T>(several: AsyncIterable<readonly T[]>): AsyncGenerator<T, void, undefined> {
  for await (const each of several) yield* each;
}
