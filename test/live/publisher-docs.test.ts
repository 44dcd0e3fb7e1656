/** The programs of the README and of docs/publisher.md, as they stand there; a real server subscribes to the first. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { DirectoryStore, MemoryStore, Publisher, publisherHandlers } from "../../src/node/publisher/index.ts";
import { type ListenOptions, listen, type WalsenderServer } from "../../src/node/server/index.ts";
import { folder } from "../publisher-program.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
const patient = { timeout: 60_000, interval: 50 };

/** Run a program with other things in the place of globals and imports. */
async function run(program: string, scope: Readonly<Record<string, unknown>>): Promise<void> {
  await AsyncFunction(...Object.keys(scope), program.replace(/^import .*$/gm, ""))(...Object.values(scope));
}

test("a server subscribes to the program of the README, which goes on where it was", { timeout: 120_000 }, async () => {
  const readme = read("README.md");
  const [, program] = /```js\n(import \{ DirectoryStore[\s\S]*?)```/.exec(readme)!;
  const [, statements] = /```sql\n([\s\S]*?)```/.exec(readme)!;
  expect(program!.trim().split("\n").length).toBeLessThanOrEqual(30);
  const directory = join(folder(), "prices");
  const start = async () => {
    const lines: string[] = [];
    let server: WalsenderServer | undefined;
    let tick: (() => Promise<void>) | undefined;
    let stop: (() => Promise<void>) | undefined;
    await run(program!, {
      DirectoryStore: class extends DirectoryStore {
        constructor(name: string) {
          expect(name).toBe("prices");
          super(directory);
        }
      },
      ...{ Publisher, publisherHandlers },
      listen: async (options: ListenOptions) => {
        server = await listen({ ...options, port: 0 });
        return server;
      },
      setInterval: (run: typeof tick) => {
        tick = run;
      },
      clearInterval: () => {},
      process: {
        once: (_: string, run: typeof stop) => {
          stop = run;
        },
      },
      console: { log: (line: string) => lines.push(line) },
    });
    return { lines, port: (server!.address as { readonly port: number }).port, tick: tick!, stop: stop! };
  };

  const live = liveServer(longTestMajors.at(-1)!);
  const database = `publisher_docs_${process.pid}`;
  const sql = async (text: string) => (await live.sql(text, { database })).rows;
  await live.sql(`CREATE DATABASE ${database}`);
  onTestFinished(async () => {
    await expect.poll(() => live.sql(`DROP DATABASE ${database}`).then(() => true, String), patient).toBe(true);
  });
  let program_ = await start();
  for (const statement of statements!.trim().split("\n")) await sql(statement.replace("5433", String(program_.port)));
  onTestFinished(async () => {
    await sql("ALTER SUBSCRIPTION prices DISABLE");
    await sql("ALTER SUBSCRIPTION prices SET (slot_name = NONE)");
    await sql("DROP SUBSCRIPTION prices");
  });
  await expect.poll(() => sql("SELECT count(*) FROM price"), patient).toEqual([["3"]]);
  for (let round = 0; round < 2; round++) {
    await program_.tick();
    const [, value] = /^A is (\S+): stored, up to \d+$/.exec(program_.lines.at(-1)!)!;
    await expect.poll(() => sql("SELECT value FROM price WHERE symbol = 'A'"), patient).toEqual([[value]]);
    await program_.stop();
    program_ = await start();
    await sql(`ALTER SUBSCRIPTION prices CONNECTION 'host=127.0.0.1 port=${program_.port} user=me dbname=shop'`);
  }
  await expect
    .poll(() => sql("SELECT symbol, value FROM price ORDER BY 1"), patient)
    .toEqual([
      ["A", "100.00"],
      ["B", "100.00"],
      ["C", "100.00"],
    ]);
  await program_.stop();
});

test("the program of docs/publisher.md prints what it says", async () => {
  const [, program, output] = /```js\n([\s\S]*?)```\n\n```text\n([\s\S]*?)```/.exec(read("docs/publisher.md"))!;
  const lines: string[] = [];
  await run(program!, {
    ...{ MemoryStore, Publisher, publisherHandlers, listen },
    console: { log: (line: unknown) => lines.push(`${line}\n`) },
  });
  expect(lines.join("")).toBe(output);
});
