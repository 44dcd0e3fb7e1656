/** Errors of the file system in pg_basebackup's words. */
import { FileError } from "../../kernel/errors.ts";
import { strerror } from "../strerror.ts";
import { textPath } from "../verify-backup/paths.ts";

/** What failed, by the system call. */
const failures: Readonly<Record<string, string>> = {
  open: "could not create file",
  write: "could not write to file",
  close: "could not close file",
  mkdir: "could not create directory",
  scandir: "could not access directory",
  chmod: "could not set permissions on directory",
  fchmod: "could not set permissions on file",
  symlink: "could not create symbolic link",
  fsync: "could not fsync file",
  rename: "could not rename file",
  rm: "could not remove file or directory",
};

/** An error of the file system as a FileError; others are returned as they are. */
export function asFileError(error: unknown): unknown {
  const { syscall, path, dest } = error as NodeJS.ErrnoException & { readonly dest?: string };
  const what = syscall === undefined ? undefined : failures[syscall];
  if (what === undefined || path === undefined) return error;
  const name = textPath(Buffer.from(String((syscall === "symlink" ? dest : undefined) ?? path)).toString("latin1"));
  return new FileError(name, `${what} "${name}": ${strerror(error)}`, "FILE_SYSTEM", { cause: error });
}
