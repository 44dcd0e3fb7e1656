/** What a subscriber is sent from a position on: the log of a publisher, through an encoder. */
import type { Lsn } from "../kernel/lsn.ts";
import type { Stop } from "../kernel/stop.ts";
import type { Sent, TransactionHeader } from "./changes.ts";
import type { PgoutputEncoder } from "./encoder.ts";
import { type PlacedPiece, recordsOf } from "./log.ts";
import type { Publisher } from "./publisher.ts";

/** One step of a stream. */
export type StreamStep =
  /** Messages to send, in order: at most those of one piece of the log. */
  | { readonly type: "send"; readonly messages: readonly Sent[] }
  /** Everything that ended at or before `lsn` has been given; a transaction begins there, or will. */
  | { readonly type: "position"; readonly lsn: Lsn; readonly caughtUp: boolean };

/** Where a stream begins. */
export interface StreamStart {
  /** Where to read from: the restartLsn of a slot. */
  readonly restartLsn: Lsn;
  /** Transactions whose last record is before this position are passed over. */
  readonly startpoint: Lsn;
  /** The slot's; undefined if prepared transactions are sent when they commit. */
  readonly twoPhaseAt: Lsn | undefined;
  /** Ends the stream. */
  readonly signal: Stop;
}

/**
 * The steps of a stream, those of one read of the log at a time. It ends only with its signal, or with the publisher. Memory is that of one
 * read, or of one piece of the log if that is longer.
 *
 * @throws DecodeError for a log that is damaged; what the encoder throws. What comes before has been given then.
 * @source decode.c: DecodeCommit, DecodePrepare, DecodeAbort; reorderbuffer.c: ReorderBufferFinishPrepared
 */
export async function* streamSteps(
  publisher: Publisher,
  encoder: PgoutputEncoder,
  { restartLsn, startpoint, twoPhaseAt, signal }: StreamStart,
): AsyncGenerator<readonly StreamStep[], void, undefined> {
  let at = restartLsn;
  for (;;) {
    const end = publisher.end;
    // Passing over a transaction that is longer than one read means to read on behind it.
    while (at < end && !signal.aborted) {
      let next = at;
      let read = at;
      for await (const pieces of publisher.pieces(at, end)) {
        if (signal.aborted) return;
        let steps: StreamStep[] = [];
        try {
          for (const piece of pieces) {
            read = piece.endLsn;
            if (piece.lsn < next) continue;
            if (piece.type === "begin") {
              const { header, prepare } = piece;
              if (
                header.finalLsn < startpoint ||
                !encoder.wants(header.origin) ||
                (prepare && twoPhaseAt === undefined)
              ) {
                next = header.endLsn;
                steps.push(position(publisher, next));
              } else steps.push(send(encoder.begin(header, piece.lsn, prepare)));
            } else if (piece.type === "changes") {
              steps.push(send(encoder.changes(recordsOf(piece))));
            } else if (piece.type === "end") {
              steps.push(send(encoder.end()), position(publisher, piece.endLsn));
            } else if (piece.type !== "mark") {
              if (piece.lsn >= startpoint) {
                if (piece.type === "message") steps.push(send(encoder.message(piece.message, piece.lsn)));
                else {
                  const before = steps;
                  steps = [];
                  yield before;
                  yield* outcome(publisher, encoder, piece, twoPhaseAt, signal);
                }
              }
              steps.push(position(publisher, piece.endLsn));
            }
          }
        } catch (error) {
          yield steps;
          throw error;
        }
        yield steps;
        if (next > read) break;
      }
      at = next > read ? next : end;
    }
    if (signal.aborted) return;
    if (publisher.end === at) {
      yield [position(publisher, at)];
      await publisher.grown(at, signal);
      // It is closed: there will be nothing more.
      if (publisher.end === at) return;
    }
  }
}

function position({ end }: Publisher, lsn: Lsn): StreamStep {
  return { type: "position", lsn, caughtUp: lsn === end };
}

function send(messages: readonly Sent[]): StreamStep {
  return { type: "send", messages };
}

/** What became of a prepared transaction: the whole of it, if it was not sent when it was prepared. */
async function* outcome(
  publisher: Publisher,
  encoder: PgoutputEncoder,
  piece: Extract<PlacedPiece, { type: "outcome" }>,
  twoPhaseAt: Lsn | undefined,
  signal: Stop,
): AsyncGenerator<readonly StreamStep[], void, undefined> {
  const { committed, time, lsn, endLsn, beginLsn } = piece;
  let prepared: TransactionHeader | undefined;
  reading: for await (const pieces of publisher.pieces(beginLsn, lsn)) {
    for (const each of pieces) {
      if (signal.aborted) return;
      if (each.type === "begin") {
        prepared = each.header;
        if (!encoder.wants(prepared.origin)) return;
        const whole = committed && (twoPhaseAt === undefined || prepared.finalLsn < twoPhaseAt);
        if (!whole) break reading;
        const prepare = twoPhaseAt !== undefined;
        const header = prepare ? prepared : { ...prepared, finalLsn: lsn, endLsn, time };
        yield [send(encoder.begin(header, each.lsn, prepare))];
      } else if (each.type === "changes") {
        yield [send(encoder.changes(recordsOf(each)))];
      } else {
        yield [send(encoder.end())];
        break reading;
      }
    }
  }
  if (twoPhaseAt !== undefined && prepared !== undefined)
    yield [send(encoder.outcome({ committed, lsn, endLsn, time, prepared }))];
}
