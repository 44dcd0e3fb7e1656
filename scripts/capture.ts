/**
 * `npm run capture`: record streams of a server of every major, as vectors for the tests; `npm run capture -- 14 18` records these two.
 *
 * A vector is the server's bytes: gzip of u32 big-endian length, payload, and so on. test/vectors/README.md lists the files. At the end
 * the script prints a table of the messages in them, and fails if a message is missing that a server can send.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { gzipSync } from "node:zlib";
import { supports } from "../src/capabilities.ts";
import { formatServerVersion } from "../src/kernel/version.ts";
import { Conversation } from "../src/node/conversation.ts";
import { capturePhysicalStream, majors, type Server, startServer, writeCapture } from "../test/servers/index.ts";
import { demo } from "./demo/demo.ts";
import { type PublishedTable, runsOf, runWorkload, slotChanges } from "./workload/index.ts";
import { allTags, countTags, countTagsOfMessages, tagsOfServer } from "./workload/tags.ts";

const folder = new URL("../test/vectors/", import.meta.url);
const newest = Math.max(...majors);

/** The majors of which a physical stream is recorded. Its format is the same in all versions. */
const physicalMajors = [10, 14, newest];

/** The scenarios that are short enough to be stored as hexadecimal digits. */
const inHexadecimal = [
  ...["basics", "user_types", "truncates", "origins", "messages", "prepared", "streamed_interleaved"],
  ...[
    "streamed_subtransactions",
    "streamed_aborts",
    "streamed_schema_changes",
    "streamed_origins",
    "streamed_prepared",
  ],
];

/** The index entry of a file. */
interface Entry {
  readonly file: string;
  readonly server: string;
  readonly command: string;
}

const wanted = process.argv.slice(2).map(Number);
for (const major of wanted)
  if (!majors.includes(major)) throw new Error(`There is no server ${major}, only ${majors}.`);
const chosen = wanted.length > 0 ? wanted : majors;

const recorded = new Map<string, Entry[]>();
const seen = new Map<number, Map<string, number>>();
const missing: string[] = [];
for (const major of chosen) {
  // The demo and the workload have separate servers, so that neither changes oids and positions of the other.
  await withServer(major, recordDemo);
  await withServer(major, async (server) => {
    await recordWorkload(server);
    if (physicalMajors.includes(major)) await recordPhysical(server);
    if (major === newest) await recordSlotChanges(server);
  });
}
for (const [name, entries] of recorded) writeIndex(name, entries);
printTags();
if (missing.length > 0) {
  process.stderr.write(`Missing: ${missing.join("; ")}\n`);
  process.exitCode = 1;
}

async function withServer(major: number, record: (server: Server) => Promise<void>): Promise<void> {
  const server = await startServer({ major });
  try {
    await record(server);
  } finally {
    await server.stop();
  }
}

async function recordDemo(server: Server): Promise<void> {
  const lines: string[] = [];
  const payloads: Uint8Array[] = [];
  const { host, port, user, database } = server;
  const good = await demo({
    server: { host, port, user, database },
    conversation: new Conversation({ output: { write: (text: string) => lines.push(text) } }),
    rows: 20,
    onPayload: (payload) => payloads.push(payload.slice()),
  });
  if (!good) throw new Error(`the demo failed on ${server.major}:\n${lines.join("")}`);
  const command = lines
    .find((line) => line.startsWith("→ START_REPLICATION"))!
    .slice(2)
    .trim();
  writePayloads(server, "demo.json", `demo-${server.major}.bin.gz`, { command }, payloads);
}

async function recordWorkload(server: Server): Promise<void> {
  const { major } = server;
  const tables: Record<string, readonly PublishedTable[]> = {};
  for (const { name, options } of runsOf(server)) {
    // If a server can stream in parallel, protocol 4 includes the messages of lower protocols. Only one major records them all.
    const again = options.protocol === 2 || options.protocol === 3;
    if (again && supports(server.versionNum, "parallelStreaming") && major !== newest) continue;
    const recording = await runWorkload(server, options, { database: "workload" });
    const payloads = withFewKeepalives(recording.payloads);
    const { command, scenarios } = recording;
    const tags = countTags(payloads);
    note(major, tags);
    tables[name] = recording.tables;
    const entry = { command: withoutSlot(command), run: name, options, scenarios, tags };
    writePayloads(server, "workload/index.json", `${major}-${name}.bin.gz`, entry, payloads);
  }
  writeFileSync(path(`workload/${major}-tables.json.gz`), gzipSync(JSON.stringify(tables), { level: 9 }));
  const lacks = tagsOfServer(server.versionNum).filter((tag) => !seen.get(major)?.has(tag));
  if (lacks.length > 0) missing.push(`${lacks.join(", ")} of ${major}`);
}

