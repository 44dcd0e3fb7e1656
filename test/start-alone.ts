/**
 * A server that starts on a data directory for itself, in the foreground and without a postmaster, and says why it does not: for files
 * that a server reads before anything else. It takes 50 ms, and where it refuses, the directory stays as it was.
 */
import { spawn } from "node:child_process";
import { cpSync, lchownSync, mkdtempSync, readdirSync, readlinkSync, rmSync } from "node:fs";
import { join } from "node:path";
import { decodeText } from "../src/wire/text.ts";
import type { OwnServer } from "./servers/index.ts";
import { packageDirectory, serverUser, temporaryRoot } from "./servers/locate.ts";

/** What PostgreSQL says of something that it does not do. */
export interface Said {
  readonly message: string;
  readonly detail: string | undefined;
  readonly hint: string | undefined;
  /** FATAL, ERROR or PANIC, and the SQLSTATE: with `log_line_prefix: "%e "`. */
  readonly level?: string;
  readonly sqlstate?: string;
}

/**
 * A copy of a server's data directory, as if it had crashed: it belongs to the server's user. Without the tables, if it is not to start.
 */
export class Image {
  readonly directory: string;
  readonly #postgres: string;
  readonly #root: string;

  constructor(server: OwnServer, options: { readonly tables: boolean }) {
    const user = serverUser();
    this.#root = mkdtempSync(join(temporaryRoot(user !== undefined), "walwire-image-"));
    this.directory = join(this.#root, "data");
    const filter = options.tables ? () => true : (path: string) => !/\/base\/\d+\/\d[^/]*$/.test(path);
    cpSync(server.dataDirectory, this.directory, { recursive: true, verbatimSymlinks: true, filter });
    for (const file of ["postmaster.pid", "postmaster.opts"]) rmSync(join(this.directory, file), { force: true });
    if (user !== undefined) {
      lchownSync(this.#root, user.uid, user.gid);
      lchownSync(this.directory, user.uid, user.gid);
      for (const path of readdirSync(this.directory, { recursive: true, encoding: "utf8" })) {
        lchownSync(join(this.directory, path), user.uid, user.gid);
      }
    }
    // The keeper may run a copy of the package.
    this.#postgres =
      process.platform === "linux"
        ? readlinkSync(`/proc/${server.pid}/exe`)
        : join(packageDirectory(server.major), "native/bin/postgres");
  }

  /** The first FATAL, ERROR or PANIC; undefined if there is none, and it has started and stopped. And all that was said. */
  async start(settings: Readonly<Record<string, string>> = {}): Promise<{ said: Said | undefined; output: string }> {
    const all = {
      log_line_prefix: "",
      lc_messages: "C",
      log_min_messages: "debug1",
      shared_buffers: "1MB",
      ...settings,
    };
    const options = Object.entries({
      dynamic_shared_memory_type: "mmap",
      fsync: "off",
      max_connections: "10",
      max_wal_senders: "0",
      ...all,
    }).flatMap(([name, value]) => ["-c", `${name}=${value}`]);
    const child = spawn(this.#postgres, ["--single", "-D", this.directory, ...options, "postgres"], {
      ...serverUser(),
      cwd: "/",
      env: { LC_ALL: "C" },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let output = "";
    child.stderr.setEncoding("latin1").on("data", (text: string) => {
      output += text;
    });
    await new Promise((resolve, reject) => {
      child.on("error", reject);
      child.on("close", resolve);
    });
    return { said: saidIn(output), output };
  }

  remove(): void {
    rmSync(this.#root, { recursive: true, force: true });
  }
}

function saidIn(output: string): Said | undefined {
  const fields = output.split(/^(?=(?:[A-Z0-9]{5} )?[A-Z0-9]+: {2})/m);
  const at = fields.findIndex((field) => /^(?:[A-Z0-9]{5} )?(?:FATAL|ERROR|PANIC): /.test(field));
  if (at === -1) return undefined;
  const text = (field: string | undefined): string | undefined => {
    if (field === undefined) return undefined;
    const said = field
      .replace(/^(?:[A-Z0-9]{5} )?[A-Z0-9]+: {2}/, "")
      .replace(/\n$/, "")
      .replaceAll("\n\t", "\n");
    return decodeText(Buffer.from(said, "latin1"), 0, said.length);
  };
  const [detail, hint] = ["DETAIL", "HINT"].map((name) => {
    const next = fields.slice(at + 1, at + 3);
    return text(next.find((field) => field.replace(/^[A-Z0-9]{5} /, "").startsWith(`${name}:`)));
  });
  const [, sqlstate, level] = /^([A-Z0-9]{5}) (\w+)/.exec(fields[at]!) ?? [];
  return {
    ...{ message: text(fields[at])!, detail, hint },
    ...(sqlstate !== undefined && level !== undefined && { level, sqlstate }),
  };
}
