/** `walwire fuzz minimize`: makes a file small that lets a command fail, as long as it fails in the same way. */
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DecodeError } from "../../../kernel/errors.ts";
import { joined } from "../../../session/messages.ts";
import { encodeFrame, Framer } from "../../../wire/framer.ts";
import { errnoWords } from "../shared/file-error.ts";
import { ProgressLine } from "../shared/output.ts";
import { bytes as inBytes, Page } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import { InputError, UnseenError, UsageError } from "../shared/usage.ts";
import type { FuzzCall } from "./declaration.ts";

/** How a command ended: its status, or the signal, or that it took too long. */
type Ending = string;

export async function minimize({ argument: path, options }: FuzzCall): Promise<Status> {
  const { cmd, timeout } = options;
  if (path === undefined) throw new UsageError("missing FILE: walwire fuzz minimize FILE --cmd 'program {}'");
  if (cmd === undefined)
    throw new UsageError("missing --cmd: the command, with {} where the name of the file is to be");
  const output = options.output ?? `${path}.min`;
  let contents: Uint8Array;
  try {
    contents = readFileSync(path);
  } catch (error) {
    throw new UnseenError(`${path}: ${errnoWords((error as Error).message)}`);
  }
  const folder = mkdtempSync(join(tmpdir(), "walwire-minimize-"));
  const file = join(folder, "input");
  const progress = new ProgressLine(process.stderr.isTTY === true);
  let runs = 0;
  try {
    const end = (bytes: Uint8Array): Promise<Ending> => {
      runs++;
      writeFileSync(file, bytes);
      return endingOf(cmd, file, timeout);
    };
    const failure = await end(contents);
    if (failure === "status 0") throw new InputError("the command succeeds with this file: there is nothing to keep");
    const fails = async (bytes: Uint8Array): Promise<boolean> => {
      if (runs >= (options.count ?? 10_000)) return false;
      progress.show(`${runs} runs, ${inBytes(bytes.length)} `);
      return (await end(bytes)) === failure;
    };
    const small = await smallest(contents, fails);
    writeFileSync(output, small);
    progress.clear();
    new Page(process.stdout).mark(
      "good",
      `${output}: ${inBytes(small.length)} of ${contents.length}, after ${runs} runs; the command ends with ${failure}`,
    );
    return status.good;
  } finally {
    progress.clear();
    rmSync(folder, { recursive: true, force: true });
  }
}

function endingOf(cmd: string, file: string, timeout: number): Promise<Ending> {
  return new Promise((resolve, reject) => {
    const quoted = `'${file.replaceAll("'", "'\\''")}'`;
    const command = cmd.includes("{}") ? cmd.replaceAll("{}", quoted) : `${cmd} < ${quoted}`;
    // A group of its own, so that all of it can be ended.
    const child = spawn("/bin/sh", ["-c", command], { stdio: "ignore", detached: true });
    let isLate = false;
    const timer = setTimeout(() => {
      isLate = true;
      process.kill(-child.pid!, "SIGKILL");
    }, timeout);
    child.on("error", reject);
    child.on("close", (code, signal) => {
      clearTimeout(timer);
      resolve(isLate ? "no end" : signal === null ? `status ${code}` : `signal ${signal}`);
    });
  });
}

/** Leave out as much as possible: messages if it is messages, then lines, then bytes; then make bytes plain. */
export async function smallest(
  contents: Uint8Array,
  fails: (bytes: Uint8Array) => Promise<boolean>,
): Promise<Uint8Array> {
  let bytes = contents;
  for (const cut of [messagesOf, linesOf, singleBytes]) {
    const parts = cut(bytes);
    if (parts.length > 1) bytes = joined(await withoutParts(parts, (kept) => fails(joined(kept))));
  }
  // The bytes that are left, as zeros where that makes no difference.
  for (let at = 0; at < Math.min(bytes.length, 256); at++) {
    for (const plain of [0x30, 0]) {
      if (bytes[at] === plain || bytes[at] === 0x30) continue;
      const changed = bytes.slice();
      changed[at] = plain;
      if (await fails(changed)) bytes = changed;
    }
  }
  return bytes;
}

/** ddmin: leave out halves, quarters and so on, as long as it still fails. */
async function withoutParts(
  parts: readonly Uint8Array[],
  fails: (kept: readonly Uint8Array[]) => Promise<boolean>,
): Promise<readonly Uint8Array[]> {
  let kept = parts;
  for (let size = Math.ceil(kept.length / 2); size >= 1; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let at = 0; at < kept.length; ) {
      const less = [...kept.slice(0, at), ...kept.slice(at + size)];
      if (await fails(less)) kept = less;
      else at += size;
    }
  }
  return kept;
}

/** The messages of protocol 3 that the bytes are; the whole, if they are something else. */
function messagesOf(bytes: Uint8Array): readonly Uint8Array[] {
  const framer = new Framer();
  const frames: Uint8Array[] = [];
  try {
    framer.push(bytes);
    for (let frame = framer.next(); frame !== undefined; frame = framer.next()) {
      frames.push(encodeFrame(String.fromCharCode(frame.tag), frame.bytes));
    }
    framer.end();
    return frames;
  } catch (error) {
    if (!(error instanceof DecodeError)) throw error;
    return [bytes];
  }
}

function linesOf(bytes: Uint8Array): readonly Uint8Array[] {
  const lines: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const end = bytes.indexOf(0x0a, at) + 1 || bytes.length;
    lines.push(bytes.subarray(at, end));
    at = end;
  }
  return lines;
}

/** Of long bytes in pieces, so that there are no more than some thousand. */
function singleBytes(bytes: Uint8Array): readonly Uint8Array[] {
  const size = Math.max(1, Math.ceil(bytes.length / 4096));
  return Array.from({ length: Math.ceil(bytes.length / size) }, (_, i) => bytes.subarray(i * size, (i + 1) * size));
}
