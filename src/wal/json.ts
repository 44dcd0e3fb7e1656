/** JSON views of records, for programs in any language; what JSON's numbers cannot hold is text. */

import { refuseArgument } from "../kernel/errors.ts";
import { formatLsn } from "../kernel/lsn.ts";
import { checkObject } from "../kernel/options.ts";
import type { Server } from "../kernel/version.ts";
import { bytesJson, type Json, jsonOfStruct } from "../wire/json.ts";
import { contentsFields, type WalContents, type WalDescription } from "./contents.ts";
import { converted, type WalRecord } from "./record.ts";

/**
 * The contents of a record: `type`, then its fields, written as `jsonOf` writes those of messages.
 *
 * @param options The server in whose form LSNs are written.
 * @example jsonOfWalContents({ type: "NextOid", nextOid: 24576 }) // { type: "NextOid", nextOid: 24576 }
 */
export function jsonOfWalContents(
  contents: WalContents,
  options: { readonly server?: Server | undefined } = {},
): { readonly [name: string]: Json } {
  checkObject("options", options);
  const fields = contentsFields(contents?.type);
  if (fields === undefined)
    refuseArgument("contents", "contents of a record, as describeWalRecord returns them", contents);
  return { type: contents.type, ...jsonOfStruct({ fields }, contents, options.server) };
}

/** A record and what it is; of images and of the data of pages, whose bytes are in the WAL itself, only how long they are. */
export function jsonOfWalRecord(
  record: WalRecord,
  description: WalDescription,
  options: { readonly server?: Server | undefined } = {},
): { readonly [name: string]: Json } {
  return converted(record, () => recordJson(record, description, options));
}

function recordJson(
  record: WalRecord,
  { resourceManager, operation, contents, rest }: WalDescription,
  { server }: { readonly server?: Server | undefined },
): { readonly [name: string]: Json } {
  const { lsn, end, prev, xid, length, origin, toplevelXid, blocks } = record;
  return {
    lsn: formatLsn(lsn, { server }),
    end: formatLsn(end, { server }),
    prev: formatLsn(prev, { server }),
    xid,
    resourceManager,
    operation,
    length,
    ...(origin === undefined ? {} : { origin }),
    ...(toplevelXid === undefined ? {} : { toplevelXid }),
    ...(blocks.length === 0 ? {} : { blocks: blocks.map(blockJson) }),
    ...(contents === undefined ? {} : { contents: jsonOfWalContents(contents, { server }) }),
    ...(rest === undefined ? {} : { rest: bytesJson(rest) }),
  };
}

function blockJson({ image, data, ...block }: WalRecord["blocks"][number]): Json {
  return {
    ...block,
    ...(data === undefined ? {} : { dataLength: data.length }),
    ...(image === undefined ? {} : { image: imageJson(image) }),
  };
}

function imageJson({ bytes, ...image }: NonNullable<WalRecord["blocks"][number]["image"]>): Json {
  return { length: bytes.length, ...image };
}
