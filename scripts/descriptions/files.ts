/** All descriptions for other languages: the text of each file, by its path from the root of the repository. */
import { kaitaiFiles } from "./kaitai.ts";

export async function descriptionFiles(): Promise<Map<string, string>> {
  return new Map([...kaitaiFiles()]);
}
