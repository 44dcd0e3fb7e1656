/** Facts of the files of slots, origins and snapshots: recorded ones, what each version says to them, and slots in words. */
import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  controlFileVersions,
  decodeControlFile,
  decodeReplicationOrigins,
  decodeSlotState,
  decodeSnapshot,
  encodeControlFile,
  encodeReplicationOrigins,
  encodeReplicationSlotOnDisk,
  encodeSlotState,
  encodeSnapshot,
  explainControlFile,
  explainSlot,
  judgeSlotState,
  judgeSnapshot,
  type ReplicationSlotPersistentData,
  slotInvalidation,
  slotStateVersions,
} from "../../src/files/index.ts";
import { legacyCrc32 } from "../../src/files/legacy-crc32.ts";
import { DecodeError, EncodeError, UnsupportedError } from "../../src/kernel/errors.ts";
import { invalidLsn, parseLsn } from "../../src/kernel/lsn.ts";
import { hex, toHex } from "../hex.ts";

const vector = (name: string): Uint8Array =>
  new Uint8Array(readFileSync(new URL(`../vectors/files/${name}`, import.meta.url)));

/** What 9.4beta1 wrote for a physical slot. */
const slotOfBeta = hex(`a11c0501 c42b6b13 01000000 a0000000 70687973 ${"00".repeat(156)}`);

const physical: ReplicationSlotPersistentData = {
  name: "s",
  database: 0,
  persistency: "persistent",
  xmin: 0,
  catalogXmin: 0,
  restartLsn: parseLsn("0/3000028"),
  confirmedFlush: invalidLsn,
  plugin: "",
};
const logical = {
  ...physical,
  database: 5,
  catalogXmin: 700,
  confirmedFlush: parseLsn("0/3000060"),
  plugin: "pgoutput",
};

