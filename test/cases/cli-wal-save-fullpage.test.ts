/**
 * `walwire wal --save-fullpage`. pg_waldump 18 wrote the same files, byte for byte, for 1,123 images of a server that compressed them by
 * every method; here images are put together by hand.
 */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { toLsn } from "../../src/kernel/lsn.ts";
import type { WalImage } from "../../src/wal/record.ts";
import { WalWriter } from "../../src/wal/writer.ts";
import { zstdFrame } from "../compress.ts";
import { runWalwire } from "../walwire.ts";

const cwd = mkdtempSync(join(tmpdir(), "walwire-pages-"));

afterAll(() => rmSync(cwd, { recursive: true }));

/** A page has 100 times "a", a hole, and 174 times "a". */
const hole = { holeOffset: 100, holeLength: 8192 - 274 };
const page = Buffer.concat([Buffer.alloc(100, "a"), Buffer.alloc(hole.holeLength), Buffer.alloc(174, "a")]);

const images: Readonly<Record<WalImage["compression"], Uint8Array>> = {
  none: Buffer.alloc(274, "a"),
  // A literal; a match of 18 + 255 bytes at distance 1.
  pglz: Buffer.from([0b10, 0x61, 0x0f, 0x01, 0xff]),
  // A literal, a match of 19 + 249 bytes at distance 1; five literals.
  lz4: Buffer.from([0x1f, 0x61, 0x01, 0x00, 249, 0x50, 0x61, 0x61, 0x61, 0x61, 0x61]),
  zstd: zstdFrame(Buffer.alloc(274, "a")),
};

/** A segment with a record for each image: XLOG_FPI. */
function segment(all: readonly (readonly [WalImage["compression"], Uint8Array])[]): string {
  const writer = new WalWriter({ server: "18", start: toLsn(0x1_0200_0000n), systemIdentifier: 1n, timeline: 3 });
  for (const [block, [compression, bytes]] of all.entries()) {
    const fork = block === 0 ? "main" : "vm";
    const image = { bytes, ...hole, compression, apply: true };
    const place = { id: 0, tablespace: 1663, database: 5, relation: 16384, fork, block, willInit: false } as const;
    writer.write({ rmid: 0, info: 0xb0, blocks: [{ ...place, image, data: undefined }] });
  }
  const path = join(cwd, "000000030000000100000002");
  writeFileSync(path, Buffer.concat([writer.take()], 16 * 1024 * 1024));
  return path;
}

test("writes each image as a page, in a file named as by pg_waldump", async () => {
  const path = segment(Object.entries(images) as [WalImage["compression"], Uint8Array][]);
  const { status, stderr } = await runWalwire(["wal", "--save-fullpage", "new/pages", path], { cwd });
  expect([status, stderr]).toEqual([0, ""]);
  const names = readdirSync(join(cwd, "new/pages")).sort();
  expect(names.map((name) => name.replace(/-[0-9A-F]{8}\./, "-LSN."))).toEqual([
    "00000003-00000001-LSN.1663.5.16384.0_main",
    "00000003-00000001-LSN.1663.5.16384.1_vm",
    "00000003-00000001-LSN.1663.5.16384.2_vm",
    "00000003-00000001-LSN.1663.5.16384.3_vm",
  ]);
  expect(names[0]).toContain("-02000028.");
  for (const name of names) expect(readFileSync(join(cwd, "new/pages", name)).equals(page), name).toBe(true);
});

test.each(["pglz", "lz4", "zstd"] as const)("a damaged %s image is an error", async (compression) => {
  const bytes = images[compression];
  for (const damaged of [bytes.subarray(0, -1), Buffer.from(bytes).fill(0x7f, 0, 2)]) {
    const path = segment([[compression, damaged]]);
    const directory = mkdtempSync(join(cwd, "pages-"));
    const { status, stderr } = await runWalwire(["wal", "--save-fullpage", directory, path], { cwd });
    expect(stderr).toContain("could not decompress image at 1/2000028, block 0");
    expect(status).toBe(1);
    expect(readdirSync(directory)).toEqual([]);
  }
});

test("the directory must be empty, and a target needs none", async () => {
  mkdirSync(join(cwd, "full/x"), { recursive: true });
  const full = await runWalwire(["wal", "--save-fullpage", "full", segment([])], { cwd });
  expect([full.status, full.stderr]).toEqual([2, expect.stringContaining('directory "full" exists but is not empty')]);
  const target = await runWalwire(["wal", "--save-fullpage", "y", "--target-xid", "5", "x"], { cwd });
  expect(target.status).toBe(2);
});
