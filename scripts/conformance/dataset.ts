/** The folder conformance/: its files, and what is in dataset.json. */
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { formatServerVersion } from "../../src/kernel/version.ts";
import type { Kind, Row, ServerFacts } from "./kind.ts";

export const folder = fileURLToPath(new URL("../../conformance/", import.meta.url));

/** The version of the set: the third number grows with rows, the second with files and fields, the first with what has changed its meaning. */
export const version = "1.1.0";

/** dataset.json */
export interface Dataset {
  readonly version: string;
  readonly seed: number;
  /** The servers that said it all, one of each major. */
  readonly servers: readonly (ServerFacts & { readonly version: string })[];
  readonly files: readonly { readonly file: string; readonly rows: number; readonly sha256: string }[];
}

export function readDataset(): Dataset {
  return JSON.parse(readFileSync(`${folder}dataset.json`, "utf8"));
}

export function readRows<Input, Said>({ name }: Kind<Input, Said>): Row<Input, Said>[] {
  const text = readFileSync(`${folder}data/${name}.jsonl`, "utf8");
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

/** Writes the files of some kinds. @param files Their names and rows. */
export function writeDataset(
  seed: number,
  servers: readonly ServerFacts[],
  files: ReadonlyMap<string, readonly Row[]>,
) {
  for (const [name, rows] of files) {
    writeFileSync(`${folder}data/${name}.jsonl`, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  }
  const dataset: Dataset = {
    version,
    seed,
    servers: servers.map((each) => ({ ...each, version: formatServerVersion(each.versionNum) })),
    files: dataFiles().map((file) => ({ file, ...summaryOf(file) })),
  };
  writeFileSync(`${folder}dataset.json`, `${JSON.stringify(dataset, undefined, 2)}\n`);
  writeFileSync(`${folder}SHA256SUMS`, checksums());
}

/** The content of a file that a row names. */
export function readBytes(path: string): Uint8Array {
  return new Uint8Array(readFileSync(`${folder}${path}`));
}

export function writeBytes(path: string, content: Uint8Array): void {
  mkdirSync(dirname(`${folder}${path}`), { recursive: true });
  writeFileSync(`${folder}${path}`, content);
}

/** The files with rows, and the bytes that these name. */
function dataFiles(): string[] {
  return readdirSync(`${folder}data`, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map(({ parentPath, name }) => `${parentPath.replaceAll("\\", "/")}/${name}`.slice(folder.length))
    .sort();
}

function summaryOf(file: string) {
  const bytes = readFileSync(`${folder}${file}`);
  return { rows: file.endsWith(".jsonl") ? bytes.filter((byte) => byte === 0x0a).length : 0, sha256: sha256(bytes) };
}

/** In the form of sha256sum. */
export function checksums(): string {
  const files = [...dataFiles(), "dataset.json", "schema.json"];
  return files.map((file) => `${sha256(readFileSync(`${folder}${file}`))}  ${file}\n`).join("");
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
