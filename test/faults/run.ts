/**
 * `npm run faults -- [--rounds N] [--seed S] [--majors 10,18] [--only "kill consumer"] [--from N] [--parallel N] [--minutes N] [--promotions N]`: rounds of faults on servers of the run's own.
 *
 * The rounds go through the majors and the faults in turn, `--parallel` majors at a time, with a second fault in every third round; the rest depends on the seed and
 * the number of the round, but for when things happen. With `--promotions`, as many times a primary is killed and its standby promoted, on
 * each major. Prints each failure, and the counts per fault and major at the end. With
 * WALWIRE_KEEP=DIRECTORY, what the consumer of a failed round has written is kept there.
 */
import { parseArgs } from "node:util";
import { majors, type OwnServer, startServer } from "../servers/index.ts";
import { runPromotion } from "./promotion.ts";
import { Random } from "./random.ts";
import { bundleConsumer, type FaultName, faults, runRound, serverSettings } from "./round.ts";

const { values } = parseArgs({
  options: {
    rounds: { type: "string", default: "50" },
    seed: { type: "string", default: String(Date.now() & 0x7fffffff) },
    majors: { type: "string", default: majors.join(",") },
    only: { type: "string" },
    from: { type: "string", default: "0" },
    parallel: { type: "string", default: "2" },
    minutes: { type: "string", default: "Infinity" },
    promotions: { type: "string", default: "0" },
  },
});
const wanted = values.majors.split(",").map(Number);
const seed = Number(values.seed);
const chosen = faults.filter((fault) => values.only === undefined || values.only === fault);
if (chosen.length === 0) throw new Error(`--only: expected one of ${faults.join(", ")}`);
const servers = new Map<number, OwnServer>();
const consumer = await bundleConsumer();
const counts = new Map<string, { rounds: number; failed: number }>();
const totals = { transactions: 0, changes: 0, repeated: 0, reconnects: 0, starts: 0, samples: 0, full: 0 };
let [failed, resident, memory] = [0, 0, 0];
/** How often a fault of the proxy aimed at a kind of message, and hit one. */
const aims = new Map<string, { aimed: number; hit: number }>();

async function round(i: number, major: number, server: OwnServer): Promise<void> {
  const random = new Random(seed + i);
  const first = chosen[Math.floor(i / wanted.length) % chosen.length]!;
  const names: FaultName[] = i % 3 === 2 && values.only === undefined ? [first, random.pick(faults)] : [first];
  const count = counts.get(`${major} ${first}`) ?? { rounds: 0, failed: 0 };
  counts.set(`${major} ${first}`, count);
  count.rounds++;
  try {
    const result = await runRound({ server, seed: seed + i, faults: names, consumer: consumer.path, duration: 600 });
    for (const name of Object.keys(totals) as (keyof typeof totals)[]) totals[name] += result[name];
    for (const { does, kind, hit } of result.aims) {
      const aim = aims.get(`${does} ${kind}`) ?? { aimed: 0, hit: 0 };
      aims.set(`${does} ${kind}`, { aimed: aim.aimed + 1, hit: aim.hit + Number(hit) });
    }
    resident = Math.max(resident, result.resident);
    memory = Math.max(memory, result.memory);
  } catch (error) {
    failed++;
    count.failed++;
    console.log(`round ${i}, PostgreSQL ${major}: ${(error as Error).message}`);
  }
}

/** A promotion: from 17 on nothing is lost, before that is an error. */
async function promotion(major: number, seed: number): Promise<void> {
  const count = counts.get(`${major} promotion`) ?? { rounds: 0, failed: 0 };
  counts.set(`${major} promotion`, count);
  count.rounds++;
  try {
    const { error, transactions } = await runPromotion(major, seed);
    const code = (error as { code?: unknown } | undefined)?.code;
    if (code !== (major >= 17 ? undefined : "SLOT_MISSING")) throw error ?? new Error("the slot is not missing");
    totals.transactions += transactions;
  } catch (error) {
    failed++;
    count.failed++;
    console.log(`promotion, PostgreSQL ${major}, seed ${seed}: ${error}`);
  }
}

/** The rounds of one major, one after the other: a crash ends all that its server does. */
async function roundsOf(index: number): Promise<void> {
  const major = wanted[index]!;
  const server = await startServer({ major, settings: serverSettings, restarts: true });
  servers.set(major, server);
  const [from, end] = [Number(values.from), Number(values.from) + Number(values.rounds)];
  for (let i = from; i < end && Date.now() < limit; i++) {
    if (i % wanted.length === index) await round(i, major, server);
  }
}

const limit = Date.now() + Number(values.minutes) * 60_000;
try {
  const left = wanted.keys();
  const worker = async (): Promise<void> => {
    for (const index of left) await roundsOf(index);
  };
  await Promise.all(Array.from({ length: Number(values.parallel) }, worker));
  for (let i = 0; i < Number(values.promotions); i++) for (const major of wanted) await promotion(major, seed + i);
} finally {
  consumer.remove();
  for (const server of servers.values()) await server.stop();
}
for (const fault of [...chosen, "promotion"]) {
  const cells = wanted.map((major) => {
    const count = counts.get(`${major} ${fault}`);
    return `${major}: ${count?.rounds ?? 0}${count?.failed ? ` (${count.failed} FAILED)` : ""}`;
  });
  console.log(`${fault.padEnd(20)} ${cells.join("  ")}`);
}
for (const does of ["cut", "halfOpen", "slow"]) {
  const cells = [...aims].flatMap(([name, { aimed, hit }]) =>
    name.startsWith(`${does} `) ? [`${name.slice(does.length + 1)} ${hit}/${aimed}`] : [],
  );
  if (cells.length > 0) console.log(`${does}, at messages that came: ${cells.sort().join("  ")}`);
}
const done = [...counts.values()].reduce((sum, { rounds }) => sum + rounds, 0);
console.log(`seed ${seed}, ${done} rounds, ${failed} failed`, JSON.stringify(totals));
console.log(`most memory: ${resident} bytes resident, ${memory} of transactions`);
process.exitCode = failed === 0 ? 0 : 1;
