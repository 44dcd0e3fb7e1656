/** `walwire decode` of a WAL summary: the lines of pg_walsummary. */
import { basename } from "node:path";
import { dissectWalSummary } from "../../../dissect/index.ts";
import type { BlockRefTableSerializedEntry } from "../../../files/index.ts";
import {
  BLOCKREFTABLE_MAGIC,
  encodeWalSummary,
  INVALID_BLOCK_NUMBER,
  parseWalSummaryName,
  type WalSummaryChunk,
  WalSummaryReader,
  walSummaryBlocks,
} from "../../../files/wal-summary.ts";
import { DecodeError } from "../../../kernel/errors.ts";
import { formatLsn } from "../../../kernel/lsn.ts";
import { counted } from "../../../kernel/words.ts";
import { unpackedName } from "../../../wal/timeline.ts";
import { firstDifference } from "../../first-difference.ts";
import { printable } from "../shared/people.ts";
import { type FileError, type FileKind, type FilePart, magic, title, wholeTree } from "./kind.ts";

interface Relation {
  readonly entry: BlockRefTableSerializedEntry;
  readonly chunks: WalSummaryChunk[];
}

export const walSummary: FileKind = {
  name: "a WAL summary",
  recognise: magic(BLOCKREFTABLE_MAGIC),
  dissect: wholeTree("a WAL summary", dissectWalSummary),
  async *read(source, { server, verify }): AsyncGenerator<FilePart | FileError> {
    const file = unpackedName(basename(source.path));
    const named = parseWalSummaryName(file);
    if (named !== undefined) {
      const { timeline, start, end } = named;
      const [from, to] = [formatLsn(start, { server }), formatLsn(end, { server })];
      yield {
        json: { type: "WalSummary", timeline, startLsn: from, endLsn: to },
        uncounted: true,
        say: (page) => title(page, `WAL summary of timeline ${timeline} from ${from} to ${to}`),
      };
    }
    const reader = new WalSummaryReader({ file });
    const totals = { relations: 0, blocks: 0 };
    // To compare it, all of it is needed; else no more than a chunk.
    const bytes: Uint8Array[] = [];
    const relations: Relation[] = [];
    let name = "";
    try {
      for await (const piece of source.chunks) {
        if (verify) bytes.push(piece);
        for (const event of reader.receive(piece)) {
          if (event.type === "Relation") {
            totals.relations++;
            name = nameOf(event.entry);
            if (verify) relations.push({ entry: event.entry, chunks: [] });
            yield relationPart(event.entry, name);
          } else if (event.type === "Chunk") {
            const blocks = walSummaryBlocks(event.chunk, event.first);
            totals.blocks += blocks.length;
            if (verify) addChunk(relations.at(-1)!.chunks, event.first / 65536, event.chunk);
            yield blocksPart(blocks, name);
          }
        }
      }
      reader.end();
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error;
      yield { error };
      return;
    }
    yield {
      json: { type: "Totals", ...totals },
      uncounted: true,
      say: (page) => page.line(`  ${counted(totals.blocks, "block")} of ${counted(totals.relations, "fork")}`),
      mismatch: verify ? firstDifference(encoded(relations), new Uint8Array(Buffer.concat(bytes))) : undefined,
    };
  },
};

function nameOf({ spcOid, dbOid, relNumber, forknum }: BlockRefTableSerializedEntry): string {
  return `TS ${spcOid}, DB ${dbOid}, REL ${relNumber}, FORK ${forknum}`;
}

function relationPart(entry: BlockRefTableSerializedEntry, name: string): FilePart {
  const { spcOid, dbOid, relNumber, forknum, limitBlock } = entry;
  const limit = limitBlock === INVALID_BLOCK_NUMBER ? {} : { limitBlock };
  return {
    json: { type: "Relation", spcOid, dbOid, relNumber, forknum, ...limit },
    say(page) {
      if (limitBlock !== INVALID_BLOCK_NUMBER) page.line(`  ${printable(name)}: limit ${limitBlock}`);
    },
  };
}

/** Blocks of a chunk, as ranges: one that goes on in the next chunk is two. */
function blocksPart(blocks: readonly number[], name: string): FilePart {
  const ranges: [number, number][] = [];
  for (const block of blocks) {
    const last = ranges.at(-1);
    if (last !== undefined && block <= last[1] + 1) last[1] = block;
    else ranges.push([block, block]);
  }
  return {
    json: { type: "Blocks", ranges },
    uncounted: true,
    say(page) {
      for (const [first, last] of ranges) {
        page.line(`  ${printable(name)}: ${first === last ? `block ${first}` : `blocks ${first}..${last}`}`);
      }
    },
  };
}

/** Chunks that are empty have no part of the file. */
function addChunk(chunks: WalSummaryChunk[], index: number, chunk: WalSummaryChunk): void {
  while (chunks.length < index) chunks.push({ offsets: [] });
  chunks.push(chunk);
}

function encoded(relations: readonly Relation[]): Uint8Array {
  return encodeWalSummary(
    relations.map(({ entry: { nchunks, ...entry }, chunks }) => {
      while (chunks.length < nchunks) chunks.push({ offsets: [] });
      return { ...entry, chunks };
    }),
  );
}