describe("slots", () => {
  test.each([
    ["10", "9.5 to 12", "0/162C740", "0/162DBA8", 556, 12940, undefined, undefined],
    ["13", "13", "0/15C5FA8", "0/15C7440", 486, 13383, undefined, undefined],
    ["14", "14 to 15", "0/16F1550", "0/16F2AC0", 734, 13695, true, undefined],
    ["16", "16", "0/14DF518", "0/14E0A98", 731, 5, true, undefined],
    ["18", "17 and later", "0/174B300", "0/174B338", 752, 5, true, true],
  ])(
    "of %s are what its view said",
    (major, versions, restart, confirmed, catalogXmin, database, twoPhase, failover) => {
      const file = vector(`slot-state-${major}`);
      const state = decodeSlotState(file);
      expect(slotStateVersions(state)).toBe(versions);
      expect(state.slotdata).toMatchObject({
        name: "demo",
        persistency: "persistent",
        database,
        xmin: 0,
        catalogXmin,
        restartLsn: parseLsn(restart),
        confirmedFlush: parseLsn(confirmed),
        plugin: major === "18" ? "pgoutput" : "test_decoding",
        twoPhase,
        failover,
      });
      expect(toHex(encodeReplicationSlotOnDisk(state))).toBe(toHex(file));
      expect(toHex(encodeSlotState(state.slotdata, { server: major }))).toBe(toHex(file));
    },
  );

  test("of 9.4beta1 have a sum of their own over the slot alone", () => {
    const state = decodeSlotState(slotOfBeta);
    expect(state).toMatchObject({
      version: 1,
      checksum: legacyCrc32(slotOfBeta.subarray(16)),
      slotdata: { name: "phys" },
    });
    expect(toHex(encodeReplicationSlotOnDisk(state))).toBe(toHex(slotOfBeta));
    expect(slotStateVersions(state)).toBe("no version");
  });

  test("of 9.4 have the layout of 9.5 and another sum", () => {
    const [of94, of95] = [encodeSlotState(physical, { server: "9.4" }), encodeSlotState(physical, { server: "9.5" })];
    expect(of94.length).toBe(176);
    expect(slotStateVersions(decodeSlotState(of94))).toBe("9.4");
    expect(slotStateVersions(decodeSlotState(of95))).toBe("9.5 to 12");
    expect(toHex(of94.subarray(8))).toBe(toHex(of95.subarray(8)));
    expect(judgeSlotState(of94, { server: "9.4" })).toBeUndefined();
    expect(judgeSlotState(of94, { server: "9.5" })?.message).toMatch(
      /^replication slot file pg_replslot\/NAME\/state: checksum/,
    );
  });

  test("of one version are written for another, but for what that cannot say", () => {
    const of14 = decodeSlotState(vector("slot-state-14")).slotdata;
    const of18 = decodeSlotState(encodeSlotState(of14, { server: "18" })).slotdata;
    expect(of18).toEqual({ ...of14, invalidatedAt: undefined, invalidated: "none", synced: false, failover: false });
    expect(toHex(encodeSlotState(of18, { server: "14" }))).toBe(toHex(vector("slot-state-14")));
    expect(() => encodeSlotState(of14, { server: "13" })).toThrow(EncodeError);
    expect(() => encodeSlotState(of14, { server: "13" })).toThrow("PostgreSQL 13.23 knows no two_phase");
    expect(() => encodeSlotState({ ...physical, synced: true }, { server: "16" })).toThrow("knows no synced slots");
    expect(() => encodeSlotState({ ...physical, failover: true }, { server: "9.4" })).toThrow(
      "knows no failover slots",
    );
    expect(() => encodeSlotState({ ...physical, invalidated: "wal_removed" }, { server: "12" })).toThrow(
      "knows no invalidated slots",
    );
    expect(() => encodeSlotState({ ...physical, invalidated: "rows_removed" }, { server: "15" })).toThrow(
      "invalidated in this way",
    );
    expect(() => encodeSlotState({ ...physical, invalidated: "idle_timeout" }, { server: "17" })).toThrow(
      "knows no idle_timeout",
    );
    expect(() => encodeSlotState(physical, { server: "9.3" })).toThrow(UnsupportedError);
  });

  test("are invalidated for causes whose numbers changed in 18", () => {
    const at = 16 + 88;
    const slot = { ...physical, invalidated: "wal_level_insufficient" as const };
    const [of17, of18] = [encodeSlotState(slot, { server: "17" }), encodeSlotState(slot, { server: "18" })];
    expect([of17[at], of18[at]]).toEqual([3, 4]);
    expect(decodeSlotState(of17).slotdata.invalidated).toBe(3);
    expect([of17, of18].map((file) => slotInvalidation(decodeSlotState(file).slotdata))).toEqual([
      "wal_level_insufficient",
      "wal_level_insufficient",
    ]);
    const of15 = { ...physical, restartLsn: invalidLsn, invalidatedAt: parseLsn("0/1") };
    expect(decodeSlotState(encodeSlotState(of15, { server: "16" })).slotdata.invalidated).toBe("wal_removed");
  });

  test.each([
    ["magic", 0, "ReplicationSlotOnDisk.magic is 17112224, expected 17112225, at offset 0"],
    ["checksum", 4, /^ReplicationSlotOnDisk\.checksum is \d+, but should be \d+ at offset 4$/],
    ["version", 8, "ReplicationSlotOnDisk.version is 4, expected 1, 2, 3 or 5, at offset 8"],
    ["length", 12, "ReplicationSlotOnDisk.length is 185, expected 184 in version 5, at offset 12"],
  ])("with another %s are no files of servers", (_, at, message) => {
    const bad = encodeSlotState(physical);
    bad[at]! ^= 1;
    expect(() => decodeSlotState(bad)).toThrow(DecodeError);
    expect(() => decodeSlotState(bad)).toThrow(message);
  });

  test("keep what is in their padding", () => {
    const file = encodeSlotState(physical, { server: "18" });
    file[199] = 7;
    expect(() => decodeSlotState(file)).toThrow("checksum");
    const state = decodeSlotState(encodeSlotState(physical, { server: "18" }));
    const dirty = encodeReplicationSlotOnDisk({ ...state, padding: hex("01020304 0000000000") });
    expect(toHex(dirty.subarray(108, 112))).toBe("01020304");
    expect(dirty.length).toBe(200);
    expect(() => encodeReplicationSlotOnDisk({ ...state, padding: hex("01") })).toThrow(
      "ReplicationSlotOnDisk.padding.length is 1, expected 9",
    );
  });
});