/** A short stream of WAL: some single records, and a transaction that fills one XLogData (128 KiB). */
async function recordPhysical(server: Server): Promise<void> {
  await server.sql("CREATE TABLE physical (value text); ALTER TABLE physical ALTER value SET STORAGE PLAIN");
  const { command, payloads } = await capturePhysicalStream(server, {
    workload: async ({ sent }) => {
      await sent();
      for (const value of ["'one'", "'two'", "repeat('x', 7000) FROM generate_series(1, 60)"]) {
        await server.sql(`INSERT INTO physical SELECT ${value}`);
        await sent();
      }
    },
  });
  writePayloads(server, "physical/index.json", `${server.major}.bin.gz`, { command }, payloads);
}

/** The result of pg_logical_slot_get_binary_changes, one message per line, as psql prints it but without \x. */
async function recordSlotChanges(server: Server): Promise<void> {
  const options = { protocol: 4, streaming: "parallel", messages: true, twoPhase: true } as const;
  const { command, messages, scenarios } = await slotChanges(server, options, {
    database: "workload",
    names: inHexadecimal,
  });
  const file = `slot-changes-${server.major}.hex`;
  writeFileSync(path(`workload/${file}`), messages.map((each) => `${Buffer.from(each).toString("hex")}\n`).join(""));
  const entry = { command, options, scenarios, messages: messages.length, tags: countTagsOfMessages(messages) };
  add("workload/slot-changes.json", { file, server: formatServerVersion(server.versionNum), ...entry });
  progress(file, messages.length, "messages");
}

/**
 * Keep the first ten keepalives: servers send hundreds of the same form, and their number depends on timing.
 */
function withFewKeepalives(payloads: readonly Uint8Array[]): readonly Uint8Array[] {
  let keepalives = 0;
  return payloads.filter((payload) => payload[0] !== 0x6b || keepalives++ < 10);
}

/** The command with a constant slot name: the real name contains a process id. */
function withoutSlot(command: string): string {
  return command.replace(/ SLOT \w+ /, " SLOT capture ");
}

function writePayloads(
  server: Server,
  index: string,
  file: string,
  entry: { readonly command: string },
  payloads: readonly Uint8Array[],
): void {
  const place = new URL(file, new URL(index, folder));
  mkdirSync(new URL("./", place), { recursive: true });
  writeCapture(fileURLToPath(place), payloads);
  const server_ = formatServerVersion(server.versionNum);
  add(index, { file, server: server_, ...entry, payloads: payloads.length } as Entry);
  progress(file, payloads.length, "payloads");
}

function add(index: string, entry: Entry): void {
  recorded.set(index, [...(recorded.get(index) ?? []), entry]);
}

/** Keeps the entries of majors that were not recorded this time. */
function writeIndex(name: string, entries: readonly Entry[]): void {
  const majorOf = ({ server }: Entry) => Number.parseInt(server, 10);
  let before: Entry[] = [];
  try {
    before = JSON.parse(readFileSync(path(name), "utf8"));
  } catch {} // it does not exist yet
  const kept = before.filter((entry) => !chosen.includes(majorOf(entry)));
  const all = [...kept, ...entries].sort((a, b) => majorOf(a) - majorOf(b));
  writeFileSync(path(name), `${JSON.stringify(all, undefined, 2)}\n`);
}

function note(major: number, tags: Readonly<Record<string, number>>): void {
  const sums = seen.get(major) ?? new Map<string, number>();
  seen.set(major, sums);
  for (const [tag, count] of Object.entries(tags)) sums.set(tag, (sums.get(tag) ?? 0) + count);
}

function printTags(): void {
  const line = (head: string, cells: readonly string[]) =>
    console.log([head, ...cells].map((cell) => cell.padStart(5)).join(""));
  line("", allTags);
  for (const [major, counts] of seen)
    line(
      String(major),
      allTags.map((tag) => String(counts.get(tag) ?? "-")),
    );
}

function progress(file: string, count: number, what: string): void {
  process.stderr.write(`${file}: ${count} ${what}\n`);
}

function path(file: string): string {
  return fileURLToPath(new URL(file, folder));
}
