/**
 * The small files of text, by live servers: what servers write is read and printed as the same bytes; what we print, servers start
 * from; what is damaged they refuse in the very words that we refuse it with.
 */
import { chmodSync, chownSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, onTestFinished, test } from "vitest";
import {
  type BackupLabel,
  checkBackupLabel,
  checkSlotName,
  judgeRecovery,
  judgeStartReplication,
  parseBackupHistory,
  parseBackupLabel,
  parseTablespaceMap,
  parseTimeLineHistory,
  printBackupHistory,
  printBackupLabel,
  printTablespaceMap,
  printTimeLineHistory,
  tliInHistory,
} from "../../src/files/index.ts";
import { ParseError } from "../../src/kernel/errors.ts";
import { formatLsn, parseLsn, toLsn } from "../../src/kernel/lsn.ts";
import {
  parseArchiveStatusName,
  parseSegmentName,
  parseWalFileName,
  segmentName,
  segmentNumber,
  segmentOf,
  segmentOffset,
  type WalFileName,
  walFileName,
} from "../../src/kernel/wal-names.ts";
import { times } from "../seed.ts";
import { errorFields, type OwnServer, type ServerError, startServer } from "../servers/index.ts";
import { liveMajors, liveServer, longTestMajors } from "../servers/live.ts";
import { serverUser } from "../servers/locate.ts";
import { Image, type Said } from "../start-alone.ts";
import { backUp, labels, maps, timelines } from "../text-files.ts";

const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString();

describe.each(liveMajors)("PostgreSQL %d writes", (major) => {
  const server = liveServer(major);
  const own = { server: server.versionNum };

  test("backup_label and tablespace_map", async () => {
    const path = join(server.host, "texts\nof \\ ours");
    mkdirSync(path);
    const user = serverUser();
    if (user !== undefined) chownSync(path, user.uid, user.gid);
    chmodSync(path, 0o700);
    await server.sql(`CREATE TABLESPACE texts LOCATION '${path}'`);
    onTestFinished(async () => {
      await server.sql("DROP TABLESPACE texts");
      rmSync(path, { recursive: true });
    });
    for (const label of ["walwire", "it's é\nwith lines", "START TIMELINE: 1"]) {
      const backup = await backUp(server, label);
      const value = parseBackupLabel(backup.labelFile, own);
      expect(text(printBackupLabel(value, own))).toBe(backup.labelFile);
      expect(value.label).toBe(label);
      expect(value.startWalLocation).toBe(backup.start);
      expect(value.startWalFile).toBe(segmentName(1, backup.start));
      expect(value.backupMethod).toBe("streamed");
      expect(value.backupFrom).toBe(major < 14 ? "master" : "primary");
      expect(Math.abs(Date.parse(value.startTime!) - Date.now())).toBeLessThan(60_000);
      expect(value.startTimeline).toBe(major < 11 ? undefined : 1);
      checkBackupLabel(backup.labelFile, own);

      const map = parseTablespaceMap(backup.map, own);
      expect(map.find((entry) => entry.path === path)).toBeDefined();
      // What a server before 14 writes of a path can be what it does not read back.
      expect(text(printTablespaceMap(map, own)).trimEnd()).toBe(backup.map.trimEnd());
    }
  });

  test("the names of segments", async () => {
    // Until 16 the name is that of the segment of the byte before.
    const before = major < 17;
    const positions = [
      "0/1",
      "0/1000000",
      "0/1000001",
      "0/FFFFFFF",
      "1/0",
      "1/FF000000",
      "12/3456789A",
      "FFFFFFFF/FFFFFFFF",
    ];
    for (const position of positions) {
      const { rows } = await server.sql(
        `SELECT pg_walfile_name('${position}'), (pg_walfile_name_offset('${position}')).*`,
      );
      const lsn = parseLsn(position);
      const name = segmentName(1, before ? toLsn(lsn - 1n) : lsn);
      expect(rows[0], position).toEqual([name, name, String(segmentOffset(lsn))]);
      if (major >= 16) {
        const split = await server.sql(`SELECT * FROM pg_split_walfile_name('${name}')`);
        const parsed = parseSegmentName(name)!;
        expect(split.rows[0]).toEqual([String(parsed.number), String(parsed.timeline)]);
        expect(parsed.number).toBe(segmentNumber(before ? toLsn(lsn - 1n) : lsn));
      }
    }
    if (major < 16) return;
    for (const name of [
      "0000000100000000000000FF",
      "0000000100000001FFFFFFFF",
      "FFFFFFFFFFFFFFFFFFFFFFFF",
      "00000001000000000000000",
      "00000001.history",
    ]) {
      const parsed = parseSegmentName(name);
      const split = await server.sql(`SELECT * FROM pg_split_walfile_name('${name}')`).catch((error) => error);
      if (parsed === undefined) expect((split as ServerError).fields.M).toBe(`invalid WAL file name "${name}"`);
      else expect(split.rows[0]).toEqual([String(parsed.number), String(parsed.timeline)]);
    }
  });

  test("what is wrong with the name of a slot", async () => {
    for (const name of ["", "Texts", "a-b", "é", "texts_ok", "texts 1", "pg_conflict_detection", "_", "0"]) {
      const said = await server.sql(`SELECT pg_create_physical_replication_slot('${name}')`).then(
        () => undefined,
        (error: ServerError) => error.fields,
      );
      if (said === undefined) await server.sql(`SELECT pg_drop_replication_slot('${name}')`);
      const ours = refusal(() => checkSlotName(name, own));
      expect([ours?.message, ours?.sqlstate, ours?.hint], name).toEqual([said?.M, said?.C, said?.H]);
    }
  });
});

