/**
 * All generated files: src/generated, with the parsers from grammars/ and the codecs from the domains' messages.ts and structs.ts;
 * docs/messages.md from the same descriptions; docs/command-options.md from the tables of options; the table of imports in README.md;
 * the tables of options in docs/command-line.md; the newest minors in examples of the command line; the findings in docs/doctor.md.
 */
import { readFileSync } from "node:fs";
import { generatedCodecs } from "./codecs.ts";
import { generatedCommandLine } from "./command-line.ts";
import { generatedDoctor } from "./doctor.ts";
import { generatedGrammars } from "./grammars.ts";
import { readmeWithImports } from "./imports.ts";
import { withNewestMinors } from "./newest-minors.ts";
import { generatedOptions } from "./options.ts";
import { generatedReference } from "./reference.ts";

/** The text of each file, by its path from the root of the repository. */
export async function generatedFiles(): Promise<Map<string, string>> {
  const pages = new Map([...generatedCommandLine(), readmeWithImports()]);
  const names = "docs/synchronous-standby-names.md";
  pages.set(names, readFileSync(new URL(`../${names}`, import.meta.url), "utf8"));
  return new Map([
    ...(await generatedGrammars()),
    ...(await generatedCodecs()),
    ...generatedReference(),
    ...generatedOptions(),
    ...[...pages].map(([path, page]): [string, string] => [path, withNewestMinors(page)]),
    generatedDoctor(),
  ]);
}