describe("a slot in words", () => {
  const words = (slot: ReplicationSlotPersistentData, options = {}): string => explainSlot(slot, options).join("\n");

  test("what holds WAL back, how much and where", () => {
    expect(
      words(physical, { walEnd: parseLsn("0/5000000"), timeline: 3 }),
    ).toBe(`"s" is a physical slot, for a standby or a receiver of WAL.
It holds back WAL from 0/3000028 on, in pg_wal/000000030000000000000003 and all after it: 32 MB (33554392 bytes) up to 0/5000000.`);
    expect(words(physical, { walEnd: parseLsn("0/3000029"), segmentSize: 1024 * 1024, server: "19" })).toContain(
      "from 0/03000028 on, in pg_wal/*0000000000000030 and all after it: 1 byte up to 0/03000029.",
    );
    expect(words(physical, { walEnd: parseLsn("0/1") })).toContain(
      "beyond the end of WAL at 0/1: the slot is not of this server",
    );
    expect(words({ ...physical, restartLsn: invalidLsn })).toContain("It holds back no WAL: it has no position.");
  });

  test("a logical one, for whom VACUUM waits", () => {
    expect(
      words(
        { ...logical, xmin: 699, twoPhase: true, twoPhaseAt: parseLsn("0/30"), failover: true },
        { walEnd: parseLsn("0/3000461") },
      ),
    ).toBe(`"s" is a logical slot of the database with the oid 5, for the output plugin "pgoutput".
It holds back WAL from 0/3000028 on, in pg_wal/*0000000000000003 and all after it: 1.1 kB (1081 bytes) up to 0/3000461.
VACUUM leaves dead rows of all tables alone that transaction 699 or a later one may still see.
VACUUM leaves dead rows of catalogs alone that transaction 700 or a later one may still see.
Its consumer has confirmed up to 0/3000060, 1 kB (1025 bytes) behind the end of WAL.
Transactions are sent when they are prepared (two_phase), from 0/30 on.
Standbys that synchronize slots keep a copy of it (failover).`);
    expect(words({ ...logical, synced: true })).toContain("It is a copy of a slot of the primary (synced)");
  });

  test.each([
    ["wal_removed", "max_slot_wal_keep_size allows"],
    ["rows_removed", "in conflict with recovery"],
    ["wal_level_insufficient", "wal_level was set below"],
    [3, "wal_level was set below"],
    ["idle_timeout", "longer than idle_replication_slot_timeout"],
    [99, "of the cause 99, which no version knows"],
  ] as const)("one that is lost: %s", (invalidated, why) => {
    const said = words({ ...logical, invalidated });
    expect(said).toContain(why);
    expect(said).toContain("drop it, and start its consumer with a new slot");
    expect(said).toContain("It holds back nothing any more.");
  });

  test("one that a server from 13 to 15 has lost still keeps rows", () => {
    const said = words({ ...physical, xmin: 7, restartLsn: invalidLsn, invalidatedAt: parseLsn("0/1") });
    expect(said).toContain("let its standby restore the missing WAL from an archive");
    expect(said).toContain("transaction 7 or a later one");
  });

  test.each([
    ["temporary", "since it is a temporary one."],
    ["ephemeral", "since it was not yet made in full."],
    [7, "since it is not persistent."],
  ] as const)("one that goes: %s", (persistency, why) => {
    expect(words({ ...physical, persistency })).toContain(`A server removes it when it starts, ${why}`);
    expect(judgeSlotState(encodeSlotState({ ...physical, persistency }), { walLevel: "minimal" })).toBeUndefined();
  });
});

