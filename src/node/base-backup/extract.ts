/**
 * Plain format: the members of archives become files, directories and symbolic links.
 *
 * Nothing is written outside of the directory, whatever the server sends. pg_basebackup follows symbolic links of the archive, to
 * any directory; here the only ones are pg_tblspc/OID, for the tablespaces that the server has listed and to the directories that the
 * caller has named, and nothing is written through them.
 *
 * @source astreamer_file.c: astreamer_extractor_content, should_allow_existing_directory
 */
import { chmodSync, existsSync, mkdirSync, symlinkSync } from "node:fs";
import { DecodeError } from "../../kernel/errors.ts";
import { quoteText } from "../../wire/trace.ts";
import { type BinaryPath, binaryPath } from "../verify-backup/paths.ts";
import { systemPath } from "../verify-backup/system-path.ts";
import type { TarMember, TarVisitor } from "../verify-backup/tar.ts";
import type { BackupFile, BackupFiles } from "./files.ts";

/** A tablespace that a symbolic link of the archive may point to. */
export interface TablespaceLink {
  /** The directory on the server. */
  readonly location: string;
  /** The directory here. */
  readonly directory: string;
}

interface ExtractorOptions {
  /** Where the members are written to. */
  readonly directory: string;
  /** The symbolic links that the archive may have, by their names. */
  readonly links: ReadonlyMap<string, TablespaceLink>;
  /** Permissions of directories, before the archive's own are set. */
  readonly directoryMode: number;
  readonly files: BackupFiles;
  /** Called with the path of each member. */
  readonly onFile: (path: string) => void;
  /** Called with each file and directory that was made in the directory itself. */
  readonly onMade: (path: BinaryPath) => void;
}

/** Directories that are there before the archive has them. */
const MAY_EXIST = /^(?:pg_wal|pg_xlog|(?:pg_wal|pg_xlog)\/archive_status|pg_wal\/summaries|pg_tblspc|pg_tblspc\/\d+)$/;

export class Extractor implements TarVisitor {
  readonly #options: ExtractorOptions;
  readonly #directory: BinaryPath;
  #file: BackupFile | undefined;

  constructor(options: ExtractorOptions) {
    this.#options = options;
    this.#directory = binaryPath(options.directory);
  }

  /** @throws DecodeError for a member that no server sends; errors of the file system */
  header({ path, type, mode, target, size, offset }: TarMember): void {
    const { links, directoryMode, files, onFile, onMade } = this.#options;
    // Servers send ./pg_wal/archive_status/.
    const name = path.replace(/^\.\//, "").replace(/\/$/, "");
    if (name.split("/").some((part) => part === "" || part === "." || part === "..")) {
      refuse(offset, `tar member has unsafe path name: ${quoteText(path)}`);
    }
    const [, above] = /^(pg_tblspc\/[^/]+)\//.exec(name) ?? [];
    if (above !== undefined && links.has(above)) {
      refuse(offset, `tar member ${quoteText(path)} is in the directory of a tablespace, which has its own archive`);
    }
    const full = `${this.#directory}/${binaryPath(name)}`;
    switch (type) {
      case "0":
      case "\0":
        this.#file = once(path, offset, () => files.create(full, mode & 0o777));
        if (!name.includes("/")) onMade(full);
        break;
      case "5":
        if (size !== 0n) refuse(offset, `directory ${quoteText(path)} has ${size} bytes, expected 0`);
        if (!MAY_EXIST.test(name) || !existsSync(systemPath(full))) {
          once(path, offset, () => mkdirSync(systemPath(full), directoryMode));
          if (!name.includes("/")) onMade(full);
        }
        chmodSync(systemPath(full), mode & 0o7777);
        break;
      case "2": {
        const link = links.get(name);
        if (link === undefined || link.location !== target || size !== 0n) {
          refuse(offset, `symbolic link ${quoteText(path)} to ${quoteText(target)} is not the one of a tablespace`);
        }
        once(path, offset, () => symlinkSync(systemPath(binaryPath(link.directory)), systemPath(full)));
        break;
      }
      default:
        refuse(offset, `tar member ${quoteText(path)} is neither a file nor a directory nor a symbolic link`);
    }
    onFile(`${this.#options.directory}/${name}`);
  }

  contents(bytes: Uint8Array): void {
    this.#options.files.write(this.#file!, bytes);
  }

  end(): void {
    if (this.#file !== undefined) this.#options.files.close(this.#file);
    this.#file = undefined;
  }
}

function refuse(offset: number, message: string): never {
  throw new DecodeError("BAD_VALUE", "Tar.member", offset, message);
}

function once<T>(path: string, offset: number, make: () => T): T {
  try {
    return make();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
    return refuse(offset, `tar member ${quoteText(path)} exists already`);
  }
}
