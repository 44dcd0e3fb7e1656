/**
 * What a server's settings mean for the files that are made of what it sends.
 *
 * @source streamutil.c: RetrieveWalSegSize, RetrieveDataDirCreatePerm
 */
import { commandCapabilities } from "../command/capabilities.ts";
import { ProtocolError } from "../kernel/errors.ts";
import { defaultSegmentSize, isSegmentSize } from "../kernel/wal-names.ts";
import { settingCapabilities } from "./capabilities.ts";
import type { ReplicationConnection } from "./client.ts";
import type { WaitOptions } from "./commands.ts";

const units: Readonly<Record<string, number>> = { B: 1, kB: 1024, MB: 1024 ** 2, GB: 1024 ** 3 };

/**
 * The size of a WAL segment, in bytes. A server before 10 does not say it: 16 MB.
 *
 * @throws ProtocolError for a size that no server has; else as ReplicationConnection.show.
 */
export async function walSegmentSize(connection: ReplicationConnection, options: WaitOptions = {}): Promise<number> {
  if (!commandCapabilities.supports(connection.serverVersion, "showCommand")) return defaultSegmentSize;
  const setting = await connection.show("wal_segment_size", options);
  const [, digits, unit] = /^(\d{1,15})(B|kB|MB|GB)$/.exec(setting) ?? [];
  if (digits === undefined || unit === undefined) throw new ProtocolError("WAL segment size could not be parsed");
  const size = Number(digits) * units[unit]!;
  if (isSegmentSize(size)) return size;
  throw new ProtocolError(
    `WAL segment size must be a power of two between 1 MB and 1 GB, but the remote server reported a value of ${size} bytes`,
  );
}

/**
 * Do files and directories of the server allow its group to read? Those made of what it sends then do too.
 *
 * @throws ProtocolError for a mode that is not a number; else as ReplicationConnection.show.
 */
export async function allowsGroup(connection: ReplicationConnection, options: WaitOptions = {}): Promise<boolean> {
  if (!settingCapabilities.supports(connection.serverVersion, "dataDirectoryMode")) return false;
  const setting = await connection.show("data_directory_mode", options);
  if (!/^[0-7]{1,5}$/.test(setting)) throw new ProtocolError(`group access flag could not be parsed: ${setting}`);
  return (Number.parseInt(setting, 8) & 0o750) === 0o750;
}
