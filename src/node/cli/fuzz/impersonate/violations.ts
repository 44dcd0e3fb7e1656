/** What no walsender sends: bytes, and words for them. */
import { encodePgoutputMessage, type PgoutputMessage } from "../../../../generated/logical.ts";
import { type Lsn, toLsn } from "../../../../kernel/lsn.ts";
import type { PgTime } from "../../../../kernel/time.ts";
import { encodeFrame } from "../../../../wire/framer.ts";
import { TupleData } from "../../../../wire/tuple.ts";
import type { PgoutputViolation, Violation } from "./script.ts";

export const sayings: Readonly<Record<Violation, string>> = {
  gap: "WAL with a gap before it",
  letter: "a message in CopyData with an unknown letter",
  short: "a message in CopyData that is too short",
  type: "a message of an unknown type",
  length: "a message with the length 3",
  tag: "a message of pgoutput with an unknown letter",
  torn: "a Begin without its end",
  marker: 'an Insert with "X" where "N" is expected',
  column: "a value with the length -1",
  relation: "an Insert into a relation that was not announced",
  segment: "a StreamStop without a StreamStart",
  commit: "a Commit of another position than its Begin",
};

/** Whole messages of the protocol, or what is taken for one. */
export function framesOf(what: Violation): Uint8Array {
  switch (what) {
    case "short":
      return encodeFrame("d", Uint8Array.of(0x77, 0, 0, 0, 0));
    case "type":
      return encodeFrame("!", new Uint8Array(0));
    case "length":
      return Uint8Array.of(0x64, 0, 0, 0, 3);
    default:
      return encodeFrame("d", Uint8Array.of(0x3f, 0, 0));
  }
}

/** An oid that no table here has. */
const NOWHERE = 0xfff0_0000;

/** Messages of pgoutput after which the client must close the connection. */
export function messagesOf(
  what: PgoutputViolation,
  relation: Extract<PgoutputMessage, { readonly type: "Relation" }>,
  begin: { readonly finalLsn: Lsn; readonly commitTime: PgTime; readonly xid: number },
): readonly Uint8Array[] {
  const { relationId } = relation;
  const first = encodePgoutputMessage({ type: "Begin", ...begin });
  const insert = encodePgoutputMessage({ type: "Insert", relationId, newTuple: TupleData.of(["1", "a"]) });
  const changed = (at: number, ...bytes: readonly number[]): Uint8Array => {
    const copy = insert.slice();
    copy.set(bytes, at);
    return copy;
  };
  switch (what) {
    case "tag":
      return [first, Uint8Array.of(0x3f)];
    case "torn":
      return [first.subarray(0, 10)];
    case "marker":
      // The letter, the oid, and then the marker.
      return [first, encodePgoutputMessage(relation), changed(5, 0x58)];
    case "column":
      // After it the number of columns, and the letter of the first.
      return [first, encodePgoutputMessage(relation), changed(9, 0xff, 0xff, 0xff, 0xff)];
    case "relation":
      return [
        first,
        encodePgoutputMessage({ type: "Insert", relationId: NOWHERE, newTuple: TupleData.of(["1", "a"]) }),
      ];
    case "segment":
      return [encodePgoutputMessage({ type: "StreamStop" })];
    case "commit": {
      const commitLsn = toLsn(begin.finalLsn + 8n);
      const endLsn = toLsn(begin.finalLsn + 16n);
      return [first, encodePgoutputMessage({ type: "Commit", commitLsn, endLsn, commitTime: begin.commitTime })];
    }
  }
}
