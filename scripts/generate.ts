/**
 * Write everything under src/generated. `npm run generate` after a change to what it is made of.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { generatedGrammars } from "./grammars.ts";

/** Each gives the files that it makes: path from the root of the repository, and text. */
const generators: readonly (() => Promise<Map<string, string>>)[] = [generatedGrammars];

for (const generate of generators) {
  for (const [path, text] of await generate()) {
    const file = fileURLToPath(new URL(`../${path}`, import.meta.url));
    await mkdir(dirname(file), { recursive: true });
    await writeFile(file, text);
  }
}