describe("origins", () => {
  test("are what was set", () => {
    const file = vector("replorigin_checkpoint");
    expect(decodeReplicationOrigins(file)).toEqual([
      { roident: 2, remoteLsn: parseLsn("AB/CDEF0123"), padding: undefined },
      { roident: 1, remoteLsn: parseLsn("0/16B3748"), padding: undefined },
    ]);
    expect(toHex(encodeReplicationOrigins(decodeReplicationOrigins(file)))).toBe(toHex(file));
  });
});

describe("snapshots", () => {
  test.each([
    ["0-15C7390-13.snap", "13", 2, 486, undefined],
    ["0-16F2A10-14.snap", "15", 4, 734, undefined],
    ["0-14E09E8-16.snap", "16", 5, 731, [731]],
    ["0-174DED0-18.snap", "17", 6, 753, [753]],
  ])("%s", (name, server, version, xmin, catchange) => {
    const file = vector(name);
    const snapshot = decodeSnapshot(file);
    expect(snapshot.head).toMatchObject({
      version,
      length: file.length,
      builder: { state: "consistent", xmin, xmax: xmin },
    });
    expect(snapshot).toMatchObject({ committed: [], catchange });
    expect(toHex(encodeSnapshot(snapshot))).toBe(toHex(file));
    expect(judgeSnapshot(file, { server })).toBeUndefined();
    expect(judgeSnapshot(file, { server: server === "13" ? "14" : "13" })?.message).toContain("unsupported version");
  });

  test("a list that its struct does not have is refused, and so is one longer than the file", () => {
    const snapshot = decodeSnapshot(vector("0-174DED0-18.snap"));
    expect(() => encodeSnapshot({ ...snapshot, committed: [1] })).toThrow("has 1 transactions, but its struct says 0");
    expect(() => encodeSnapshot({ ...snapshot, catchange: undefined })).toThrow(
      "has no transactions, but its struct says 1",
    );
    expect(() => decodeSnapshot(vector("0-174DED0-18.snap").subarray(0, 144))).toThrow(
      "has 1 transactions at offset 144; 0 bytes",
    );
  });
});

describe("limits of a slot's file", () => {
  const file = encodeSlotState(physical, { server: "18" });

  test("a file that is cut is too short, whatever its checksum", () => {
    for (const length of [17, 100, file.length - 1]) {
      expect(() => decodeSlotState(file.subarray(0, length))).toThrow(
        expect.objectContaining({ name: "DecodeError", code: "TRUNCATED" }),
      );
    }
    const damaged = Uint8Array.from(file);
    damaged[file.length - 1]! ^= 1;
    expect(() => decodeSlotState(damaged)).toThrow(expect.objectContaining({ code: "BAD_VALUE", offset: 4 }));
  });

  test("of 13 to 15 a slot has lost its WAL only if it has no position any more", () => {
    const at = parseLsn("0/3000000");
    expect(slotInvalidation({ invalidatedAt: at, restartLsn: invalidLsn })).toBe("wal_removed");
    expect(slotInvalidation({ invalidatedAt: at, restartLsn: at })).toBe("none");
    expect(slotInvalidation({ invalidatedAt: invalidLsn, restartLsn: invalidLsn })).toBe("none");
  });
});

