/** What both oracles stand on: very many simple queries over one connection. */
import { frame, type Message, type RawConnection } from "../servers/index.ts";

/** A batch is as many queries as this, or fewer that have as many bytes. Two batches are under way at a time. */
const batchQueries = 500;
const batchBytes = 64 * 1024;

/**
 * Sends queries without waiting for the answer to each, and hands every answer, in order, to `judge`.
 *
 * @param judge Gets the messages up to ReadyForQuery. When it throws, nothing more is sent; some queries may be on their way.
 */
export async function pipeline(
  connection: RawConnection,
  queries: readonly Uint8Array[],
  judge: (answer: Message[], index: number) => void,
): Promise<void> {
  let sent = 0;
  const sendBatch = () => {
    const frames: Uint8Array[] = [];
    for (let bytes = 0; sent < queries.length && frames.length < batchQueries && bytes < batchBytes; sent++) {
      const query = frame("Q", queries[sent]!);
      frames.push(query);
      bytes += query.length;
    }
    connection.write(Buffer.concat(frames));
    return sent;
  };
  let answered = 0;
  for (let half = sendBatch(); answered < queries.length; ) {
    const next = sent < queries.length ? sendBatch() : sent;
    for (; answered < half; answered++) judge(await connection.until("Z"), answered);
    half = next;
  }
}

/**
 * A text as the body of a Query message: UTF-8 and a NUL, or the bytes and a NUL.
 *
 * @throws Error for what would reach the server as something else: a NUL in it, or a surrogate without its other half.
 */
export function queryBody(text: string | Uint8Array): Buffer {
  if (typeof text === "string" && /\p{Surrogate}/u.test(text)) {
    throw new Error(`A lone surrogate has no UTF-8: ${JSON.stringify(text)}.`);
  }
  const body = Buffer.concat([typeof text === "string" ? Buffer.from(text) : text, Buffer.alloc(1)]);
  if (body.indexOf(0) < body.length - 1) {
    throw new Error(
      `A NUL would end the text for the server: ${JSON.stringify(body.toString("latin1", 0, body.length - 1))}.`,
    );
  }
  return body;
}
