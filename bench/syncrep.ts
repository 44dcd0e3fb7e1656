/**
 * `npm run bench`: values of synchronous_standby_names checked per second, next to the second reader (jison's LALR parser), to the check
 * hook of PGlite (PostgreSQL in WebAssembly) and to that of a live server, pipelined on one connection, all in one run on one machine.
 * Also checks that the time of a long value is linear in its length.
 *
 * Both servers write accepted values into a file, so rejected values measure the check itself better.
 */
import { PGlite } from "@electric-sql/pglite";
import { formatServerVersion } from "../src/kernel/version.ts";
import { standbyNamesVerdicts } from "../test/oracle/standby-names.ts";
import { readStandbyNames } from "../test/oracle/standby-names-lalr.ts";
import { majors, startServer } from "../test/servers/index.ts";
import { inTurns, longTexts, machine, rate, rateOf, thousands } from "./measure.ts";

// The compiled code: the loader of the sources would make functions slower.
const { parseSynchronousStandbyNames, printSynchronousStandbyNames } = (await import(
  new URL("../dist/syncrep/index.js", import.meta.url).href
)) as typeof import("../src/syncrep/index.ts");

const values = [
  "*",
  "s1, s2",
  "2 (pg1, pg2, pg3)",
  "FIRST 1 (s1, s2)",
  'ANY 2 ("node-1", "node-2", "node-3")',
  "ANY 1 (node-1, node-2)",
];

/** The number of values that an oracle checks in a round. */
const asked = 400;

async function typicalValues(): Promise<void> {
  const server = await startServer({ major: Math.max(...majors) });
  const pglite = await PGlite.create();
  try {
    console.log(`${machine}, PostgreSQL ${formatServerVersion(server.versionNum)}; a second:\n`);
    console.log(
      "| value | parse | print | jison | parse / jison | PGlite | parse / PGlite | server | parse / server |",
    );
    console.log("|---|--:|--:|--:|--:|--:|--:|--:|--:|");
    for (const value of values) {
      const options = { server: server.versionNum };
      const parse = (): ReturnType<typeof parseSynchronousStandbyNames> | "refused" => {
        try {
          return parseSynchronousStandbyNames(value, options);
        } catch {
          return "refused";
        }
      };
      const config = parse();
      const sql = `ALTER SYSTEM SET synchronous_standby_names = '${value}'`;
      const best = await inTurns({
        parse: () => rate(parse),
        print: () => (config === "refused" ? 0 : rate(() => printSynchronousStandbyNames(config, options))),
        jison: () => rate(() => readStandbyNames(value, server.versionNum)),
        pglite: () =>
          rateOf(asked, async () => {
            for (let i = 0; i < asked; i++) await pglite.exec(sql).catch(() => {});
          }),
        live: () =>
          rateOf(asked, () =>
            standbyNamesVerdicts(
              server,
              Array.from({ length: asked }, () => value),
            ),
          ),
      });
      const ratio = (other: number) => (best.parse / other).toFixed(1);
      const print = config === "refused" ? "refused" : thousands(best.print);
      const others = (["jison", "pglite", "live"] as const).flatMap((name) => [
        thousands(best[name]),
        ratio(best[name]),
      ]);
      console.log(`| \`${value}\` | ${[thousands(best.parse), print, ...others].join(" | ")} |`);
    }
  } finally {
    await pglite.close();
    await server.stop();
  }
}

await typicalValues();
longTexts(
  {
    names: (n) => `${"s1, ".repeat(n / 4)}s2`,
    "quoted names": (n) => `ANY 2 (${'"node-1", '.repeat(n / 10)}b)`,
    "doubled quotes": (n) => `"${'""'.repeat(n / 2)}"`,
    blanks: (n) => `${" ".repeat(n)}a`,
    "an open name": (n) => `a, "${"x".repeat(n)}`,
    "names without commas": (n) => "a ".repeat(n / 2),
  },
  (value) => parseSynchronousStandbyNames(value),
);
