/** What a subscriber is sent from a position on: the log of a publisher, through an encoder. */
import type { Lsn } from "../kernel/lsn.ts";
import type { Stop } from "./append-queue.ts";
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
 * The steps of a stream, which ends only with its signal, or with the publisher. Memory is that of one piece of the log.
 *
 * @throws DecodeError for a log that is damaged; what the encoder throws.
 * @source decode.c: DecodeCommit, DecodePrepare, DecodeAbort; reorderbuffer.c: ReorderBufferFinishPrepared
 */
export async function* streamSteps(
  publisher: Publisher,
  encoder: PgoutputEncoder,
  { restartLsn, startpoint, twoPhaseAt, signal }: StreamStart,
): AsyncGenerator<StreamStep, void, undefined> {
  let at = restartLsn;
  for (;;) {
    const end = publisher.end;
    // Passing over a transaction means to read on behind it.
    while (at < end && !signal.aborted) {
      let next: Lsn | undefined;
      for await (const piece of publisher.pieces(at, end)) {
        if (signal.aborted) return;
        if (piece.type === "begin") {
          const { header, prepare } = piece;
          if (header.finalLsn < startpoint || !encoder.wants(header.origin) || (prepare && twoPhaseAt === undefined)) {
            next = header.endLsn;
            break;
          }
          yield send(encoder.begin(header, piece.lsn, prepare));
        } else if (piece.type === "changes") {
          yield send(encoder.changes(recordsOf(piece)));
        } else if (piece.type === "end") {
          yield send(encoder.end());
          yield { type: "position", lsn: piece.endLsn, caughtUp: piece.endLsn === publisher.end };
        } else {
          if (piece.lsn >= startpoint) {
            if (piece.type === "message") yield send(encoder.message(piece.message, piece.lsn));
            else yield* outcome(publisher, encoder, piece, twoPhaseAt, signal);
          }
          yield { type: "position", lsn: piece.endLsn, caughtUp: piece.endLsn === publisher.end };
        }
      }
      at = next ?? end;
      if (next !== undefined) yield { type: "position", lsn: next, caughtUp: next === publisher.end };
    }
    if (signal.aborted) return;
    if (publisher.end === at) {
      yield { type: "position", lsn: at, caughtUp: true };
      await publisher.grown(at, signal);
      // It is closed: there will be nothing more.
      if (publisher.end === at) return;
    }
  }
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
): AsyncGenerator<StreamStep, void, undefined> {
  const { committed, time, lsn, endLsn, beginLsn } = piece;
  let prepared: TransactionHeader | undefined;
  for await (const each of publisher.pieces(beginLsn, lsn)) {
    if (signal.aborted) return;
    if (each.type === "begin") {
      prepared = each.header;
      if (!encoder.wants(prepared.origin)) return;
      const whole = committed && (twoPhaseAt === undefined || prepared.finalLsn < twoPhaseAt);
      if (!whole) break;
      const prepare = twoPhaseAt !== undefined;
      yield send(encoder.begin(prepare ? prepared : { ...prepared, finalLsn: lsn, endLsn, time }, each.lsn, prepare));
    } else if (each.type === "changes") {
      yield send(encoder.changes(recordsOf(each)));
    } else {
      yield send(encoder.end());
      break;
    }
  }
  if (twoPhaseAt !== undefined && prepared !== undefined)
    yield send(encoder.outcome({ committed, lsn, endLsn, time, prepared }));
}
