/**
 * The checksums of the files of a plain backup.
 *
 * @source pg_verifybackup.c: verify_backup_checksums, verify_file_checksum
 */
import { type ManifestRecord, shouldVerifyChecksum, type VerifyContext } from "./context.ts";
import { binaryPath } from "./paths.ts";
import type { SumResult } from "./sum.ts";
import { sumFiles } from "./sums.ts";

export async function verifyChecksums(context: VerifyContext, workers: number | undefined): Promise<void> {
  const { progress } = context;
  const top = binaryPath(context.directory);
  const records = [...context.files.values()].filter(
    (record) => shouldVerifyChecksum(record) && !context.ignored.has(record.file.path),
  );
  const items = records.map(({ file }) => ({
    path: `${top}/${binaryPath(file.path)}`,
    algorithm: file.checksumAlgorithm,
    size: Number(file.size),
  }));
  const tell = (bytes: number): void => {
    progress.doneBytes += bytes;
    progress.tell();
  };
  let i = 0;
  for await (const result of sumFiles(items, { workers, tell, breathe: () => context.breathe() })) {
    judge(context, records[i++]!, result);
  }
}

function judge(context: VerifyContext, { file }: ManifestRecord, result: SumResult): void {
  const { path, size, checksum = new Uint8Array() } = file;
  if ("failed" in result) {
    return context.report("unreadable", path, `could not ${result.failed} file "${path}": ${result.reason}`);
  }
  context.progress.checksums++;
  const { digest, bytes } = result;
  if (size !== BigInt(bytes)) {
    const unit = context.has.verifyBackupMessagesOf18 ? "" : " bytes";
    const message = `file "${path}" should contain ${size} bytes, but read ${bytes}${unit}`;
    return context.report("size", path, message);
  }
  if (digest.length !== checksum.length) {
    const message = `file "${path}" has checksum of length ${checksum.length}, but expected ${digest.length}`;
    return context.report("checksum", path, message);
  }
  if (digest.some((byte, k) => byte !== checksum[k])) {
    context.report("checksum", path, `checksum mismatch for file "${path}"`);
  }
}
