/** Messages that pass through the proxy as lines, for people and as JSON. What is in a password message is never shown. */
import { BaseBackupMessage } from "../../../basebackup/messages.ts";
import { PgoutputMessage } from "../../../logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../../../physical/messages.ts";
import { isBytes } from "../../../wire/check.ts";
import { bytesJson, type Json, jsonOf } from "../../../wire/json.ts";
import { bytesOf } from "../../../wire/reader.ts";
import type { Family } from "../../../wire/shape.ts";
import { quoteText, traceMessage } from "../../../wire/trace.ts";
import type { PassingMessage } from "../../proxy/index.ts";

const families = [WalSenderMessage, WalReceiverMessage, BaseBackupMessage];

/** The family of what CopyData holds. Types have different names in all of them. */
function familyOf({ type }: { readonly type: string }): Family {
  return families.find(({ messages }) => messages.some(({ name }) => name === type))!;
}

/** A message in a line. */
export function traceOf({ types, bytes, message, payload, change }: PassingMessage): string {
  if (change !== undefined) return traceMessage(PgoutputMessage, change);
  if (payload !== undefined) return traceMessage(familyOf(payload), payload);
  if (message === undefined) return `${quoteText(types[0]!)} ${bytesOf(bytes.length)}`;
  return [message.type, ...Object.entries(message).map(([name, value]) => traceField(name, value))]
    .filter((part) => part !== "")
    .join(" ");
}

function traceField(name: string, value: unknown): string {
  if (name === "type" || value === undefined) return "";
  if (isBytes(value)) return `${name}=${bytesOf(value.length)}`;
  if (typeof value === "string") return `${name}=${quoteText(value)}`;
  const text = JSON.stringify(value);
  return `${name}=${text.length > 200 ? `${text.slice(0, 200)}…` : text}`.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, "?");
}

/** A message as an object for a line of JSON. */
export function jsonLineOf(passing: PassingMessage): Record<string, Json> {
  const { connection, from, types, bytes, message, payload, change, error, mismatch } = passing;
  const line: Record<string, Json> = { connection, from, types, length: bytes.length };
  if (change !== undefined) line.message = jsonOf(PgoutputMessage, change);
  else if (payload !== undefined) line.message = withoutData(familyOf(payload), payload);
  else if (message !== undefined) {
    line.message = Object.fromEntries(
      Object.entries(message).map(([name, value]) => [name, fieldJson(message.type, value)]),
    );
  }
  if (error !== undefined) line.error = { code: error.code, message: error.message };
  if (mismatch !== undefined) line.mismatch = mismatch;
  return line;
}

/** WAL and files are not spelled out: a record has them. */
function withoutData(family: Family, message: { readonly type: string; readonly data?: Uint8Array }): Json {
  if (message.data === undefined) return jsonOf(family, message);
  return { ...jsonOf(family, { ...message, data: undefined } as { type: string }), length: message.data.length };
}

function fieldJson(type: string, value: unknown): Json {
  if (!isBytes(value)) return (value ?? null) as Json;
  return type === "PasswordMessage" || type === "CopyData" ? value.length : bytesJson(value);
}