/** The ParseError of ours; undefined if there is none. */
function refusal(read: () => unknown): ParseError | undefined {
  try {
    read();
    return undefined;
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}

const saidBy = (error: ParseError | undefined): Said | undefined =>
  error === undefined ? undefined : { message: error.message, detail: error.detail, hint: error.hint };

/** Of the cases that all versions read alike, as a rule, each major has a third; WALWIRE_RUNS=2 takes all on each. */
const some = (cases: readonly string[], major: number): readonly string[] =>
  times > 1 ? cases : cases.filter((_, i) => i % 3 === damaged.indexOf(major));

const damaged = longTestMajors.filter((major) => [10, 14, 18].includes(major));

describe.each(damaged)("PostgreSQL %d starts, or refuses to", (major) => {
  test("from what it is given, in our words", { timeout: 120_000 }, async () => {
    // Where nothing is archived, the history of a backup is removed at once.
    const server = await startServer({ major, settings: { archive_mode: "on", archive_command: "false" } });
    onTestFinished(() => server.stop());
    const own = { server: server.versionNum };
    const backup = await backUp(server, "damage\nSTOP TIME: x");
    const { labelFile } = backup;
    const kept = (name: string): Uint8Array => new Uint8Array(readFileSync(join(server.dataDirectory, name)));
    const histories = (): string[] =>
      readdirSync(join(server.dataDirectory, "pg_wal")).filter((name) => name.endsWith(".backup"));

    const [name] = histories() as [string];
    expect(parseWalFileName(name)).toMatchObject({ type: "backup", timeline: 1, offset: segmentOffset(backup.start) });
    expect(segmentOf(parseWalFileName(name) as Extract<WalFileName, { type: "backup" }>).number).toBe(
      segmentNumber(backup.start),
    );
    expect(walFileName(parseWalFileName(name)!)).toBe(name);
    expect(parseArchiveStatusName(`${name}.ready`)).toEqual({ file: name, status: "ready" });
    expect(existsSync(join(server.dataDirectory, `pg_wal/archive_status/${name}.ready`))).toBe(true);
    const history = parseBackupHistory(kept(`pg_wal/${name}`));
    expect(printBackupHistory(history, own)).toEqual(kept(`pg_wal/${name}`));
    expect(history).toMatchObject(parseBackupLabel(labelFile, own));
    expect(history.stopWalLocation).toBe(backup.stop);
    expect(history.stopWalFile).toBe(segmentName(1, toLsn(backup.stop - 1n)));
    expect(history.stopTimeline).toBe(history.startTimeline);

    if (major < 15) {
      // An exclusive backup writes its files itself.
      await server.sql("SELECT pg_start_backup('exclusive', true)");
      const written = kept("backup_label");
      const value = parseBackupLabel(written, own);
      expect([value.backupMethod, value.label]).toEqual(["pg_start_backup", "exclusive"]);
      expect(printBackupLabel(value, own)).toEqual(written);
      // It would wait for the archive.
      await server.sql("SELECT pg_stop_backup(true, false)");
      const second = histories().find((each) => each !== name)!;
      expect(parseBackupHistory(kept(`pg_wal/${second}`))).toMatchObject(value);
    }
    const checkpoint = (
      await server.sql("SELECT checkpoint_lsn, timeline_id FROM pg_control_checkpoint(), pg_sleep(0)")
    ).rows[0]!;
    const image = new Image(server, { tables: false });
    onTestFinished(() => image.remove());
    const write = (name: string, content: string | Uint8Array): void =>
      writeFileSync(join(image.directory, name), content);

    for (const label of some(labels, major)) {
      write("backup_label", label);
      const { said, output } = await image.start();
      const ours = refusal(() => checkBackupLabel(label, own));
      const what = JSON.stringify(label);
      if (ours !== undefined) {
        expect(said, what).toEqual(saidBy(ours));
        continue;
      }
      expect(said?.message, what).toMatch(/^could not locate required checkpoint record/);
      if (major < 11) continue;
      const debug = (name: string) =>
        new RegExp(`^DEBUG: {2}backup ${name} ([^]*?) in file "backup_label"$`, "m").exec(output)?.[1];
      const value = parseBackupLabel(label, own);
      // What is read of a label of several lines is for people; the server makes less of it.
      // Of an empty one it takes what comes next for the label.
      if (value.label === "" || value.label?.includes("\n") || Buffer.byteLength(value.label ?? "") > 1023) continue;
      expect(debug("timeline"), what).toBe(value.startTimeline === undefined ? undefined : String(value.startTimeline));
      expect(debug("label")?.trimEnd(), what).toBe(value.label?.trimEnd());
    }

    write("backup_label", labelFile);
    rmSync(join(image.directory, "pg_tblspc"), { recursive: true });
    for (const map of maps) {
      const entries = parsedOrRefused(() => parseTablespaceMap(map, own));
      // It would start for good.
      if (!(entries instanceof ParseError) && entries.length === 0) continue;
      write("tablespace_map", map);
      const { said } = await image.start();
      const what = JSON.stringify(map);
      if (entries instanceof ParseError) {
        expect(said, what).toEqual(saidBy(entries));
        continue;
      }
      const [first] = entries;
      // There is no directory for the link, whose name is the oid as it was read.
      expect(said?.message, what).toContain(`pg_tblspc/${first?.oid}`);
    }
    rmSync(join(image.directory, "tablespace_map"));
    rmSync(join(image.directory, "backup_label"));

    const target = { restore_command: "false", recovery_target_timeline: "5" };
    if (major < 12) {
      write(
        "recovery.conf",
        Object.entries(target)
          .map(([name, value]) => `${name} = '${value}'\n`)
          .join(""),
      );
    } else write("recovery.signal", "");
    for (const history of some(timelines, major)) {
      write("pg_wal/00000005.history", history);
      const { said } = await image.start(major < 12 ? {} : target);
      const what = JSON.stringify(history);
      const parsed = parsedOrRefused(() => parseTimeLineHistory(history, 5, own));
      if (parsed instanceof ParseError) {
        expect(said, what).toEqual(saidBy(parsed));
        continue;
      }
      const [lsn, tli] = checkpoint as [string, string];
      if (!tliInHistory(Number(tli), parsed)) {
        expect(said?.message, what).toMatch(/^could not locate (?:a valid|required) checkpoint record/);
        continue;
      }
      const verdict = judgeRecovery(parsed, { checkpoint: { tli: Number(tli), lsn: parseLsn(lsn) } }, own);
      expect(said, what).toEqual({ message: verdict?.message, detail: verdict?.detail, hint: undefined });
    }
  });

  // In another way before 12.
  test("from what we print, and goes on to new timelines", { timeout: 120_000 }, async () => {
    const first = await startServer({ major });
    onTestFinished(() => first.stop());
    const own = { server: first.versionNum };
    const place = join(first.host, "old place");
    mkdirSync(place);
    const user = serverUser();
    if (user !== undefined) chownSync(place, user.uid, user.gid);
    await first.sql(`CREATE TABLESPACE moved LOCATION '${place}'`);
    const { rows } = await first.sql("SELECT oid FROM pg_tablespace WHERE spcname = 'moved'");
    const backup = await backUp(first, "a backup\nof ours");
    const image = new Image(first, { tables: true });
    onTestFinished(() => image.remove());

    // A label and a map of ours: other words, another place.
    const label: BackupLabel = {
      ...parseBackupLabel(backup.labelFile, own),
      label: "printed",
      startTime: "some time",
    };
    writeFileSync(join(image.directory, "backup_label"), printBackupLabel(label, own));
    const moved = join(first.host, `new place${major < 14 ? "" : "\\"}`);
    mkdirSync(moved);
    if (user !== undefined) chownSync(moved, user.uid, user.gid);
    const map = printTablespaceMap([{ oid: Number(rows[0]![0]), path: moved }], own);
    writeFileSync(join(image.directory, "tablespace_map"), map);
    const second = await promoted(major, image, {});
    onTestFinished(() => second.stop());
    expect(
      (await second.sql("SELECT pg_tablespace_location(oid) FROM pg_tablespace WHERE spcname = 'moved'")).rows,
    ).toEqual([[moved]]);
    expect(existsSync(join(second.dataDirectory, "backup_label.old"))).toBe(true);

    // And once more, up to a position after a backup.
    const next = await backUp(second, "another");
    await second.sql("CREATE TABLE t AS SELECT 1");
    const stop = (await second.sql("SELECT pg_current_wal_lsn()")).rows[0]![0]!;
    await second.sql("CREATE TABLE u AS SELECT 1");
    const again = new Image(second, { tables: true });
    onTestFinished(() => again.remove());
    rmSync(join(again.directory, "tablespace_map.old"));
    writeFileSync(join(again.directory, "backup_label"), printBackupLabel(parseBackupLabel(next.labelFile, own), own));
    const third = await promoted(major, again, { recovery_target_lsn: stop });
    onTestFinished(() => third.stop());

    for (const server of [second, third]) {
      const tli = server === second ? 2 : 3;
      const connection = await server.connect({ replication: "true" });
      const row = (await connection.query(`TIMELINE_HISTORY ${tli}`)).find(({ type }) => type === "D")!;
      const nameLength = row.body.readInt32BE(2);
      const name = row.body.toString("utf8", 6, 6 + nameLength);
      const content = new Uint8Array(row.body.subarray(10 + nameLength));
      expect(parseWalFileName(name)).toEqual({ type: "history", timeline: tli });
      expect(content).toEqual(new Uint8Array(readFileSync(join(server.dataDirectory, "pg_wal", name))));
      const history = parseTimeLineHistory(content, tli, own);
      expect(printTimeLineHistory(history, own)).toEqual(content);
      expect(history.map((entry) => entry.tli)).toEqual(tli === 2 ? [1, 2] : [1, 2, 3]);
      expect(history[0]!.reason).toBe("no recovery target specified");
      if (tli === 3) expect(history[1]!.reason).toMatch(/^after LSN [0-9A-F]+\/[0-9A-F]+$/);

      // Whom it would send WAL to.
      for (const from of [
        { tli: 1, lsn: toLsn(1n << 40n) },
        { tli: 9, lsn: history[0]!.end },
        ...(tli === 3 ? [{ tli: 2, lsn: toLsn(1n << 40n) }] : []),
      ]) {
        const messages = await connection.query(`START_REPLICATION ${formatLsn(from.lsn)} TIMELINE ${from.tli}`);
        const said = errorFields(messages.find(({ type }) => type === "E")!.body);
        const ours = judgeStartReplication(history, from, own);
        expect([ours?.sqlstate, ours?.message, ours?.detail]).toEqual([said.C, said.M, said.D]);
      }
      await connection.close();
    }
  });
});

/** A server on a copy of the image, when it has recovered and gone on to a new timeline. */
async function promoted(major: number, image: Image, target: Readonly<Record<string, string>>): Promise<OwnServer> {
  const settings = {
    restore_command: "false",
    recovery_target_timeline: "latest",
    ...target,
    ...(Object.keys(target).length > 0 ? { recovery_target_action: "promote" } : {}),
  };
  if (major < 12) {
    const lines = Object.entries(settings).map(([name, value]) => `${name} = '${value}'\n`);
    writeFileSync(join(image.directory, "recovery.conf"), lines.join(""));
  } else {
    writeFileSync(join(image.directory, "recovery.signal"), "");
  }
  const server = await startServer({ major, from: image.directory, settings: major < 12 ? {} : settings });
  while ((await server.sql("SELECT pg_is_in_recovery()")).rows[0]![0] === "t") await sleep(10);
  return server;
}

function parsedOrRefused<T>(parse: () => T): T | ParseError {
  try {
    return parse();
  } catch (error) {
    if (error instanceof ParseError) return error;
    throw error;
  }
}
