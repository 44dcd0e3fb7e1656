/** All descriptions for other languages: the text of each file, by its path from the root of the repository. */
import { grammarFiles } from "./grammar.ts";
import { jsonSchemaFiles } from "./json-schema.ts";
import { kaitaiFiles } from "./kaitai.ts";
import { wiresharkFiles } from "./wireshark.ts";

export async function descriptionFiles(): Promise<Map<string, string>> {
  return new Map([...kaitaiFiles(), ...jsonSchemaFiles(), ...grammarFiles(), ...wiresharkFiles()]);
}
