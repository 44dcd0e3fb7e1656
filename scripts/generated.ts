/**
 * Everything under src/generated: the parsers, made of grammars/, and the message codecs, made of the families' messages.ts; and
 * docs/messages.md, made of them too; README.md, for its table of imports; and docs/command-line.md, for its tables of options; and docs/command-options.md, made of the options' tables.
 */
import { generatedCodecs } from "./codecs.ts";
import { generatedCommandLine } from "./command-line.ts";
import { generatedGrammars } from "./grammars.ts";
import { readmeWithImports } from "./imports.ts";
import { generatedOptions } from "./options.ts";
import { generatedReference } from "./reference.ts";

/** Each file by its path from the root of the repository, as it is committed. */
export async function generatedFiles(): Promise<Map<string, string>> {
  return new Map([
    ...(await generatedGrammars()),
    ...(await generatedCodecs()),
    ...generatedReference(),
    ...generatedCommandLine(),
    ...generatedOptions(),
    readmeWithImports(),
  ]);
}
