/** What servers refuse of commands that they have parsed, one by one, and what they make of those that they do not refuse. */
import { describe, expect, test } from "vitest";
import { sinceVersion } from "../../src/capabilities.ts";
import {
  type CheckCommandOptions,
  type Command,
  type CommandOptions,
  checkCommand,
  type DefElem,
  parseCommand,
} from "../../src/command/index.ts";
import { EncodeError, ParseError, UnsupportedError } from "../../src/kernel/errors.ts";
import { toLsn } from "../../src/kernel/lsn.ts";
import type { Server } from "../../src/kernel/version.ts";

/** One of each major that parses as its own. */
const servers = [10, 11, 12, 13, 14, 15, 16, 17, 18, 19];
const [from15, from16, from17] = [15, 16, 17].map((first) => servers.filter((server) => server >= first)) as [
  number[],
  number[],
  number[],
];
const until = (last: number, first = 10) => servers.filter((server) => server >= first && server <= last);

type Refused = [
  text: string,
  servers: Server | readonly Server[],
  sqlstate: string,
  message: string,
  path: string,
  /** What stands at the offset. */
  at: string,
  advice: string,
  hint?: string,
];

function refusal(command: Command, options: CheckCommandOptions): ParseError {
  try {
    checkCommand(command, options);
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
  throw new Error("It is accepted.");
}

function expectRefused(rows: readonly Refused[], options: CheckCommandOptions = {}): void {
  test.each<Refused>([...rows])("%s", (text, on, sqlstate, message, path, at, advice, hint) => {
    for (const server of [on].flat()) {
      const error = refusal(parseCommand(text, { server }), { server, ...options });
      expect(
        { ...pick(error, "code", "sqlstate", "message", "detail", "hint", "path", "advice", "text"), server },
        String(error),
      ).toEqual({ code: "REFUSED", sqlstate, message, detail: undefined, hint, path, advice, text, server });
      expect(text.slice(error.offset, error.offset + at.length), String(error)).toBe(at);
    }
  });
}

function pick<T, K extends keyof T>(object: T, ...keys: K[]): Pick<T, K> {
  return Object.fromEntries(keys.map((key) => [key, object[key]])) as Pick<T, K>;
}

/** Commands that are accepted, and some fields of what is made of them. */
function expectAccepted(
  rows: readonly [string, Server | readonly Server[], Partial<CommandOptions>][],
  options: CheckCommandOptions = {},
): void {
  test.each([...rows])("%s", (text, on, fields) => {
    for (const server of [on].flat()) {
      expect(checkCommand(parseCommand(text, { server }), { server, ...options }), String(server)).toMatchObject(
        fields,
      );
    }
  });
}

const twice = (name: string) => `The option ${name} is given twice: leave one out.`;
const quotedBooleanAdvice = "Write 'true', 'false', 'on' or 'off', or leave the value out, which means true.";
const booleanAdvice = "Write true, false, on or off, or leave the value out, which means true.";

describe("CREATE_REPLICATION_SLOT", () => {
  const slot = (rest: string) => `CREATE_REPLICATION_SLOT s ${rest}`;
  const conflict = "conflicting or redundant options";

  expectAccepted([
    [
      slot("LOGICAL p"),
      servers,
      {
        type: "CreateReplicationSlotOptions",
        snapshot: "export",
        reserveWal: false,
        twoPhase: false,
        failover: false,
      },
    ],
    [slot("PHYSICAL"), servers, { snapshot: undefined, reserveWal: false }],
    [slot("LOGICAL p EXPORT_SNAPSHOT"), servers, { snapshot: "export" }],
    [slot("LOGICAL p NOEXPORT_SNAPSHOT"), servers, { snapshot: "nothing" }],
    [slot("LOGICAL p USE_SNAPSHOT"), servers, { snapshot: "use" }],
    [slot("PHYSICAL RESERVE_WAL"), servers, { reserveWal: true }],
    [slot("LOGICAL p TWO_PHASE"), from15, { twoPhase: true }],
    [slot("LOGICAL p (snapshot 'nothing', two_phase off)"), from15, { snapshot: "nothing" }],
    [slot("LOGICAL p (SNAPSHOT export, TWO_PHASE TRUE)"), from15, { twoPhase: true }],
    [slot("PHYSICAL (reserve_wal 0)"), from15, { reserveWal: false }],
    [slot('PHYSICAL (reserve_wal "ON")'), from15, { reserveWal: true }],
    [slot("PHYSICAL (reserve_wal 4294967297)"), from15, { reserveWal: true }],
    [slot("LOGICAL p (failover, snapshot use)"), from17, { failover: true, snapshot: "use" }],
    [slot("TEMPORARY LOGICAL p (failover false)"), from17, { failover: false }],
  ]);

  expectRefused([
    [
      slot("PHYSICAL EXPORT_SNAPSHOT"),
      until(14),
      "42601",
      conflict,
      "options[0].defname",
      "EXPORT_SNAPSHOT",
      "The option export_snapshot is for logical slots only: leave it out.",
    ],
    [
      slot("PHYSICAL NOEXPORT_SNAPSHOT"),
      from15,
      "42601",
      conflict,
      "options[0].defname",
      "NOEXPORT_SNAPSHOT",
      "The option snapshot is for logical slots only: leave it out.",
    ],
    [
      slot("LOGICAL p EXPORT_SNAPSHOT  USE_SNAPSHOT"),
      until(14),
      "42601",
      conflict,
      "options[1].defname",
      "USE_SNAPSHOT",
      "One word about the snapshot is enough: leave one out.",
    ],
    [
      slot("LOGICAL p EXPORT_SNAPSHOT  USE_SNAPSHOT"),
      from15,
      "42601",
      conflict,
      "options[1].defname",
      "USE_SNAPSHOT",
      twice("snapshot"),
    ],
    [
      slot("PHYSICAL (RESERVE_WAL, RESERVE_WAL)"),
      from15,
      "42601",
      conflict,
      "options[1].defname",
      "RESERVE_WAL)",
      twice("reserve_wal"),
    ],
    [
      slot("LOGICAL p (reserve_wal)"),
      from15,
      "42601",
      conflict,
      "options[0].defname",
      "reserve_wal",
      "The option reserve_wal is for physical slots only: leave it out.",
    ],
    [
      slot("LOGICAL p (two_phase yes)"),
      from15,
      "42601",
      "two_phase requires a Boolean value",
      "options[0].arg",
      "yes",
      booleanAdvice,
    ],
    [
      slot("LOGICAL p (two_phase '1')"),
      from15,
      "42601",
      "two_phase requires a Boolean value",
      "options[0].arg",
      "'1'",
      booleanAdvice,
    ],
    [
      slot("LOGICAL p (snapshot)"),
      from15,
      "42601",
      "snapshot requires a parameter",
      "options[0].arg",
      "snapshot",
      "Write a value after snapshot.",
    ],
    [
      slot("LOGICAL p (snapshot 'Export')"),
      from15,
      "22023",
      'unrecognized value for CREATE_REPLICATION_SLOT option "snapshot": "Export"',
      "options[0].arg",
      "'Export'",
      "Write export, nothing or use, in lower case.",
    ],
    [
      slot("LOGICAL p (snapshot 007)"),
      from15,
      "22023",
      'unrecognized value for CREATE_REPLICATION_SLOT option "snapshot": "7"',
      "options[0].arg",
      "007",
      "Write export, nothing or use, in lower case.",
    ],
    [
      slot('PHYSICAL ("Reserve_wal")'),
      from15,
      "XX000",
      "unrecognized option: Reserve_wal",
      "options[0].defname",
      '"Reserve_wal"',
      "Did you mean reserve_wal?",
    ],
    [
      slot("LOGICAL p (failover)"),
      until(16, 15),
      "XX000",
      "unrecognized option: failover",
      "options[0].defname",
      "failover",
      "The option failover is new in 17.",
    ],
    [
      slot("LOGICAL p (x)"),
      17,
      "XX000",
      "unrecognized option: x",
      "options[0].defname",
      "x",
      "The options are snapshot, reserve_wal, two_phase, failover.",
    ],
    [
      slot("TEMPORARY LOGICAL p (failover true)"),
      from17,
      "0A000",
      "cannot enable failover for a temporary replication slot",
      "options[0].defname",
      "failover",
      "Leave TEMPORARY or FAILOVER out.",
    ],
  ]);

  describe("names of slots", () => {
    const hint = "Replication slot names may only contain lower case letters, numbers, and the underscore character.";
    const invalid = (name: string) => `replication slot name "${name}" contains invalid character`;
    const long = "x".repeat(63);
    expectAccepted([
      ["CREATE_REPLICATION_SLOT SUB_1 PHYSICAL", servers, {}],
      ['CREATE_REPLICATION_SLOT "0" PHYSICAL', servers, {}],
      [`CREATE_REPLICATION_SLOT ${long}x PHYSICAL`, servers, {}],
      ["CREATE_REPLICATION_SLOT pg_conflict_detection PHYSICAL", until(18), {}],
    ]);
    expectRefused([
      [
        'CREATE_REPLICATION_SLOT "" PHYSICAL',
        servers,
        "42602",
        'replication slot name "" is too short',
        "slotname",
        '"" P',
        "A slot needs a name.",
      ],
      [
        'CREATE_REPLICATION_SLOT "Sub1" PHYSICAL',
        servers,
        "42602",
        invalid("Sub1"),
        "slotname",
        '"Sub1"',
        "Write the slot name in lower case: sub1.",
        hint,
      ],
      [
        'CREATE_REPLICATION_SLOT  "a-B😀" LOGICAL p',
        servers,
        "42602",
        invalid("a-B😀"),
        "slotname",
        '"a-B',
        "Write a_b_, for example.",
        hint,
      ],
      [
        "CREATE_REPLICATION_SLOT pg_conflict_detection LOGICAL p",
        19,
        "42939",
        'replication slot name "pg_conflict_detection" is reserved',
        "slotname",
        "pg_",
        "Choose another name.",
        'The name "pg_conflict_detection" is reserved for the conflict detection slot.',
      ],
      // Options are looked at first.
      [
        'CREATE_REPLICATION_SLOT "A" PHYSICAL (x)',
        18,
        "XX000",
        "unrecognized option: x",
        "options[0].defname",
        "x)",
        "The options are snapshot, reserve_wal, two_phase, failover.",
      ],
    ]);

    test("a name that no text makes is too long", () => {
      const command = { ...parseCommand("CREATE_REPLICATION_SLOT x PHYSICAL"), slotname: "x".repeat(64) } as Command;
      const { sqlstate, message, text, offset } = refusal(command, {});
      expect({ sqlstate, message, text, offset }).toEqual({
        sqlstate: "42622",
        message: `replication slot name "${"x".repeat(64)}" is too long`,
        text: "",
        offset: 0,
      });
    });

    test("the hint of 9.4 says less", () => {
      const command = parseCommand('CREATE_REPLICATION_SLOT "A" PHYSICAL', { server: 10 });
      const shorter = "Replication slot names may only contain letters, numbers and the underscore character.";
      expect(refusal(command, { server: "9.4.4" }).hint).toBe(shorter);
      for (const server of ["9.4.5", "9.4", "9.5.0", "9.6"]) expect(refusal(command, { server }).hint).toBe(hint);
    });
  });

  describe("without a database", () => {
    const message = "logical decoding requires a database connection";
    const advice = "Connect with replication=database and the name of a database.";
    expectAccepted([[slot("PHYSICAL"), servers, {}]], { database: false });
    expectRefused(
      [
        ['CREATE_REPLICATION_SLOT "A" LOGICAL p', servers, "55000", message, "kind", "LOGICAL", advice],
        ["START_REPLICATION SLOT s LOGICAL 0/0 (x)", servers, "55000", message, "kind", "LOGICAL", advice],
        [
          slot("LOGICAL p (reserve_wal)"),
          from15,
          "42601",
          conflict,
          "options[0].defname",
          "reserve_wal",
          "The option reserve_wal is for physical slots only: leave it out.",
        ],
      ],
      { database: false },
    );
  });
});

describe("ALTER_REPLICATION_SLOT", () => {
  const alter = (rest: string) => `ALTER_REPLICATION_SLOT "Any Name" (${rest})`;
  expectAccepted([
    [alter("failover"), from17, { type: "AlterReplicationSlotOptions", failover: true, twoPhase: undefined }],
    [alter("two_phase 'off', failover 0"), [18, 19], { failover: false, twoPhase: false }],
  ]);
  expectRefused([
    [
      alter("two_phase"),
      17,
      "XX000",
      "unrecognized option: two_phase",
      "options[0].defname",
      "two_phase",
      `The option two_phase is new in ${sinceVersion("alterTwoPhase")}.`,
    ],
    [
      alter("wait 1"),
      17,
      "XX000",
      "unrecognized option: wait",
      "options[0].defname",
      "wait",
      "The only option is failover.",
    ],
    [
      alter("failover, failover x"),
      from17,
      "42601",
      "conflicting or redundant options",
      "options[1].defname",
      "failover x",
      twice("failover"),
    ],
    [
      alter("two_phase, two_phase"),
      18,
      "42601",
      "conflicting or redundant options",
      "options[1].defname",
      "two_phase)",
      twice("two_phase"),
    ],
    [alter("failover 2"), from17, "42601", "failover requires a Boolean value", "options[0].arg", "2", booleanAdvice],
  ]);
});

describe("BASE_BACKUP", () => {
  const backup = (rest: string) => `BASE_BACKUP (${rest})`;
  const none = { algorithm: "none", level: 0, workers: undefined, longDistance: false } as const;

  expectAccepted([
    [
      "BASE_BACKUP",
      servers.filter((server) => server >= 11),
      {
        type: "BaseBackupOptions",
        label: "base backup",
        progress: false,
        checkpoint: "spread",
        wait: true,
        wal: false,
        incremental: false,
        maxRate: 0,
        tablespaceMap: false,
        verifyChecksums: true,
        manifest: "no",
        manifestChecksums: "NONE",
        target: "client",
        targetDetail: undefined,
        compressionSpecification: none,
      },
    ],
    ["BASE_BACKUP", 10, { verifyChecksums: false }],
    [
      "BASE_BACKUP LABEL 'x' PROGRESS FAST WAL NOWAIT MAX_RATE 32 TABLESPACE_MAP",
      until(14),
      {
        label: "x",
        progress: true,
        checkpoint: "fast",
        wal: true,
        wait: false,
        maxRate: 32,
        tablespaceMap: true,
      },
    ],
    ["BASE_BACKUP NOVERIFY_CHECKSUMS", until(14, 11), { verifyChecksums: false }],
    [
      "BASE_BACKUP MANIFEST_CHECKSUMS 'Sha512' MANIFEST 'YE'",
      [13, 14],
      { manifest: "yes", manifestChecksums: "SHA512" },
    ],
    ["BASE_BACKUP MANIFEST 'Force-Encode'", [13, 14], { manifest: "force-encode", manifestChecksums: "CRC32C" }],
    [
      backup(
        "LABEL 007, PROGRESS, CHECKPOINT 'FAST', WAL true, WAIT 0, MAX_RATE 1048576, TABLESPACE_MAP on, VERIFY_CHECKSUMS off",
      ),
      from15,
      {
        label: "7",
        progress: true,
        checkpoint: "fast",
        wal: true,
        wait: false,
        maxRate: 1048576,
        tablespaceMap: true,
        verifyChecksums: false,
      },
    ],
    [backup("label 4294967295, checkpoint spread"), from15, { label: "-1", checkpoint: "spread" }],
    [backup("manifest t, manifest_checksums none"), from15, { manifest: "yes", manifestChecksums: "NONE" }],
    [backup("manifest 'of'"), from15, { manifest: "no", manifestChecksums: "NONE" }],
    [backup("manifest 1"), from15, { manifest: "yes" }],
    [backup("target client"), from15, { target: "client" }],
    [backup("target 'blackhole'"), from15, { target: "blackhole" }],
    [backup("target_detail '/b', target server"), from15, { target: "server", targetDetail: "/b" }],
    [backup("incremental off"), from17, { incremental: false }],
    [backup("incremental"), from17, { incremental: true }],
    [backup("compression 'none', compression_detail 0"), from15, { compressionSpecification: none }],
    [backup("compression gzip"), from15, { compressionSpecification: { ...none, algorithm: "gzip", level: -1 } }],
    [backup("compression lz4"), from15, { compressionSpecification: { ...none, algorithm: "lz4", level: 0 } }],
    [
      backup("compression zstd, compression_detail 'workers=4,level=-7,workers=2'"),
      from15,
      { compressionSpecification: { algorithm: "zstd", level: -7, workers: 2, longDistance: false } },
    ],
    [
      backup("compression zstd, compression_detail 'long'"),
      from16,
      { compressionSpecification: { algorithm: "zstd", level: 3, workers: undefined, longDistance: true } },
    ],
    [
      backup("compression zstd, compression_detail 'long=OFF'"),
      from16,
      { compressionSpecification: { algorithm: "zstd", level: 3, workers: undefined, longDistance: false } },
    ],
    [
      backup("compression gzip, compression_detail ' 4294967297'"),
      from15,
      { compressionSpecification: { ...none, algorithm: "gzip", level: 1 } },
    ],
    [backup(`label '${"é".repeat(512)}'`), from15, {}],
    [`BASE_BACKUP LABEL '${"x".repeat(1024)}'`, until(14), {}],
  ]);

  const syntax = (
    rest: string,
    message: string,
    path: string,
    at: string,
    advice: string,
    on: readonly number[] = from15,
  ): Refused => [backup(rest), on, "42601", message, path, at, advice];

  expectRefused([
    [
      "BASE_BACKUP LABEL 'a'  LABEL 'b'",
      until(14),
      "42601",
      'duplicate option "label"',
      "options[1].defname",
      "LABEL 'b'",
      twice("label"),
    ],
    [
      "BASE_BACKUP FAST PROGRESS FAST",
      until(14),
      "42601",
      'duplicate option "fast"',
      "options[2].defname",
      "FAST",
      twice("fast"),
    ],
    [
      "BASE_BACKUP MAX_RATE 31",
      until(14),
      "22003",
      '31 is outside the valid range for parameter "MAX_RATE" (32 .. 1048576)',
      "options[0].arg",
      "31",
      "Write kilobytes a second, from 32 to 1048576.",
    ],
    [
      "BASE_BACKUP MANIFEST 'maybe'",
      [13, 14],
      "42601",
      'unrecognized manifest option: "maybe"',
      "options[0].arg",
      "'maybe'",
      "Write yes, no or force-encode.",
    ],
    [
      "BASE_BACKUP MANIFEST_CHECKSUMS 'sha256' MANIFEST 'n'",
      [13, 14],
      "42601",
      "manifest checksums require a backup manifest",
      "options[0].defname",
      "MANIFEST_CHECKSUMS",
      "Add MANIFEST 'yes', or leave MANIFEST_CHECKSUMS out.",
    ],
    [
      "BASE_BACKUP MANIFEST 'yes' MANIFEST_CHECKSUMS 'md5'",
      [13, 14],
      "42601",
      'unrecognized checksum algorithm: "md5"',
      "options[1].arg",
      "'md5'",
      "Write one of NONE, CRC32C, SHA224, SHA256, SHA384, SHA512.",
    ],
    [
      `BASE_BACKUP LABEL '${"x".repeat(1025)}'`,
      until(14),
      "22023",
      "backup label too long (max 1024 bytes)",
      "options[0].arg",
      "'xxx",
      "Choose a shorter label.",
    ],
    [
      backup(`label '${"é".repeat(512)}x'`),
      from15,
      "22023",
      "backup label too long (max 1024 bytes)",
      "options[0].arg",
      "'éé",
      "Choose a shorter label.",
    ],
    [
      backup("max_rate 4294967295"),
      from15,
      "22003",
      '-1 is outside the valid range for parameter "MAX_RATE" (32 .. 1048576)',
      "options[0].arg",
      "4294967295",
      "Write kilobytes a second, from 32 to 1048576.",
    ],
    syntax(
      "max_rate '32'",
      "max_rate requires a numeric value",
      "options[0].arg",
      "'32'",
      "MAX_RATE takes a number without quotes: kilobytes a second, from 32 to 1048576.",
    ),
    syntax(
      "max_rate",
      "max_rate requires a numeric value",
      "options[0].arg",
      "max_rate",
      "MAX_RATE takes a number without quotes: kilobytes a second, from 32 to 1048576.",
    ),
    syntax("label", "label requires a parameter", "options[0].arg", "label", "Write a value after label."),
    // The value is missed first, where the server asks for it before it looks for a repetition.
    syntax("label x, label", 'duplicate option "label"', "options[1].defname", "label)", twice("label")),
    syntax(
      "checkpoint fast, checkpoint",
      "checkpoint requires a parameter",
      "options[1].arg",
      "checkpoint)",
      "Write a value after checkpoint.",
    ),
    syntax(
      "checkpoint fast, checkpoint x",
      'duplicate option "checkpoint"',
      "options[1].defname",
      "checkpoint x",
      twice("checkpoint"),
    ),
    syntax("target client, target", 'duplicate option "target"', "options[1].defname", "target)", twice("target")),
    syntax("progress yes", "progress requires a Boolean value", "options[0].arg", "yes", booleanAdvice),
    syntax(
      "progress, progress yes",
      'duplicate option "progress"',
      "options[1].defname",
      "progress y",
      twice("progress"),
    ),
    syntax(
      "checkpoint 'slow'",
      'unrecognized checkpoint type: "slow"',
      "options[0].arg",
      "'slow'",
      "Write fast or spread.",
    ),
    syntax(
      "labels x",
      'unrecognized base backup option: "labels"',
      "options[0].defname",
      "labels",
      "Did you mean label?",
    ),
    syntax("FAST", 'unrecognized base backup option: "fast"', "options[0].defname", "FAST", "Write CHECKPOINT 'fast'."),
    syntax(
      "incremental",
      'unrecognized base backup option: "incremental"',
      "options[0].defname",
      "incremental",
      "The option incremental is new in 17.",
      until(16, 15),
    ),
    syntax(
      "constructor",
      'unrecognized base backup option: "constructor"',
      "options[0].defname",
      "constructor",
      "The options are label, progress, checkpoint, wait, wal, max_rate, tablespace_map, verify_checksums, manifest, manifest_checksums, target, target_detail, compression, compression_detail.",
      until(16, 15),
    ),
    syntax("manifest o", 'unrecognized manifest option: "o"', "options[0].arg", "o)", "Write yes, no or force-encode."),
    syntax(
      "manifest_checksums none",
      "manifest checksums require a backup manifest",
      "options[0].defname",
      "manifest_checksums",
      "Add MANIFEST yes, or leave MANIFEST_CHECKSUMS out.",
    ),
    syntax(
      "target_detail x",
      "target detail cannot be used without target",
      "options[0].defname",
      "target_detail",
      "Add TARGET server, or leave TARGET_DETAIL out.",
    ),
    syntax(
      "target_detail '', target client",
      'target "client" does not accept a target detail',
      "options[0].defname",
      "target_detail",
      "Leave TARGET_DETAIL out.",
    ),
    syntax(
      "target blackhole, target_detail x",
      'target "blackhole" does not accept a target detail',
      "options[1].defname",
      "target_detail",
      "Leave TARGET_DETAIL out.",
    ),
    syntax(
      "target server",
      'target "server" requires a target detail',
      "options[0].arg",
      "server",
      "Add TARGET_DETAIL with a directory of the server.",
    ),
    [
      backup("target 'Client'"),
      from15,
      "0A000",
      'unrecognized target: "Client"',
      "options[0].arg",
      "'Client'",
      "Did you mean client?",
    ],
    [
      backup("target shell"),
      from15,
      "0A000",
      'unrecognized target: "shell"',
      "options[0].arg",
      "shell",
      "Write one of client, server, blackhole.",
    ],
    [
      backup("target server, target_detail './b'"),
      from15,
      "42602",
      "relative path not allowed for backup stored on server",
      "options[1].arg",
      "'./b'",
      "Write the whole path, from / on.",
    ],
    // What is wrong with the manifest is said before what is wrong with the target, and that before the compression.
    syntax(
      "compression_detail 1, target x, manifest_checksums none",
      "manifest checksums require a backup manifest",
      "options[2].defname",
      "manifest_checksums",
      "Add MANIFEST yes, or leave MANIFEST_CHECKSUMS out.",
    ),
    syntax(
      "compression_detail 1",
      "compression detail cannot be specified unless compression is enabled",
      "options[0].defname",
      "compression_detail",
      "Add COMPRESSION with one of none, gzip, lz4, zstd.",
    ),
    syntax(
      "compression 'GZIP'",
      'unrecognized compression algorithm: "GZIP"',
      "options[0].arg",
      "'GZIP'",
      "Write it in lower case: gzip.",
    ),
    syntax(
      "compression bzip2",
      'unrecognized compression algorithm: "bzip2"',
      "options[0].arg",
      "bzip2",
      "Write one of none, gzip, lz4, zstd.",
    ),
  ]);

  describe("details of compression", () => {
    const detail = (algorithm: string, text: string, error: string, advice: string, on: readonly number[] = from15) =>
      syntax(
        `compression ${algorithm}, compression_detail '${text}'`,
        `invalid compression specification: ${error}`,
        "options[1].arg",
        `'${text}'`,
        advice,
        on,
      );
    const range = (name: string, least: number, most: number, usual: number) =>
      `compression algorithm "${name}" expects a compression level between ${least} and ${most} (default at ${usual})`;
    const empty = "found empty string where a compression option was expected";
    const commas = "Write level=5, for example, with commas between.";
    expectRefused([
      detail("gzip", "10", range("gzip", 1, 9, -1), "Write a number from 1 to 9."),
      detail("gzip", "level=0", range("gzip", 1, 9, -1), "Write a number from 1 to 9."),
      detail("lz4", "13", range("lz4", 1, 12, 0), "Write a number from 1 to 12."),
      detail("zstd", "-131073", range("zstd", -131072, 22, 3), "Write a number from -131072 to 22."),
      detail(
        "none",
        "1",
        'compression algorithm "none" does not accept a compression level',
        "Leave the level out, or name an algorithm.",
      ),
      detail("gzip", "", empty, commas),
      detail("gzip", "level=1,", empty, commas),
      detail("gzip", "=1", empty, commas),
      detail("gzip", "level", 'compression option "level" requires a value', "Write level=5, for example."),
      detail(
        "gzip",
        "level=x",
        'value for compression option "level" must be an integer',
        "Write level=5, for example.",
      ),
      detail(
        "zstd",
        "workers=1 ",
        'value for compression option "workers" must be an integer',
        "Write workers=5, for example.",
      ),
      detail(
        "gzip",
        "levle=1",
        'unrecognized compression option: "levle"',
        "The options are level, workers, long.",
        [16, 17, 18, 19],
      ),
      detail("gzip", "levels", 'unrecognized compression option: "levels"', "Did you mean level?"),
      detail("zstd", "long", 'unrecognized compression option: "long"', "The option long is new in 16.", [15]),
      detail(
        "zstd",
        "long=true",
        'value for compression option "long" must be a Boolean value',
        "Write yes, no, on, off, 1 or 0.",
        from16,
      ),
      detail(
        "gzip",
        "workers=1",
        'compression algorithm "gzip" does not accept a worker count',
        "Leave workers out, or compress with zstd.",
      ),
      detail(
        "lz4",
        "long=off",
        'compression algorithm "lz4" does not support long-distance mode',
        "Leave long out, or compress with zstd.",
        from16,
      ),
    ]);

    describe("of a library that the server is built without", () => {
      const advice = "Choose another algorithm, or compress on the client's side.";
      const build = { gzip: false, lz4: false, zstd: false };
      expectAccepted([[backup("compression none"), from15, {}]], { build });
      expectRefused(
        [
          syntax(
            "compression gzip",
            "invalid compression specification: this build does not support compression with gzip",
            "options[0].arg",
            "gzip",
            advice,
          ),
          detail("lz4", "99", "this build does not support compression with LZ4", advice),
          detail("zstd", "level=1,x", "this build does not support compression with ZSTD", advice),
          detail("zstd", "", empty, commas),
        ],
        { build },
      );
    });
  });
});

describe("START_REPLICATION with pgoutput", () => {
  const start = (rest: string) => `START_REPLICATION SLOT s LOGICAL 0/0 (${rest})`;
  const and = "proto_version '1', publication_names 'p'";
  const from14 = servers.filter((server) => server >= 14);

  expectAccepted([
    [
      start(and),
      servers,
      {
        type: "PGOutputOptions",
        protocol: 1,
        publicationNames: ["p"],
        binary: false,
        messages: false,
        streaming: "off",
        twoPhase: false,
        origin: "any",
      },
    ],
    [
      start('proto_version \' +1\', publication_names \'"P 1", P2,p2 , "a""b"\''),
      servers,
      { publicationNames: ["P 1", "p2", "p2", 'a"b'] },
    ],
    [start("proto_version '1\t', publication_names '\"\",É'"), until(14), { publicationNames: ["", "É"] }],
    [
      start(`proto_version '1', publication_names '${"é".repeat(32)}'`),
      servers,
      { publicationNames: ["é".repeat(31)] },
    ],
    [start("proto_version '1', publication_names 'a\vb'"), until(16), { publicationNames: ["a\vb"] }],
    [start("proto_version '1', publication_names '\va\v'"), from17, { publicationNames: ["a"] }],
    [start("proto_version '1', publication_names ' '"), from17, { publicationNames: [] }],
    [start(`${and}, binary 'on', messages`), from14, { binary: true, messages: true }],
    [start("proto_version '2', publication_names 'p', streaming 'TRUE'"), from14, { streaming: "on" }],
    [start("proto_version '3', publication_names 'p', two_phase"), from15, { twoPhase: true }],
    [start("proto_version '4', publication_names 'p', streaming 'Parallel'"), from16, { streaming: "parallel" }],
    [start("proto_version '4', publication_names 'p', streaming"), from16, { streaming: "on" }],
    [start(`${and}, origin 'NONE'`), from16, { origin: "none" }],
    [start(`${and}, origin 'any'`), from16, { origin: "any" }],
    [start("proto_version '-18446744073709551615', publication_names 'p'"), from15, { protocol: 1 }],
  ]);

  const gate = (version: number, newest: number, who: string) =>
    `client sent proto_version=${version} but ${who} protocol ${version === 0 ? "1 or higher" : `${newest} or lower`}`;
  const [we, server] = ["we only support", "server only supports"];
  const version = "Write a number in quotes, such as '1'.";
  const publications = "pgoutput needs publication_names, such as 'pub1,pub2'.";
  const invalidNames = (names: string): Refused => [
    start(`publication_names '${names}'`),
    servers,
    "42602",
    "invalid publication_names syntax",
    "options[0].arg",
    `'${names}'`,
    "Write names with commas between, in double quotes if they hold blanks, commas or capital letters.",
  ];
  const command = "START_REPLICATION";

  expectRefused([
    [
      `${command} SLOT s LOGICAL 0/0`,
      until(13),
      "0A000",
      gate(0, 1, we),
      "",
      command,
      "pgoutput needs proto_version, '1'.",
    ],
    [
      start("publication_names 'p'"),
      14,
      "0A000",
      gate(0, 2, we),
      "",
      command,
      "pgoutput needs proto_version, '1' to '2'.",
    ],
    [
      start("publication_names 'p'"),
      16,
      "0A000",
      gate(0, 4, server),
      "",
      command,
      "pgoutput needs proto_version, '1' to '4'.",
    ],
    [
      start("publication_names 'p'"),
      from17,
      "22023",
      'option "proto_version" missing',
      "",
      command,
      "pgoutput needs proto_version, such as '1'.",
    ],
    [start("proto_version '1'"), from17, "22023", 'option "publication_names" missing', "", command, publications],
    [start("proto_version '1'"), until(16), "22023", "publication_names parameter missing", "", command, publications],
    [
      start("proto_version '1', publication_names ''"),
      until(16),
      "22023",
      "publication_names parameter missing",
      "options[1].arg",
      "''",
      publications,
    ],
    [
      start("proto_version '2', publication_names 'p'"),
      until(13),
      "0A000",
      gate(2, 1, we),
      "options[0].arg",
      "'2'",
      "This server speaks proto_version '1'.",
    ],
    [
      start("proto_version '4', publication_names 'p'"),
      15,
      "0A000",
      gate(4, 3, we),
      "options[0].arg",
      "'4'",
      "This server speaks proto_version '1' to '3'.",
    ],
    [
      start("proto_version '4294967295', publication_names 'p'"),
      from16,
      "0A000",
      gate(-1, 4, server),
      "options[0].arg",
      "'4294967295'",
      "This server speaks proto_version '1' to '4'.",
    ],
    [
      start("proto_version '', publication_names 'p'"),
      until(14),
      "22023",
      "invalid proto_version",
      "options[0].arg",
      "''",
      version,
    ],
    [
      start("proto_version '', publication_names 'p'"),
      from16,
      "0A000",
      gate(0, 4, server),
      "options[0].arg",
      "''",
      "This server speaks proto_version '1' to '4'.",
    ],
    [start("proto_version '1x'"), servers, "22023", "invalid proto_version", "options[0].arg", "'1x'", version],
    [start("proto_version '1 '"), from15, "22023", "invalid proto_version", "options[0].arg", "'1 '", version],
    [
      start("proto_version '-1'"),
      servers,
      "22023",
      'proto_version "-1" out of range',
      "options[0].arg",
      "'-1'",
      version,
    ],
    [
      start("proto_version '4294967296'"),
      servers,
      "22023",
      'proto_version "4294967296" out of range',
      "options[0].arg",
      "'4294967296'",
      version,
    ],
    [
      start("proto_version '9223372036854775808'"),
      until(14),
      "22023",
      "invalid proto_version",
      "options[0].arg",
      "'9",
      version,
    ],
    [
      start("proto_version"),
      [...until(14), "14.24", "15.19", "16.15", "17.11", "18.6", "19.0"],
      "08006",
      "server closed the connection unexpectedly",
      "options[0].arg",
      "proto_version",
      "Write a string after proto_version: without one this server crashes.",
    ],
    [
      start("publication_names"),
      ["14.25", "15.20", "16.16", "17.12", "18.7", "19.1"],
      "42601",
      "publication_names requires a parameter",
      "options[0].arg",
      "publication_names",
      "Write a value after publication_names.",
    ],
    // The version is missed before its repetition is noticed, and the publications after.
    [
      start(`${and}, proto_version`),
      [15, "18.7"],
      "42601",
      "proto_version requires a parameter",
      "options[2].arg",
      "proto_version)",
      "Write a value after proto_version.",
    ],
    [
      start(`${and}, publication_names`),
      [15, "18.6", "18.7"],
      "42601",
      "conflicting or redundant options",
      "options[2].defname",
      "publication_names)",
      twice("publication_names"),
    ],
    [
      start("proto_version '', publication_names 'p'"),
      ["15.20", "16.16", "17.12", "18.7", "19.1"],
      "22023",
      "invalid proto_version",
      "options[0].arg",
      "''",
      version,
    ],
    invalidNames("a,"),
    invalidNames(",a"),
    invalidNames("a b"),
    invalidNames('"a'),
    invalidNames('"a""'),
    invalidNames('"a"b'),
    [
      start(`${and}, "PROTO_VERSION" '1'`),
      servers,
      "XX000",
      "unrecognized pgoutput option: PROTO_VERSION",
      "options[2].defname",
      '"PROTO_VERSION"',
      "It looks like proto_version, which is given already: leave it out.",
    ],
    [
      start(`${and}, origin 'none'`),
      until(15),
      "XX000",
      "unrecognized pgoutput option: origin",
      "options[2].defname",
      "origin",
      "The option origin is new in 16.",
    ],
    [
      start(`streaming 'on', ${and}`),
      until(13),
      "XX000",
      "unrecognized pgoutput option: streaming",
      "options[0].defname",
      "streaming",
      "The option streaming is new in 14.",
    ],
    [
      start(`${and}, proto_version '2'`),
      servers,
      "42601",
      "conflicting or redundant options",
      "options[2].defname",
      "proto_version '2'",
      twice("proto_version"),
    ],
    [
      start(`${and}, binary 'yes'`),
      from14,
      "42601",
      "binary requires a Boolean value",
      "options[2].arg",
      "'yes'",
      quotedBooleanAdvice,
    ],
    [
      start(`${and}, streaming 'parallel'`),
      [14, 15],
      "42601",
      "streaming requires a Boolean value",
      "options[2].arg",
      "'parallel'",
      quotedBooleanAdvice,
    ],
    [
      start(`${and}, streaming 'x'`),
      from16,
      "42601",
      'streaming requires a Boolean value or "parallel"',
      "options[2].arg",
      "'x'",
      "Write 'on', 'off' or 'parallel'.",
    ],
    [
      start(`${and}, streaming 'on'`),
      from14,
      "22023",
      "requested proto_version=1 does not support streaming, need 2 or higher",
      "options[2].arg",
      "'on'",
      "Write proto_version '2', or leave streaming out.",
    ],
    [
      start("streaming 'parallel', proto_version '3', publication_names 'p'"),
      from16,
      "22023",
      "requested proto_version=3 does not support parallel streaming, need 4 or higher",
      "options[0].arg",
      "'parallel'",
      "Write proto_version '4', or leave streaming out.",
    ],
    [
      start(`${and}, two_phase`),
      from15,
      "22023",
      "requested proto_version=1 does not support two-phase commit, need 3 or higher",
      "options[2].arg",
      "two_phase",
      "Write proto_version '3', or leave two_phase out.",
    ],
    [
      start(`${and}, origin`),
      from16,
      "42601",
      "origin requires a parameter",
      "options[2].arg",
      "origin",
      "Write a value after origin.",
    ],
    [
      start(`${and}, origin 'x'`),
      from16,
      "22023",
      'unrecognized origin value: "x"',
      "options[2].arg",
      "'x'",
      "Write 'any' or 'none'.",
    ],
  ]);

  test("options of another plugin, and of servers without pgoutput, are not checked", () => {
    const command = parseCommand(start("x"));
    expect(checkCommand(command, { plugin: "test_decoding" })).toBe(undefined);
    expect(checkCommand(command, { server: "9.6" })).toBe(undefined);
  });
});

describe("before 10 the name of a slot that should exist is checked", () => {
  const hint = "Replication slot names may only contain lower case letters, numbers, and the underscore character.";
  test.each([
    'DROP_REPLICATION_SLOT "Ho"',
    'START_REPLICATION SLOT "Ho" 0/0',
    'START_REPLICATION SLOT "Ho" LOGICAL 0/0',
    'START_REPLICATION SLOT "Ho" PHYSICAL 0/0 TIMELINE 7',
  ])("%s", (text) => {
    for (const server of ["9.4", "9.5", "9.6"]) {
      expect(refusal(parseCommand(text, { server }), { server })).toMatchObject({
        ...{ sqlstate: "42602", message: 'replication slot name "Ho" contains invalid character', hint },
        ...{ path: "slotname", advice: "Write the slot name in lower case: ho." },
      });
    }
    expect(checkCommand(parseCommand(text, { server: 10 }), { server: 10, plugin: "p" })).toBe(undefined);
  });

  test("after it is seen that there is no database", () => {
    const command = parseCommand('START_REPLICATION SLOT "Ho" LOGICAL 0/0', { server: "9.6" });
    expect(refusal(command, { server: "9.6", database: false }).sqlstate).toBe("55000");
  });
});

describe("other commands", () => {
  test.each([
    "IDENTIFY_SYSTEM",
    "SHOW no.such",
    "TIMELINE_HISTORY 1",
    'DROP_REPLICATION_SLOT "Any Name"',
    'READ_REPLICATION_SLOT "Any Name"',
    "START_REPLICATION SLOT s 0/0 TIMELINE 1",
    "UPLOAD_MANIFEST",
  ])("%s has nothing to refuse", (text) => {
    expect(checkCommand(parseCommand(text), { database: false })).toBe(undefined);
  });

  test("SQL needs a database", () => {
    const command = parseCommand("select 1");
    expect(checkCommand(command)).toBe(undefined);
    expect(refusal(command, { database: false })).toMatchObject({ sqlstate: "0A000", text: "select 1" });
  });

  test.each([
    ["ALTER_REPLICATION_SLOT s (failover)", 16, "alterReplicationSlot"],
    ["READ_REPLICATION_SLOT s", 14, "readReplicationSlot"],
    ["UPLOAD_MANIFEST", 16, "uploadManifest"],
  ])("%s is no command of %i", (text, server, capability) => {
    const check = () => checkCommand(parseCommand(text), { server });
    expect(check).toThrow(UnsupportedError);
    expect(check).toThrow(expect.objectContaining({ capability }));
  });
});

describe("trees that no text makes", () => {
  const slot = parseCommand("CREATE_REPLICATION_SLOT s PHYSICAL");
  const withOption = (type: "BaseBackupCmd", option: unknown): Command =>
    ({ type, options: [option] }) as unknown as Command;

  test.each<[Command, string, Server?]>([
    [undefined as unknown as Command, "Command.type"],
    [{ type: "constructor" } as unknown as Command, "Command.type"],
    [{ ...slot, kind: "physical" } as unknown as Command, "CreateReplicationSlotCmd.kind"],
    [{ ...slot, slotname: 1 } as unknown as Command, "CreateReplicationSlotCmd.slotname"],
    [{ ...slot, options: {} } as unknown as Command, "CreateReplicationSlotCmd.options"],
    [withOption("BaseBackupCmd", undefined), "BaseBackupCmd.options[0]"],
    [withOption("BaseBackupCmd", { defname: 1, arg: undefined }), "BaseBackupCmd.options[0].defname"],
    [withOption("BaseBackupCmd", { defname: "a", arg: {} }), "BaseBackupCmd.options[0].arg.type"],
    [withOption("BaseBackupCmd", { defname: "a", arg: { type: "String" } }), "BaseBackupCmd.options[0].arg.sval"],
    [
      withOption("BaseBackupCmd", { defname: "a", arg: { type: "Integer", ival: 2 ** 31 } }),
      "BaseBackupCmd.options[0].arg.ival",
    ],
    [withOption("BaseBackupCmd", { defname: "a", arg: { type: "Boolean" } }), "BaseBackupCmd.options[0].arg.boolval"],
    [withOption("BaseBackupCmd", { defname: "label", arg: undefined }), "BaseBackupCmd.options[0].arg", 14],
  ])("%j is an EncodeError", (command, path, server) => {
    const check = () => checkCommand(command, { server });
    expect(check).toThrow(EncodeError);
    expect(check).toThrow(expect.objectContaining({ path }));
  });

  const label: DefElem = { defname: "label", arg: { type: "String", sval: "x" } };
  test.each<[Command, Server, string]>([
    [
      { type: "BaseBackupCmd", options: [label, { ...label, defname: "checkpoint" }] },
      14,
      'option "checkpoint" not recognized',
    ],
    [{ ...slot, options: [{ defname: "snapshot", arg: label.arg }] } as Command, 14, "unrecognized option: snapshot"],
    [
      {
        type: "StartReplicationCmd",
        kind: "LOGICAL",
        slotname: "s",
        timeline: 0,
        startpoint: toLsn(0n),
        options: [{ defname: "binary", arg: { type: "Integer", ival: 2 } }],
      },
      18,
      "binary requires a Boolean value",
    ],
  ])("#%# is refused as the code has it", (command, server, message) => {
    expect(refusal(command, { server }).message).toBe(message);
  });

  test("a command made by hand has its place in the text that it is printed as", () => {
    const { text, offset } = refusal({ type: "BaseBackupCmd", options: [{ ...label, defname: "Label" }] }, {});
    expect([text, offset]).toEqual([`BASE_BACKUP ("Label" 'x')`, 13]);
  });
});

test("the error draws the place and says what to do", () => {
  const error = refusal(parseCommand("BASE_BACKUP (PROGRESS, MAX_RATE '32')"), {});
  expect(String(error)).toBe(
    [
      "ParseError: max_rate requires a numeric value",
      "LINE 1: BASE_BACKUP (PROGRESS, MAX_RATE '32')",
      "                                        ^",
      "MAX_RATE takes a number without quotes: kilobytes a second, from 32 to 1048576.",
    ].join("\n"),
  );
});
