/**
 * `npm run conformance`: ask servers of all majors, and write conformance/. Options: `--seed N`, `--times N` for as many times more
 * inputs, `--kind NAME` for one file only.
 *
 * `-- --coverage` writes coverage.md only, from the rows that are there: after a new capability, or a new reason for one without rows.
 * `-- --check` asks live servers what the rows say that they said, from the files alone, and prints the differences; `--major N` asks
 * one. `-- --answer` answers the lines of conformance/check.py as walwire does.
 */
import { writeFileSync } from "node:fs";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { majors } from "../../test/servers/index.ts";
import { checkRows } from "./check.ts";
import { coverageReport, coverGrammars, findCapabilities } from "./coverage.ts";
import { folder, readDataset, writeDataset } from "./dataset.ts";
import { kinds } from "./kinds.ts";
import { makeRows } from "./make.ts";

const { values } = parseArgs({
  options: {
    seed: { type: "string", default: "1" },
    times: { type: "string", default: "1" },
    kind: { type: "string", multiple: true },
    major: { type: "string", multiple: true },
    check: { type: "boolean", default: false },
    coverage: { type: "boolean", default: false },
    answer: { type: "boolean", default: false },
  },
});

const chosenKinds = kinds.filter(({ name }) => values.kind?.includes(name) ?? true);
const chosenMajors = majors.filter((major) => values.major?.includes(String(major)) ?? true);
const progress = (line: string): void => {
  process.stderr.write(`${line}\n`);
};

if (values.answer) {
  const { servers } = readDataset();
  for await (const line of createInterface({ input: process.stdin })) {
    const { file, version, input } = JSON.parse(line);
    const kind = kinds.find(({ name }) => name === file)!;
    const server = servers.find(({ major }) => major === version)!;
    process.stdout.write(`${JSON.stringify((await kind.ours(input, server))?.said ?? null)}\n`);
  }
} else if (values.check) {
  let differences = 0;
  for (const major of chosenMajors) {
    const checked = await checkRows(chosenKinds, major);
    for (const [file, rows] of checked.asked) progress(`${major} ${file}: ${rows} rows asked`);
    for (const difference of checked.differences) {
      differences++;
      process.stdout.write(`${JSON.stringify(difference)}\n`);
    }
  }
  progress(`${differences} differences`);
  process.exitCode = differences > 0 ? 1 : 0;
} else {
  if (!values.coverage) {
    const seed = Number(values.seed);
    // Most texts are rejected; nobody looks at where.
    Error.stackTraceLimit = 0;
    const { servers, files } = await makeRows(chosenKinds, majors, { seed, times: Number(values.times) }, progress);
    writeDataset(seed, servers, files);
    for (const [name, rows] of files) progress(`${name}: ${rows.length} rows`);
  }
  const report = coverageReport(await findCapabilities(kinds), coverGrammars(kinds));
  writeFileSync(`${folder}coverage.md`, report);
  for (const line of report.match(/.* \| - .*/g) ?? []) {
    progress(`not covered: ${line}`);
    process.exitCode = 1;
  }
}
for (const kind of kinds) await kind.close?.();
