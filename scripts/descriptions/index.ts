/**
 * `npm run descriptions`: write everything under descriptions/, after a change of messages, structs or grammars.
 */
import { mkdir, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { fileURLToPath } from "node:url";
import { descriptionFiles } from "./files.ts";

for (const [path, text] of await descriptionFiles()) {
  const file = fileURLToPath(new URL(`../../${path}`, import.meta.url));
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
}
