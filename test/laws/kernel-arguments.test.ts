/** Every public function of positions, times, versions and names of WAL files: whatever it is called with, it returns or throws ours. */
import { expect, test } from "vitest";
import { sinceVersion, supports } from "../../src/capabilities.ts";
import { WalwireError } from "../../src/kernel/errors.ts";
import * as lsn from "../../src/kernel/lsn.ts";
import * as time from "../../src/kernel/time.ts";
import { formatServerVersion, formatVersions, serverVersionNum } from "../../src/kernel/version.ts";
import * as walNames from "../../src/kernel/wal-names.ts";
import { diskConfReader } from "../../src/node/conf-disk.ts";
import { lintSynchronousStandbyNames } from "../../src/syncrep/index.ts";
import { lawsOfArguments } from "./arguments.ts";

const size = 1024 * 1024;
const segment = { type: "segment", timeline: 1, log: 0, segment: 2 };

/** Good arguments of each function. */
const calls: Readonly<Record<string, readonly unknown[]>> = {
  toLsn: [1n],
  parseLsn: ["0/1"],
  formatLsn: [1n, { server: 19 }],
  toPgTime: [1n],
  pgTimeFromDate: [new Date(0)],
  pgTimeToDate: [1n],
  formatPgTime: [1n],
  serverVersionNum: ["18"],
  formatServerVersion: [180000],
  formatVersions: [[{ since: 100000, until: 140000 }, { since: 150002 }]],
  supports: [18, "quorumCommit"],
  sinceVersion: ["quorumCommit"],
  isSegmentSize: [size],
  segmentNumber: [1n, size],
  segmentStart: [1n, size],
  segmentOffset: [1n, size],
  segmentName: [1, 1n, size],
  parseSegmentName: ["000000010000000100000002", size],
  parseWalFileName: ["000000010000000100000002.00000028.backup"],
  walFileName: [{ ...segment, type: "backup", offset: 40 }],
  segmentOf: [segment, size],
  parseArchiveStatusName: ["00000002.history.done"],
  readFile: ["/nowhere"],
  readDir: ["/nowhere"],
};

lawsOfArguments(
  {
    ...lsn,
    ...time,
    ...walNames,
    ...diskConfReader,
    ...{ formatServerVersion, formatVersions, serverVersionNum, sinceVersion, supports },
  },
  calls,
);

// Array.isArray throws for it, also where an error only wants to name it.
test("a Proxy that was revoked is named as an object", () => {
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  const given = proxy as never;
  for (const call of [
    () => lsn.parseLsn(given),
    () => lsn.formatLsn(given),
    () => time.toPgTime(given),
    () => walNames.segmentName(given, given),
    () => serverVersionNum(given),
    () => formatVersions(given),
    () => lintSynchronousStandbyNames("a", { also: given }),
    () => lintSynchronousStandbyNames("a", { ignore: [given] }),
  ]) {
    expect(call).toThrow(WalwireError);
    expect(call).toThrow(/an object/);
  }
});
