/**
 * Everything under src/generated: the parsers, made of grammars/, and the message codecs, made of the families' messages.ts; and
 * docs/messages.md, made of them too; and the tables of docs/command-line.md, made of the declarations of the subcommands.
 */
import { generatedCodecs } from "./codecs.ts";
import { generatedCommandLine } from "./command-line.ts";
import { generatedGrammars } from "./grammars.ts";
import { generatedReference } from "./reference.ts";

/** Each file by its path from the root of the repository, as it is committed. */
export async function generatedFiles(): Promise<Map<string, string>> {
  return new Map([
    ...(await generatedGrammars()),
    ...(await generatedCodecs()),
    ...generatedReference(),
    ...generatedCommandLine(),
  ]);
}
