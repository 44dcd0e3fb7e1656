/** What records carry: main data of every operation, damaged, in records whose checksum is good. */

import { DecodeError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import { toPgTime } from "../../src/kernel/time.ts";
import {
  decodeWalRecord,
  describeWalRecord,
  encodeWalRecord,
  formatWalBlocks,
  formatWalRecord,
  jsonOfWalRecord,
  recoveryStopsAt,
  walCheckpoint,
  walFormat,
  walTransactionEnd,
} from "../../src/wal/index.ts";
import { samples } from "../wal-samples.ts";
import type { FuzzTarget } from "./target.ts";

const servers = ["10", "12", "14", "15", "17", "18", "19"];

export const walContents: FuzzTarget = {
  name: "wal record contents",
  // Which server's it is, the resource manager and the info byte, then the main data.
  corpus: () => samples.flatMap(({ rmid, info, data }) => servers.map((_, i) => Uint8Array.of(i, rmid, info, ...data))),
  check(input) {
    const server = servers[(input[0] ?? 0) % servers.length]!;
    const [rmid, info] = [(input[1] ?? 0) % 22, input[2] ?? 0];
    const format = walFormat({ server });
    const lsn = toLsn(4096n);
    const fields = { rmid, info: info & 0xf3, xid: 7, origin: 3, mainData: input.slice(3) };
    const record = decodeWalRecord(encodeWalRecord(fields, { format }), { format, lsn });
    let result: "value" | "error" = "value";
    try {
      const description = describeWalRecord(record, { server });
      const { contents, rest } = description;
      if (rest !== undefined && rest.length > record.mainData.length) throw new Error("more is left than there was");
      JSON.stringify(jsonOfWalRecord(record, description, { server }));
      // The line and JSON of any value, as long as its data allows.
      const line = formatWalRecord(record, description, { server });
      if (line.length > 1000 + 60 * record.mainData.length) throw new Error(`a line of ${line.length} characters`);
      formatWalBlocks(record, { server });
      if (contents === undefined) result = "error";
    } catch (error) {
      if (!(error instanceof DecodeError) || error.offset < 0 || error.offset > record.mainData.length) throw error;
      result = "error";
    }
    // The questions are asked of what is damaged, too.
    for (const ask of [
      () => walTransactionEnd(record, { server }),
      () => walCheckpoint(record, { server }),
      () => recoveryStopsAt(record, { type: "time", time: toPgTime(0n) }, { server }),
      () => recoveryStopsAt(record, { type: "name", name: "a" }, { server }),
    ]) {
      try {
        ask();
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }
    // A second time the same, and nothing of the record has changed.
    if (describeWalRecord(record, { server, decode: false }).operation === "")
      throw new Error("an operation without a name");
    return result;
  },
};
