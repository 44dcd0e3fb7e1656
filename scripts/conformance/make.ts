/** Asks servers, and makes rows of what they say. */
import { supports } from "../../src/capabilities.ts";
import { buildOf } from "../../test/oracle/checks.ts";
import { settingsForStandbys } from "../../test/oracle/standbys.ts";
import { type OwnServer, startServer } from "../../test/servers/index.ts";
import { writeBytes } from "./dataset.ts";
import { agrees, type Draw, type Kind, type Row, type ServerFacts } from "./kind.ts";

/** A server as all kinds need it. */
export function startAsked(major: number): Promise<OwnServer> {
  const summaries = supports(major, "incrementalBackup") ? { summarize_wal: "on" } : {};
  return startServer({ major, settings: { ...settingsForStandbys, ...summaries } });
}

export async function factsOf(server: OwnServer): Promise<ServerFacts> {
  return { major: server.major, versionNum: server.versionNum, build: await buildOf(server) };
}

/** What the servers of some majors say to all inputs of some kinds. */
export async function makeRows(
  kinds: readonly Kind[],
  majors: readonly number[],
  { seed, times }: Pick<Draw, "seed" | "times">,
  progress: (line: string) => void,
): Promise<Made> {
  const bytes = new Map<string, Uint8Array>();
  const servers: ServerFacts[] = [];
  // Before their minors are known: inputs depend on majors only.
  const draw = { servers: majors.map((major) => major * 10000), seed, times };
  const asked = kinds.map((kind) => ({ kind, inputs: kind.inputs(draw), said: new Map<number, readonly unknown[]>() }));
  for (const major of majors) {
    const server = await startAsked(major);
    try {
      servers.push(await factsOf(server));
      for (const { kind, inputs, said } of asked) {
        const started = performance.now();
        said.set(major, await kind.ask(server, inputs, (path, content) => bytes.set(path, content)));
        progress(`${major} ${kind.name}: ${inputs.length} inputs, ${Math.round(performance.now() - started)} ms`);
      }
    } finally {
      await server.stop();
    }
  }
  // What walwire says of files is said when they are there.
  for (const [path, content] of bytes) writeBytes(path, content);
  const files = new Map<string, readonly Row[]>();
  for (const { kind, inputs, said } of asked) {
    const byInput: (readonly Row[])[] = [];
    for (const [i, input] of inputs.entries()) {
      byInput.push(await rowsOf(kind, input, servers, (major) => said.get(major)![i]));
    }
    files.set(kind.name, chosenRows(kind, byInput));
  }
  return { servers, files };
}

/** What was made: the rows of each file, and the servers. */
export interface Made {
  readonly servers: readonly ServerFacts[];
  readonly files: ReadonlyMap<string, readonly Row[]>;
}

/** One row for each answer, to the input as it was asked. What walwire adds is in it if walwire says the same; else the answer stands alone. */
async function rowsOf(
  kind: Kind,
  given: unknown,
  servers: readonly ServerFacts[],
  saidBy: (major: number) => unknown,
): Promise<Row[]> {
  const rows = new Map<string, { readonly row: Row; readonly versions: number[] }>();
  for (const server of servers) {
    const said = saidBy(server.major);
    if (said === undefined) continue;
    const input = kind.inputOf?.(given, said, server) ?? given;
    const ours = await kind.ours(input, server);
    const walwire = ours !== undefined && agrees(ours, said) ? ours.walwire : undefined;
    const key = JSON.stringify([input, said, walwire]);
    const { versions } = rows.get(key) ?? { versions: [] as number[] };
    versions.push(server.major);
    rows.set(key, { row: { input, versions, said, ...(walwire && { walwire }) }, versions });
  }
  return [...rows.values()].map(({ row }) => row);
}

/** The value as JSON gives it back. */
export function plain<T>(value: T): T {
  return JSON.parse(JSON.stringify(value));
}

/** The shortest inputs of each sort, in the order of the inputs. */
function chosenRows(kind: Kind, byInput: readonly (readonly Row[])[]): Row[] {
  if (kind.sort === undefined) return byInput.flat();
  const length = (rows: readonly Row[]): number => JSON.stringify(rows[0]?.input)?.length ?? 0;
  const shortest = [...byInput.keys()].sort((a, b) => length(byInput[a]!) - length(byInput[b]!) || a - b);
  const seen = new Map<string, number>();
  const kept = new Set<number>();
  for (const i of shortest) {
    const sorts = byInput[i]!.map(({ versions, said, input, walwire }) => [versions, kind.sort!(input, said, walwire)]);
    const sort = JSON.stringify(sorts);
    const count = (seen.get(sort) ?? 0) + 1;
    seen.set(sort, count);
    if (count <= (kind.ofEachSort ?? 1) || sorts.some(([, each]) => each === undefined)) kept.add(i);
  }
  return byInput.flatMap((rows, i) => (kept.has(i) ? rows : []));
}
