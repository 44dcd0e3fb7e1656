/** The programs of docs/subscribe.md, and the one in the docstring of `subscribe`, as they stand there. */
import { readFileSync } from "node:fs";
import pg from "pg";
import { afterAll, describe, expect, onTestFinished, test } from "vitest";
import { formatLsn, parseLsn } from "../../src/kernel/lsn.ts";
import { type SubscribeOptions, type Subscription, subscribe } from "../../src/node/subscribe/index.ts";
import { liveServer, longTestMajors } from "../servers/live.ts";
import { confirmedOf, cut, databaseOf, dropDatabases } from "../subscribe.ts";

afterAll(dropDatabases);

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), "utf8");
const programs = [...read("docs/subscribe.md").matchAll(/```js\n([\s\S]*?)```/g)].map(([, code]) => code!);
const [, docstring] = / \* ```js\n([\s\S]*?) \* ```/.exec(read("src/node/subscribe/index.ts"))!;
const examples: readonly (readonly [string, string])[] = [
  ["docs/subscribe.md", programs[0]!],
  ["the docstring", docstring!.replace(/^ \* /gm, "")],
];

// One server will do: what differs between them is elsewhere.
const major = longTestMajors.at(-1)!;

describe(`PostgreSQL ${major}`, () => {
  const server = liveServer(major);

  /** Runs a program until `stop`. */
  function run(
    program: string,
    database: string,
  ): { lines: string[]; stop: () => Promise<void>; ended: Promise<unknown> } {
    const lines: string[] = [];
    const started: Subscription[] = [];
    const url = `postgres://${server.user}@/${database}?host=${server.host}&port=${server.port}`;
    const scope = {
      ...{ pg, formatLsn, parseLsn },
      subscribe: (options: SubscribeOptions) => {
        const subscription = subscribe({ ...options, progressInterval: 50, stopTimeout: 500 });
        started.push(subscription);
        return subscription;
      },
      process: { env: { DATABASE_URL: url, TARGET_URL: url } },
      console: { log: (...all: unknown[]) => lines.push(JSON.stringify(all)) },
    };
    const code = program
      .replace(/^import .*$/gm, "")
      .replace(/my_slot|fruit_slot/, database)
      .replace(/my_publication|fruit_publication/, "fruits")
      .replace(/(await target\.connect\(\);)/, "$1 targets.push(target);");
    const targets: pg.Client[] = [];
    const AsyncFunction = Object.getPrototypeOf(async () => {}).constructor;
    const ended = AsyncFunction(
      ...Object.keys(scope),
      "targets",
      code,
    )(...Object.values(scope), targets) as Promise<unknown>;
    ended.catch(() => {});
    const stop = async (): Promise<void> => {
      await Promise.all(started.map((each) => each.stop()));
      await ended;
      await Promise.all(targets.map((each) => each.end()));
    };
    onTestFinished(async () => {
      await Promise.all(started.map((each) => each.stop()));
      await Promise.all(targets.map((each) => each.end().catch(() => {})));
    });
    return { lines, stop, ended };
  }

  const setup = ["CREATE TABLE fruit (id int PRIMARY KEY, name text)", "CREATE PUBLICATION fruits FOR TABLE fruit"];

  test.each(examples)(
    "the first program of %s prints the changes of a stream and confirms them",
    async (_, program) => {
      const lineCount = program
        .trim()
        .split("\n")
        .filter((line) => !line.startsWith("import")).length;
      expect(lineCount).toBeLessThan(13);
      const database = await databaseOf(server, ...setup);
      const { lines, stop } = run(program, database);
      await expect
        .poll(() =>
          server.sql(
            `SELECT active AND confirmed_flush_lsn IS NOT NULL FROM pg_replication_slots WHERE slot_name = '${database}'`,
          ),
        )
        .toMatchObject({ rows: [["t"]] });
      await server.sql("INSERT INTO fruit VALUES (1, 'apple'); DELETE FROM fruit", { database });
      await expect.poll(() => lines.length).toBe(2);
      expect(lines[0]).toContain('"apple"');
      expect(lines[1]).toContain("Delete");
      await stop();
      await server.sql("DROP PUBLICATION fruits", { database });
    },
  );

  test("the second one stores each row once, also when it is ended and the connection is cut", async () => {
    const database = await databaseOf(server, ...setup);
    const copy = () =>
      server.sql("SELECT id, name FROM fruit_copy ORDER BY id", { database }).then(
        ({ rows }) => rows,
        () => [],
      );
    // The copy is in the same database, so it must not be published too.
    await server.sql("DROP PUBLICATION p", { database });
    const program = programs[1]!;
    let running = run(program, database);
    await expect
      .poll(() =>
        server.sql(
          `SELECT active AND confirmed_flush_lsn IS NOT NULL FROM pg_replication_slots WHERE slot_name = '${database}'`,
        ),
      )
      .toMatchObject({ rows: [["t"]] });
    await server.sql("INSERT INTO fruit VALUES (1, 'apple'), (2, 'pear')", { database });
    await server.sql("UPDATE fruit SET name = 'plum' WHERE id = 2; DELETE FROM fruit WHERE id = 1", { database });
    await expect.poll(copy).toEqual([["2", "plum"]]);
    await cut(server, database);
    await server.sql("INSERT INTO fruit VALUES (3, 'fig')", { database });
    await expect.poll(copy).toEqual([
      ["2", "plum"],
      ["3", "fig"],
    ]);
    await running.stop();
    await server.sql("INSERT INTO fruit VALUES (4, 'kiwi')", { database });
    running = run(program, database);
    await expect.poll(copy).toEqual([
      ["2", "plum"],
      ["3", "fig"],
      ["4", "kiwi"],
    ]);
    const stored = async () => {
      const { rows } = await server.sql("SELECT lsn FROM position", { database });
      return parseLsn(rows[0]![0]!);
    };
    await expect.poll(async () => (await confirmedOf(server, database)) <= (await stored())).toBe(true);
    await running.stop();
  });
});
