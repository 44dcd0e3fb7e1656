/**
 * Generates the table of imports in README.md from the exports in package.json and the header of each exported module, which begins with
 * "walwire/NAME: " and a sentence that lists its contents.
 */
import { readFileSync } from "node:fs";

const root = new URL("../", import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), "utf8");

const END = "<!-- end of the table -->";

/** README.md with a new table of imports. */
export function readmeWithImports(): [path: string, text: string] {
  const readme = read("README.md");
  const start = readme.indexOf("\n", readme.indexOf("<!-- The table is generated")) + 1;
  const end = readme.indexOf(END);
  if (start === 0 || end === -1) throw new Error("README.md has lost the marks of its table of imports");
  const { exports } = JSON.parse(read("package.json")) as { readonly exports: Readonly<Record<string, string>> };
  const rows = Object.entries(exports)
    .filter(([, file]) => file.endsWith(".js"))
    .map(([path, file]) => {
      const name = path.replace(/^\./, "walwire");
      return `| \`${name}\` | ${sentenceOf(name, file.replace(/^\.\/dist\/(.*)\.js$/, "src/$1.ts"))} |`;
    });
  return [
    "README.md",
    `${readme.slice(0, start)}| import | contents |\n|---|---|\n${rows.join("\n")}\n${readme.slice(end)}`,
  ];
}

/** The module's header from after its name to the first full stop. */
function sentenceOf(name: string, file: string): string {
  const [, header = ""] = /^\/\*\*([\s\S]*?)\*\//.exec(read(file)) ?? [];
  const text = header.replace(/\n?\s*\* ?/g, " ").trim();
  const [, sentence] = new RegExp(`^${name.replace("/", "\\/")}: ([\\s\\S]*?)\\.(?:\\s|$)`).exec(text) ?? [];
  if (sentence === undefined) throw new Error(`${file} does not begin with a comment "${name}: what it has."`);
  return sentence[0]!.toLowerCase() === sentence[0] || /^[A-Z]{2}|^[A-Z][a-z]+[A-Z]/.test(sentence)
    ? sentence
    : sentence[0]!.toLowerCase() + sentence.slice(1);
}
