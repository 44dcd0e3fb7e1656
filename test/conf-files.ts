/** A reader of configuration files for tests. */
import type { ConfFailure, ConfReader } from "../src/conf/index.ts";

/** A reader of files that are named by their paths in `directory`; a failure in place of a text is what reading gives. */
export function reader(directory: string, files: Readonly<Record<string, string | ConfFailure>>): ConfReader {
  const inside = (path: string): string | undefined =>
    path === directory ? "" : path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : undefined;
  return {
    readFile(path) {
      const name = inside(path);
      return name !== undefined && Object.hasOwn(files, name) ? files[name] : undefined;
    },
    readDir(path) {
      const folder = inside(path);
      if (folder === undefined) return undefined;
      const failure = files[folder];
      if (failure !== undefined) return typeof failure === "string" ? { code: "ENOTDIR" } : failure;
      const start = folder === "" ? "" : `${folder}/`;
      const names = Object.keys(files).filter((name) => name.startsWith(start));
      if (names.length === 0) return undefined;
      return names.map((name) => name.slice(start.length)).filter((name) => !name.includes("/"));
    },
  };
}
