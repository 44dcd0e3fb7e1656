import { availableParallelism } from "node:os";
import { defineConfig } from "vitest/config";
import type { Reporter, TestModule, TestSuite } from "vitest/node";

/** One process for many files: starting one for each, and loading what they share again, took a quarter of the time. */
const shared = {
  pool: "forks",
  isolate: false,
  // A loaded machine is slow: making a logical slot on a shared server waits for the transactions of other tests, too.
  testTimeout: 90_000,
  hookTimeout: 90_000,
  // A state that stays may take its time to come; the default is 1 s.
  expect: { poll: { timeout: 20_000 } },
} as const;

/** Vitest leaves one core for itself, which idles; and tests wait for servers a third of their time, so that two cores can have three. */
const maxWorkers = Math.max(3, availableParallelism() - 1);

/** The folder of the unpacked package, if it is what is tested: `npm run test:package` sets it. */
const unpacked = process.env.WALWIRE_PACKAGE;

export default defineConfig({
  // The same tests, with every import of a source made an import of what it became in the package.
  resolve: {
    alias:
      unpacked === undefined ? [] : [{ find: /^(?:\.\.\/)+src\/(.*)\.[jt]s$/, replacement: `${unpacked}/dist/$1.js` }],
  },
  test: {
    maxWorkers,
    projects: [
      {
        extends: true,
        test: { ...shared, name: "core", include: ["test/{laws,cases,vectors,package,descriptions}/**/*.test.ts"] },
      },
      {
        // Files that replace modules by others: each needs a process that has not loaded them yet.
        extends: true,
        test: { ...shared, isolate: true, name: "fictional", include: ["test/fictional/**/*.test.ts"] },
      },
      {
        extends: true,
        test: {
          ...shared,
          name: "live",
          include: ["test/{live,oracle,session,servers}/**/*.test.ts"],
          globalSetup: ["test/servers/vitest-setup.ts"],
        },
      },
      {
        // PostgreSQL's own programs as peers and judges: `npm run test:programs`.
        extends: true,
        test: { ...shared, name: "programs", include: ["test/programs/**/*.test.ts"] },
      },
    ],
    // `npm run fuzz` runs them, and only them; so does `--tags-filter law`.
    tags: [{ name: "law" }],
    reporters: ["default", totals()],
    // `npm run coverage`, or parts of it: `npm run coverage -- --project core`. Programs that tests start are not counted.
    coverage: {
      provider: "v8",
      include: ["src/**/*.{ts,js}"],
      exclude: ["**/*.d.ts"],
      reporter: ["text-summary", "html", "json"],
      reportOnFailure: true,
    },
  },
});

/**
 * Prints, as the last line of all, `N passed, N failed` and, if there are some, `, N skipped`: individual tests. What fails
 * outside of a test (a file that cannot be loaded, a hook, a server that does not start) counts as one failed, so that a run that
 * ends badly never says `0 failed`.
 */
function totals(): Reporter {
  const count = { passed: 0, failed: 0, skipped: 0 };
  return {
    onInit() {
      // At exit, since a globalSetup that fails ends the run without onTestRunEnd.
      process.once("exit", (code) => {
        if (code !== 0 && count.failed === 0) count.failed = 1;
        const { passed, failed, skipped } = count;
        process.stdout.write(`${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ""}\n`);
      });
    },
    onTestRunEnd(modules, unhandledErrors) {
      count.passed = count.skipped = 0;
      count.failed = unhandledErrors.length;
      for (const module of modules) {
        for (const test of module.children.allTests()) {
          const { state } = test.result();
          count[state === "pending" ? "skipped" : state]++;
        }
        const outside = (part: TestModule | TestSuite) => (part.errors().length > 0 ? 1 : 0);
        count.failed += outside(module);
        for (const suite of module.children.allSuites()) count.failed += outside(suite);
      }
    },
  };
}
