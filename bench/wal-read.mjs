/** The measurements of bench/wal.ts, in plain Node: `wal-read.mjs DIRECTORY NAME,NAME… SUBJECT`. It says {records, speed}, in MB a second. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { crc32cOf } from "../dist/kernel/crc32c.js";
import { WalReader } from "../dist/wal/index.js";

const [directory, names, subject] = process.argv.slice(2);
const files = names.split(",").map((name) => readFileSync(join(directory, name)));
let looked = 0;

/** What no reader can do without: pages, lengths, and a checksum over every byte. */
function walk() {
  let records = 0;
  let crc = 0;
  let left = 0; // of the record
  for (const file of files) {
    const view = new DataView(file.buffer, file.byteOffset, file.length);
    for (let page = 0; page < file.length; page += 8192) {
      let at = page + (page === 0 ? 40 : 24);
      const end = page + 8192;
      if (records === 0 && (file[page + 2] & 1) !== 0) at += (view.getUint32(page + 16, true) + 7) & ~7;
      while (at < end) {
        if (left === 0) {
          left = view.getUint32(at, true);
          if (left === 0) return records;
          records++;
          crc = 0;
        }
        const count = Math.min(left, end - at);
        crc = crc32cOf(file, at, at + count, crc);
        at += count;
        left -= count;
        if (left === 0) {
          at = (at + 7) & ~7;
          looked += crc & 1;
        }
      }
    }
  }
  return records;
}

function read(next, options) {
  const reader = new WalReader(options);
  let records = 0;
  for (const file of files) {
    reader.push(file);
    for (let record = reader[next](); record !== undefined; record = reader[next]()) {
      records++;
      looked += record.xid & 1;
    }
  }
  return records;
}

const run = {
  walk,
  whole: () => read("next", {}),
  headers: () => read("nextHeader", {}),
  bare: () => read("nextHeader", { checkCrc: false }),
}[subject];
let [records, best] = [0, 0];
for (let round = 0; round < 5; round++) {
  const start = performance.now();
  records = run();
  const bytes = files.reduce((sum, { length }) => sum + length, 0);
  best = Math.max(best, bytes / (performance.now() - start) / 1000);
}
if (looked === 0) throw new Error("no record was read");
console.log(JSON.stringify({ records, speed: best }));
