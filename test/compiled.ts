/** What is in src as JavaScript, for tests that start it as a program: it starts, and runs, in a fraction of tsx's time. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { transformSync } from "esbuild";

const root = fileURLToPath(new URL("../", import.meta.url));

export interface Compiled {
  /** The folder that is dist in the package. */
  readonly dist: string;
  remove(): void;
}

/** The package that is tested instead of src, if there is one; else src, compiled file by file without a look at types. */
export function compile(): Compiled {
  const unpacked = process.env.WALWIRE_PACKAGE;
  if (unpacked !== undefined) return { dist: join(unpacked, "dist"), remove: () => {} };
  // Inside node_modules, so that it finds its dependencies.
  const folder = mkdtempSync(join(root, "node_modules", ".walwire-compiled-"));
  for (const path of readdirSync(join(root, "src"), { recursive: true, encoding: "utf8" })) {
    if (!/\.[jt]s$/.test(path) || path.endsWith(".d.ts")) continue;
    // A tenth of the time that TypeScript's own compiler takes, and eight test files need it.
    const { code } = transformSync(readFileSync(join(root, "src", path), "utf8"), { loader: "ts", target: "es2022" });
    const file = join(folder, "dist", path.replace(/\.ts$/, ".js"));
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, code.replace(/(\b(?:from|import)\s*\(?\s*"\.{1,2}\/[^"]*)\.ts"/g, '$1.js"'));
  }
  writeFileSync(join(folder, "package.json"), readFileSync(join(root, "package.json")));
  return { dist: join(folder, "dist"), remove: () => rmSync(folder, { recursive: true }) };
}
