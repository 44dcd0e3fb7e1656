/** Every public function of walwire/syncrep, its sub-paths and walwire/conf: whatever it is called with, it returns or throws ours. */
import * as conf from "../../src/conf/index.ts";
import * as syncrep from "../../src/syncrep/index.ts";
import * as judge from "../../src/syncrep/judge.ts";
import * as plan from "../../src/syncrep/plan/index.ts";
import * as questions from "../../src/syncrep/questions.ts";
import * as standbySlots from "../../src/syncrep/standby-slots.ts";
import { lawsOfArguments } from "./arguments.ts";

const config = syncrep.parseSynchronousStandbyNames("ANY 2 (a, b, c)")!;
const rows = ["a", "b", "recv"].map(questions.streamingStandby);
const judged = judge.judgeSynchronousStandbyNames("a, a, b-1");
const rule = { voters: ["a", "b", "c"], quorum: 2 };
const wait = {
  ...{ value: "ANY 1 (b)", names: ["b"], number: 1, mustWait: false, since: "0/5", inEffect: true, lsn: "0/8" },
  satisfied: false,
};
const observed = {
  ...{ value: "ANY 1 (b)", position: 9n as never, commitsWait: true, cascading: false },
  standbys: [{ ...questions.streamingStandby("b"), syncPriority: 1, sentLsn: 9n as never, isWaiting: true }],
};
const verdicts = judge.judgeSynchronousStandbyNamesByVersion("first");
const text = "# x\na = 'it''s \\101' # y\nsynchronous_standby_nmes = 1";
const { entries } = conf.parsePostgresqlConf(text);
const { findings } = judge.judgeSynchronousStandbyNames("node-1, b");

/** Good arguments of each function, for those that take any. */
const calls: Readonly<Record<string, readonly unknown[]>> = {
  parseSynchronousStandbyNames: ["a", { server: 18 }],
  printSynchronousStandbyNames: [config, { server: 18 }],
  editSynchronousStandbyNames: ["a", config, { server: 18, from: "9.6" }],
  locateSynchronousStandbyNames: [{ ...config }, { server: 18 }],
  lintSynchronousStandbyNames: ["a, b", { server: 18, also: ["9.5"], clusterName: "a", ignore: ["DUPLICATE"] }],
  fixSynchronousStandbyNames: ["a-1, a-1", { server: 18, also: ["9.5"], clusterName: "a", ignore: ["DUPLICATE"] }],
  applyFixes: ["node-1, b", [...findings]],
  judgeSynchronousStandbyNames: ["a, a", { server: 18, also: ["9.5"], clusterName: "a", ignore: ["DUPLICATE"] }],
  judgeSynchronousStandbyNamesByVersion: ["a, a"],
  printSynchronousStandbyNamesByVersion: [{ ...config }],
  isGood: [{ ...judged }, { strict: true }],
  fixAndJudge: ["a, a", { server: 18, also: ["9.5"], unsafe: true }],
  offeredFix: ["a, a", { server: 18, also: ["9.5"] }],
  versionsThatAccept: [[...verdicts]],
  differingVerdicts: [[...verdicts], { ...judged }],
  evaluateSynchronousStandbys: [{ ...config }, rows, { server: 18, cascading: false }],
  blockingLosses: [{ ...config }, rows, { server: 18, cascading: false, level: "remote_apply" }],
  certainCopies: [{ ...config }, rows, "on", { server: 18 }],
  whatIfStandbysChange: [{ ...config }, rows, { type: "rename", from: "a", to: "x" }, { server: 18, level: "on" }],
  satisfiableWith: [{ ...config }, ["a", "b"], { server: 18 }],
  streamingStandby: ["a"],
  explainSynchronousStandbys: [{ ...config }, rows, { server: 18, level: "on" }],
  canTakeOver: [
    { ...rule },
    [
      { name: "b", timeline: 1, flushLsn: 8n },
      { name: "c", timeline: 1, flushLsn: 9n },
    ],
  ],
  isTakeoverSafe: [{ ...config }, "a", { ...rule }, { server: 18 }],
  settingAfterTakeover: [{ ...rule }, "b", { syncrepMethod: "PRIORITY" }],
  planSynchronousStandbys: [
    { primary: "a", value: "ANY 1 (b)", rule: { ...rule } },
    { nodes: ["a", "b"], copies: 1, syncrepMethod: "QUORUM", whenMissing: "lower", atLeast: 1 },
    observed,
    { server: 18, wait },
  ],
  advanceWait: [wait, observed, { server: 18 }],
  waitSql: [wait, { server: 18 }],
  parseSynchronizedStandbySlots: ["a, b", { server: 18 }],
  lintSynchronizedStandbySlots: ["a, A", { server: 18 }],
  standbySlotsHaveCaughtUp: [
    ["a", "b"],
    [
      { slotName: "a", slotType: "physical", active: true, restartLsn: 9n, invalidationReason: "wal_removed" },
      { slotName: "b", slotType: "logical", active: true, restartLsn: 9n, failover: true, synced: false },
    ],
    9n,
    { cascading: false },
  ],
  compareStandbyNames: [{ ...config }, undefined, { server: 18 }],
  parseSynchronousCommit: ["on", { server: 18 }],
  parsePostgresqlConf: [text, { path: "p" }],
  readPostgresqlConf: [
    "p",
    { readFile: () => text, readDir: () => ["a.conf"] },
    { server: 18, dataDirectory: "d", parameters: ["synchronous_standby_names"] },
  ],
  placeInFile: [{ ...entries[0] }, 3],
  commentsOf: [text, { ...entries[0] }],
  sameParameter: ["a", "A"],
  effectiveEntry: [[...entries], "a"],
  checkedEntries: [[...entries], "a"],
};

lawsOfArguments({ ...syncrep, ...judge, ...questions, ...plan, ...standbySlots, ...conf }, calls);
