/**
 * The messages inside the CopyData stream of a base backup, in the order of the manual ("Streaming Replication Protocol",
 * BASE_BACKUP). Servers before 15 send the bytes of archives and of the manifest without an envelope.
 */
import { commandCapabilities } from "../command/capabilities.ts";
import { type Context, cstring, family, message, rest, u64 } from "../wire/shape.ts";

/** Nothing differs between servers. */
const BaseBackupContext: Context = {
  name: "BaseBackupContext",
  doc: "The bytes say all.",
  conditions: {},
};

export const NewArchive = message("NewArchive", "n", {
  doc: "An archive begins; the one before it has ended.",
  source: "basebackup_copy.c: bbsink_copystream_begin_archive",
  fields: {
    archive: cstring("The name of a file for it: base.tar or OID.tar, and .gz, .lz4 or .zst if the server compresses."),
    tablespacePath: cstring("The tablespace's directory on the server; empty for the main data directory."),
  },
});

export const Data = message("Data", "d", {
  doc: "Bytes of the archive that is open, or of the manifest.",
  source: "basebackup_copy.c: bbsink_copystream_archive_contents, bbsink_copystream_manifest_contents",
  fields: {
    data: rest("As many bytes as the server had: at most 32 KiB if the archive is not compressed."),
  },
});

export const Progress = message("Progress", "p", {
  doc: "How far the backup is: at the end of each archive, and at most once a second, whether or not PROGRESS was asked for.",
  source: "basebackup_copy.c: bbsink_copystream_archive_contents, bbsink_copystream_end_archive",
  fields: {
    bytesDone: u64("Bytes of archives so far, before compression."),
  },
});

export const ManifestStart = message("ManifestStart", "m", {
  doc: "The manifest begins; all archives have ended.",
  source: "basebackup_copy.c: bbsink_copystream_begin_manifest",
  fields: {},
});

export const BaseBackupMessage = family("BaseBackupMessage", {
  doc: "What a server says inside the CopyData of a base backup.",
  capabilities: commandCapabilities,
  since: "baseBackupOneStream",
  example: { hex: "6e 626173652e74617200 00", type: "NewArchive" },
  context: BaseBackupContext,
  messages: [NewArchive, Data, Progress, ManifestStart],
});