describe("pg_control", () => {
  // By pg_resetxlog -x 1234567 -o 50000 -m 77,7 -O 99 -l 000000010000000200000033; pg_controldata shows the same.
  const old = {
    dbState: "shut down",
    walLevel: undefined,
    checkPoint: parseLsn("2/33000028"),
    checkPointCopy: expect.objectContaining({
      nextXid: 1234567,
      nextOid: 50000,
      nextMulti: 77,
      nextMultiOffset: 99,
      oldestMulti: 7,
    }),
    maxConnections: 100,
    maxAlign: 8,
    loblksize: 2048,
    float8ByVal: true,
  };
  test.each([
    ["9.4", 942, { ...old, archiveWalLevel: "minimal", trackCommitTimestamp: undefined }],
    ["9.5", 942, { ...old, archiveWalLevel: "minimal", trackCommitTimestamp: false }],
    ["10", 1002, { prevCheckPoint: expect.any(BigInt), float4ByVal: true, defaultCharSignedness: undefined }],
    ["18", 1800, { prevCheckPoint: undefined, float4ByVal: undefined, defaultCharSignedness: true }],
    ["19 and later", 1905, { slruPagesPerSegment: 32, dataChecksumVersionInit: "on", dataChecksumVersion: "on" }],
  ])("of %s is read, and written again", (servers, version, fields) => {
    const file = vector(`pg_control-${servers.replace(" and later", "")}`);
    const data = decodeControlFile(file);
    expect(data).toMatchObject({ pgControlVersion: version, dbState: "in production", walLevel: "logical", ...fields });
    expect(controlFileVersions(data)).toBe(servers);
    expect(toHex(encodeControlFile({ ...data, crc: 0 }))).toBe(toHex(file));
  });

  test.each([
    ["cut off", (file: Uint8Array) => file.slice(0, 296), "TRUNCATED", 12],
    ["too long", (file: Uint8Array) => Uint8Array.from([...file, 0]), "TRAILING_BYTES", 8192],
    ["of another version", (file: Uint8Array) => file.with(8, 9), "BAD_VALUE", 8],
    ["damaged", (file: Uint8Array) => file.with(40, file[40]! ^ 1), "BAD_VALUE", 292],
    ["followed by more than zeros", (file: Uint8Array) => file.with(8000, 1), "TRAILING_BYTES", 8000],
  ])("%s is none", (_, damage, code, offset) => {
    const file = damage(vector("pg_control-18"));
    expect(() => decodeControlFile(file)).toThrow(expect.objectContaining({ name: "DecodeError", code, offset }));
  });

  test("has the fields of its version", () => {
    const data = decodeControlFile(vector("pg_control-18"));
    const refused = (change: object): string => {
      try {
        encodeControlFile({ ...data, ...change });
      } catch (error) {
        expect(error).toBeInstanceOf(EncodeError);
        return (error as Error).message;
      }
      return "";
    };
    expect(refused({ pgControlVersion: 937 })).toMatch(/^ControlFileData\.pgControlVersion must be 942, .* or 1905$/);
    expect(refused({ float4ByVal: true })).toBe("ControlFileData.float4ByVal cannot be there in version 1800");
    expect(refused({ defaultCharSignedness: undefined })).toBe(
      "ControlFileData.defaultCharSignedness must be there in version 1800",
    );
    expect(refused({ checkPointCopy: { ...data.checkPointCopy, nextXidEpoch: 0, nextXid: 3 } })).toBe(
      "ControlFileData.checkPointCopy.nextXidEpoch cannot be there in version 1800",
    );
    expect(refused({ mockAuthenticationNonce: new Uint8Array(31) })).toContain("expected a Uint8Array of 32 bytes");
    expect(() => encodeControlFile(null as never)).toThrow(EncodeError);
  });

  test("says in words how far recovery must go", () => {
    const data = decodeControlFile(vector("pg_control-18"));
    const words = explainControlFile({
      ...data,
      dbState: "in archive recovery",
      time: 2n ** 62n,
      minRecoveryPoint: parseLsn("0/3000000"),
      minRecoveryPointTLI: 2,
      backupStartPoint: parseLsn("0/2000028"),
      backupEndPoint: parseLsn("0/2000120"),
      backupEndRequired: true,
    });
    expect(words).toContain("It is consistent once WAL has been replayed up to 0/3000000 on timeline 2.");
    expect(words).toContain("It is a backup that began at 0/2000028, and recovery has not come to the end of it.");
    expect(words).toContain("The backup ends at 0/2000120.");
    expect(words).toContain("Recovery must find the record of the end of the backup.");
    expect(words[1]).toBe(
      "The server is a standby or recovers from an archive, or did when it ended. The file was written at 4611686018427387904 s after 1970.",
    );
  });
});
