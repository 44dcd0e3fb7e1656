/** Manifests of servers, and servers' verdicts on them. */
import { createHash } from "node:crypto";
import { supports } from "../src/capabilities.ts";
import type { ChecksumAlgorithm } from "../src/files/manifest/types.ts";
import { encodeText } from "../src/wire/text.ts";
import { checked, errorFields, frame, type RawConnection } from "./servers/index.ts";

/** The manifest of a base backup of a server, of which nothing else is looked at. */
export async function takeManifest(
  connection: RawConnection,
  server: number,
  { checksums = "CRC32C", encode = false }: { checksums?: ChecksumAlgorithm; encode?: boolean } = {},
): Promise<Uint8Array> {
  const manifest = encode ? "force-encode" : "yes";
  const generic = supports(server, "genericOptions");
  const options = generic
    ? `(LABEL 'walwire', CHECKPOINT 'fast', WAIT 'false', MANIFEST '${manifest}', MANIFEST_CHECKSUMS '${checksums}')`
    : `LABEL 'walwire' FAST NOWAIT MANIFEST '${manifest}' MANIFEST_CHECKSUMS '${checksums}'`;
  const messages = checked(await connection.query(`BASE_BACKUP ${options}`));
  const chunks: Uint8Array[] = [];
  if (generic) {
    // One stream for all: the manifest is what follows the message that announces it.
    const data = messages.filter(({ type }) => type === "d").map(({ body }) => body);
    const from = data.findIndex((body) => body[0] === "m".charCodeAt(0));
    for (const body of data.slice(from + 1)) if (body[0] === "d".charCodeAt(0)) chunks.push(body.subarray(1));
  } else {
    // The last stream.
    const from = messages.findLastIndex(({ type }) => type === "H");
    for (const { type, body } of messages.slice(from)) if (type === "d") chunks.push(body);
  }
  return Buffer.concat(chunks);
}

/** What a server says to a manifest that comes in these messages: the message of its error, or undefined. */
export async function uploadManifest(
  connection: RawConnection,
  chunks: readonly Uint8Array[],
): Promise<string | undefined> {
  const asked = connection.query("UPLOAD_MANIFEST");
  connection.write(Buffer.concat([...chunks.map((chunk) => frame("d", chunk)), frame("c", new Uint8Array())]));
  const error = (await asked).find(({ type }) => type === "E");
  return error === undefined ? undefined : errorFields(error.body).M;
}

/** The text with the right checksum in the place of `CHECKSUM`. */
export function withChecksum(text: string): string {
  const last = text.lastIndexOf("\n");
  const body = text.slice(0, text.lastIndexOf("\n", last - 1) + 1);
  return text.replace("CHECKSUM", createHash("sha256").update(body).digest("hex"));
}

/** Text of walwire as it is where somebody read its bytes as UTF-8, whatever they were. */
export function lossyText(text: string): string {
  const bytes = new Uint8Array(3 * text.length);
  return Buffer.from(bytes.buffer, 0, encodeText(text, bytes, 0)).toString("utf8");
}
