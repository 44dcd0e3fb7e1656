/**
 * `npm run generate`: write everything under src/generated and docs/messages.md, after a change of their sources.
 */
import { writeFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { generatedFiles } from "./generated.ts";

for (const [path, text] of await generatedFiles()) {
  await writeFile(fileURLToPath(new URL(`../${path}`, import.meta.url)), text);
}
