/** Dissections of the messages inside CopyData. */
import { BaseBackupMessage } from "../basebackup/messages.ts";
import type { PgoutputContext } from "../generated/logical.ts";
import type { PhysicalContext } from "../generated/physical.ts";
import { PgoutputMessage } from "../logical/messages.ts";
import { WalReceiverMessage, WalSenderMessage } from "../physical/messages.ts";
import { givenBytes, mustBeContext } from "../wire/check.ts";
import { type DissectedField, type Dissection, dissectMessage } from "../wire/dissect.ts";
import { type Conditions, type Family, otherwise } from "../wire/shape.ts";

/**
 * Dissect a message of a walsender inside CopyData.
 *
 * @param bytes The payload of one CopyData. Values have views into it.
 * @param context As for `decodeWalSenderMessage`.
 * @param pgoutput With this, the data of XLogData is dissected as a message of pgoutput in this context.
 * @returns a tree up to the damage, if there is some. Never throws for bytes.
 * @throws ArgumentError for anything but bytes and contexts.
 * @example dissectWalSenderMessage(hex("6b 0000000006033cc8 000303e6278429f8 00")).fields.map(({ name, start, end }) => `${name} ${start}-${end}`) // ["type 0-1", "walEnd 1-9", "sendTime 9-17", "replyRequested 17-18"]
 */
export function dissectWalSenderMessage(
  bytes: Uint8Array,
  context?: PhysicalContext,
  pgoutput?: PgoutputContext,
): Dissection {
  const tree = dissect(WalSenderMessage, bytes, context);
  const data = tree.fields.at(-1);
  if (pgoutput === undefined || tree.error !== undefined || data?.form !== "rest") return tree;
  const inner = dissect(PgoutputMessage, data.value as Uint8Array, pgoutput, data.start);
  const { error, ...message } = inner;
  const fields: DissectedField[] = [...tree.fields.slice(0, -1), { ...message, name: data.name }];
  return { ...tree, fields, end: message.end, error };
}

/**
 * Dissect a message of a walreceiver inside CopyData.
 *
 * @param bytes The payload of one CopyData.
 * @param context As for `decodeWalReceiverMessage`.
 * @returns a tree up to the damage, if there is some.
 * @throws ArgumentError for anything but bytes and a context.
 * @example dissectWalReceiverMessage(hex("70 000303e6278429f8")).fields.length // 2
 */
export function dissectWalReceiverMessage(bytes: Uint8Array, context?: PhysicalContext): Dissection {
  return dissect(WalReceiverMessage, bytes, context);
}

/**
 * Dissect a message of pgoutput.
 *
 * @param bytes The message alone, without XLogData around it.
 * @param context As for `decodePgoutputMessage`.
 * @returns a tree up to the damage, if there is some.
 * @throws ArgumentError for anything but bytes and a context.
 * @example dissectPgoutputMessage(hex("49 0000400b 4e 0002 74 00000001 32")).error?.code // "TRUNCATED"
 */
export function dissectPgoutputMessage(bytes: Uint8Array, context?: PgoutputContext): Dissection {
  return dissect(PgoutputMessage, bytes, context);
}

/**
 * Dissect a message inside the CopyData stream of a base backup.
 *
 * @param bytes The payload of one CopyData.
 * @returns a tree up to the damage, if there is some.
 * @throws ArgumentError for anything but bytes.
 * @example dissectBaseBackupMessage(hex("70 000000000175d600")).fields[1]?.value // 24499712n
 */
export function dissectBaseBackupMessage(bytes: Uint8Array): Dissection {
  return dissect(BaseBackupMessage, bytes, undefined);
}

function dissect(family: Family, bytes: Uint8Array, context: object | undefined, base = 0): Dissection {
  bytes = givenBytes(bytes);
  if (context !== undefined) mustBeContext(context);
  return dissectMessage(family, bytes, (context as Conditions | undefined) ?? otherwise(family.context), base);
}
