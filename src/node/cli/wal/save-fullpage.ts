/**
 * `walwire wal --save-fullpage`: each full page image in a file of its own, named and restored as by pg_waldump.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 * Portions Copyright (c) 1994, Regents of the University of California
 *
 * @source pg_waldump.c: create_fullpage_directory, XLogRecordSaveFPWs
 * @source xlogreader.c: RestoreBlockImage
 * @source pg_lzcompress.c: pglz_decompress
 */
import { readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DecodeError } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { DEFAULT_BLOCK_SIZE } from "../../../wal/decode.ts";
import type { WalImage } from "../../../wal/record.ts";
import { decompress, decompressLz4Block } from "../../decompress.ts";
import { makeDirectories } from "../../make-directories.ts";
import { fileError } from "../shared/file-error.ts";
import { InputError, UsageError } from "../shared/usage.ts";
import type { Found } from "./records.ts";

/** Make the directory. @throws UsageError if it is not empty */
export function makePageDirectory(path: string): void {
  try {
    makeDirectories(path);
    if (readdirSync(path).length === 0) return;
  } catch (error) {
    throw fileError(path, error);
  }
  throw new UsageError(`directory "${path}" exists but is not empty`);
}

/** Write the full page images of a record. */
export async function saveFullPages(directory: string, { record, timeline, server }: Found): Promise<void> {
  for (const { id, image, tablespace, database, relation, block, fork } of record.blocks) {
    if (image === undefined) continue;
    const page = await restore(image);
    if (page === undefined) {
      const lsn = formatLsn(record.lsn, { server });
      throw new InputError(`could not decompress image at ${lsn}, block ${id}`);
    }
    if (typeof fork === "number") throw new InputError(`invalid fork number: ${fork}`);
    const [high, low] = [record.lsn >> 32n, record.lsn & 0xffffffffn];
    const place = [timeline, high, low].map((number) => number.toString(16).toUpperCase().padStart(8, "0")).join("-");
    const path = join(directory, `${place}.${tablespace}.${database}.${relation}.${block}_${fork}`);
    try {
      writeFileSync(path, page);
    } catch (error) {
      throw fileError(path, error);
    }
  }
}

/** @returns the page, zeros in its hole; undefined if the image is damaged. */
async function restore({ bytes, compression, holeOffset, holeLength }: WalImage): Promise<Uint8Array | undefined> {
  const length = DEFAULT_BLOCK_SIZE - holeLength;
  const contents =
    compression === "none"
      ? bytes
      : compression === "pglz"
        ? decompressPglz(bytes, length)
        : compression === "lz4"
          ? decompressLz4Block(bytes, length)
          : await decompressZstd(bytes, length);
  if (contents?.length !== length) return undefined;
  const page = new Uint8Array(DEFAULT_BLOCK_SIZE);
  page.set(contents.subarray(0, holeOffset));
  page.set(contents.subarray(holeOffset), holeOffset + holeLength);
  return page;
}

async function decompressZstd(bytes: Uint8Array, length: number): Promise<Uint8Array | undefined> {
  async function* whole(): AsyncGenerator<Uint8Array> {
    yield bytes;
  }
  const contents = new Uint8Array(length);
  let have = 0;
  try {
    for await (const chunk of decompress(whole(), "zstd")) {
      if (chunk.length > length - have) return undefined;
      contents.set(chunk, have);
      have += chunk.length;
    }
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return undefined;
  }
  return contents.subarray(0, have);
}

function decompressPglz(bytes: Uint8Array, length: number): Uint8Array | undefined {
  const contents = new Uint8Array(length);
  let from = 0;
  let to = 0;
  while (from < bytes.length && to < length) {
    let control = bytes[from++]!;
    for (let item = 0; item < 8 && from < bytes.length && to < length; item++, control >>= 1) {
      if ((control & 1) === 0) {
        contents[to++] = bytes[from++]!;
        continue;
      }
      if (from + 2 > bytes.length) return undefined;
      let count = (bytes[from]! & 0x0f) + 3;
      const distance = ((bytes[from]! & 0xf0) << 4) | bytes[from + 1]!;
      from += 2;
      if (count === 18) {
        if (from >= bytes.length) return undefined;
        count += bytes[from++]!;
      }
      if (distance === 0 || distance > to) return undefined;
      for (const end = Math.min(length, to + count); to < end; to++) contents[to] = contents[to - distance]!;
    }
  }
  return to === length && from === bytes.length ? contents : undefined;
}
