/** What `walwire decode --jsonl` prints: one object a line. */

import type { Relation } from "../../../generated/logical.ts";
import { DecodeError, type ProtocolError } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { formatPgTime } from "../../../kernel/time.ts";
import type { Server } from "../../../kernel/version.ts";
import { type Json, jsonOf } from "../../../wire/json.ts";
import type { Unreadable } from "./input.ts";
import type { Around, Decoded } from "./stream.ts";

type Line = Record<string, Json>;

/** A message: where it stands in the file, what is around it, and what it is or what is wrong with it. */
export function messageLine(decoded: Decoded, relation: Relation | undefined, server: Server | undefined): Line {
  const { item, around, message, error, mismatch, advice } = decoded;
  const line: Line = { offset: item.offset, ...(around === undefined ? {} : aroundJson(around, server)) };
  if (relation !== undefined) {
    line.schema = relation.namespace || "pg_catalog";
    line.table = relation.name;
  }
  if (message !== undefined) line.message = messageJson(decoded, message, server);
  if (error !== undefined) {
    line.error = { ...errorJson(error), ...(advice === undefined ? {} : { advice }) };
  }
  if (mismatch !== undefined) line.mismatch = mismatch;
  return line;
}

export function unreadableLine({ offset, unreadable }: Unreadable): Line {
  return { offset, error: errorJson(unreadable) };
}

/** WAL is not spelled out: the file has it. */
function messageJson({ family }: Decoded, message: NonNullable<Decoded["message"]>, server: Server | undefined): Json {
  if (message.type !== "XLogData") return jsonOf(family, message, server);
  const withoutData: object = { ...message, data: undefined };
  return { ...jsonOf(family, withoutData as { type: string }, server), length: message.data.length };
}

function aroundJson({ lsn, walEnd, sendTime, xid }: Around, server: Server | undefined): Line {
  const line: Line = {};
  if (lsn !== undefined) line.lsn = formatLsn(lsn, { server });
  if (walEnd !== undefined) line.walEnd = formatLsn(walEnd, { server });
  if (sendTime !== undefined) line.sendTime = formatPgTime(sendTime);
  if (xid !== undefined) line.xid = xid;
  return line;
}

function errorJson(error: DecodeError | ProtocolError): Line {
  const { code, message } = error;
  return error instanceof DecodeError ? { code, message, path: error.path, offset: error.offset } : { code, message };
}
