/** pg_control with any number in any field, and what the functions of the server say of it. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { stateFileCapabilities } from "../../src/files/capabilities.ts";
import { encodeControlFile } from "../../src/files/index.ts";
import { ControlFileData } from "../../src/files/structs.ts";
import { decodeControlFileData } from "../../src/generated/files.ts";
import { layoutOf } from "../../src/wire/layout.ts";
import { anyFile, askOfControlFile, sqlOf } from "../../test/control-files.ts";
import { hex, toHex } from "../../test/hex.ts";
import type { Kind } from "./kind.ts";

interface ControlFileInput {
  /** Hexadecimal digits of the struct. Zeros follow, up to 8192 bytes. */
  readonly file: string;
}

type ControlFileSaid = Readonly<Record<string, string>>;

const size = 8192;

/** pg_control_version: each major reads its own. */
const versions: Readonly<Record<number, number>> = {
  ...{ 10: 1002, 11: 1100, 12: 1201, 13: 1300, 14: 1300, 15: 1300, 16: 1300, 17: 1700, 18: 1800 },
};

export const controlFiles: Kind<ControlFileInput, ControlFileSaid> = {
  name: "control-files",

  inputs: ({ servers, seed, times }) =>
    [...new Map(servers.map((server) => [versions[server / 10000]!, server]))].flatMap(([pgControlVersion, server]) =>
      fc
        .sample(anyFile(server / 10000), { seed: seed + pgControlVersion, numRuns: Math.ceil(6 * times) })
        .map((data) => {
          const bytes = Buffer.from(encodeControlFile({ ...data, pgControlVersion }));
          return { file: toHex(bytes.subarray(0, bytes.findLastIndex((byte) => byte !== 0) + 1)) };
        }),
    ),

  async ask(server, inputs) {
    const path = join(server.dataDirectory, "global/pg_control");
    const own = readFileSync(path);
    const said: (ControlFileSaid | undefined)[] = [];
    try {
      for (const { file } of inputs) {
        const bytes = fileOf(file);
        if (bytes.readUInt32LE(8) !== versions[server.major]) said.push(undefined);
        else {
          writeFileSync(path, bytes);
          said.push(await askOfControlFile(server));
        }
      }
      return said;
    } finally {
      writeFileSync(path, own);
    }
  },

  ours({ file }, { major, versionNum }) {
    // As this server lays it out; which one wrote it, the file says besides.
    const has = stateFileCapabilities.of(versionNum);
    const data = decodeControlFileData(fileOf(file).subarray(0, layoutOf(ControlFileData, { ...has }).size.min), has);
    return { said: sqlOf(data, major) };
  },
};

function fileOf(digits: string): Buffer {
  const file = Buffer.alloc(size);
  file.set(hex(digits));
  return file;
}
