/**
 * Whatever happens to a relation between the backups of a chain, the combined file is what it was at the last one.
 *
 * The relation is simulated; the incremental files are made of it by the rule by which servers make them.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect } from "vitest";
import { encodeIncrementalHeader } from "../../src/basebackup/index.ts";
import { combineBackup } from "../../src/node/combine-backup.ts";
import { verifyBackup } from "../../src/node/verify-backup.ts";
import { chainContents, makeBackup } from "../backups.ts";
import { law } from "./law.ts";

const folder = mkdtempSync(join(tmpdir(), "walwire-combine-law-"));

afterAll(() => rmSync(folder, { recursive: true }));

/** What happens to the relation. */
const change = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      type: fc.constant("write" as const),
      block: fc.nat(150),
      mark: fc.integer({ min: 1, max: 255 }),
    }),
  },
  fc.record({ type: fc.constant("truncate" as const), blocks: fc.nat(150) }),
  // Blocks of zeros, without WAL: no summary names them.
  fc.record({ type: fc.constant("extend" as const), by: fc.nat(100) }),
  // VACUUM FULL and others: a new file, which comes whole.
  fc.constant({ type: "rewrite" as const }),
);

/** A block by its mark: 0 is one of zeros. */
const bytesOf = (marks: readonly number[]): Buffer => Buffer.concat(marks.map((mark) => Buffer.alloc(8192, mark)));

/** The relation at a backup, and what is backed up of it. */
interface Step {
  readonly marks: readonly number[];
  /** The greatest length that the relation has had since its file came whole. */
  readonly longest: number;
  readonly file: Buffer;
  readonly isWhole: boolean;
}

type Change = typeof change extends fc.Arbitrary<infer C> ? C : never;

function stepOf(before: Step | undefined, changes: readonly Change[]): Step {
  let marks = [...(before?.marks ?? [])];
  let isWhole = before === undefined;
  /** The shortest length that the relation had, and the blocks that were written. */
  let limit = Number.POSITIVE_INFINITY;
  const written = new Set<number>();
  // Of a block of zeros that no summary names pg_combinebackup takes what an older backup has there, which is from before a truncation: it
  // cannot know better. So here there is WAL for such a block.
  const extend = (): void => {
    if (marks.length < (before?.longest ?? 0)) written.add(marks.length);
    marks.push(0);
  };
  for (const each of changes) {
    if (each.type === "write") {
      while (marks.length < each.block) extend();
      marks[each.block] = each.mark;
      written.add(each.block);
    } else if (each.type === "truncate") {
      if (each.blocks >= marks.length) continue;
      marks = marks.slice(0, each.blocks);
      limit = Math.min(limit, each.blocks);
    } else if (each.type === "extend") {
      for (let i = 0; i < each.by; i++) extend();
    } else {
      isWhole = true;
    }
  }
  const blocks = [...marks.keys()].filter((block) => block >= limit || written.has(block));
  const header = encodeIncrementalHeader({ truncationBlockLength: marks.length, blocks });
  const file = isWhole ? bytesOf(marks) : Buffer.concat([header, bytesOf(blocks.map((block) => marks[block]!))]);
  const longest = Math.max(marks.length, isWhole ? 0 : before!.longest);
  return { marks, longest, file, isWhole };
}

const label = (backup: number): string =>
  [
    `START WAL LOCATION: 0/${backup + 1}000028 (file 000000010000000000000001)\nSTART TIMELINE: 1\n`,
    ...(backup === 0 ? [] : [`INCREMENTAL FROM LSN: 0/${backup}000028\nINCREMENTAL FROM TLI: 1\n`]),
  ].join("");

let made = 0;

law(
  "a combined file is what the relation was",
  fc.asyncProperty(
    fc.array(fc.array(change, { maxLength: 12 }), { minLength: 1, maxLength: 5 }),
    fc.constantFrom("CRC32C" as const, "SHA256" as const),
    async (backups, manifestChecksums) => {
      const top = join(folder, String(made++));
      const directories: string[] = [];
      let step: Step | undefined;
      for (const [i, changes] of backups.entries()) {
        step = stepOf(step, changes);
        const { "base/1/1259": _, ...others } = chainContents.full as Record<string, string | Buffer>;
        const name = step.isWhole ? "base/1/1259" : "base/1/INCREMENTAL.1259";
        const directory = join(top, String(i));
        mkdirSync(directory, { recursive: true });
        makeBackup(directory, { version: 2, of: { ...others, backup_label: label(i), [name]: step.file } });
        directories.push(directory);
      }
      const output = join(top, "out");
      const warnings: string[] = [];
      const options = { manifestChecksums, sync: false, onWarning: (message: string) => warnings.push(message) };
      const { bytes } = await combineBackup(directories, output, options);
      expect(readFileSync(join(output, "base/1/1259")).equals(bytesOf(step!.marks))).toBe(true);
      expect(await verifyBackup(output, { parseWal: false })).toMatchObject({ ok: true });
      expect(await combineBackup(directories, join(top, "none"), { ...options, dryRun: true })).toMatchObject({
        bytes,
      });
      expect(warnings).toEqual([]);
      rmSync(top, { recursive: true });
    },
  ),
  40,
);
