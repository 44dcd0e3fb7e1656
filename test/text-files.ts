/** Small files of text that a server starts from, good and damaged, and a backup of a live one. */
import { type Lsn, parseLsn } from "../src/kernel/lsn.ts";
import type { Server } from "./servers/index.ts";

/** A backup of the server, which nobody copies: from where to where it goes, backup_label and tablespace_map. */
export async function backUp(
  server: Server,
  label: string,
): Promise<{ start: Lsn; stop: Lsn; labelFile: string; map: string }> {
  const old = server.major < 15;
  const connection = await server.connect();
  const one = async (sql: string) => {
    const row = (await connection.query(sql)).find(({ type }) => type === "D");
    if (row === undefined) throw new Error(sql);
    const columns: string[] = [];
    for (let at = 2; at < row.body.length; ) {
      const length = row.body.readInt32BE(at);
      columns.push(row.body.toString("utf8", at + 4, at + 4 + length));
      at += 4 + length;
    }
    return columns;
  };
  const quoted = label.replaceAll("'", "''");
  const [start] = await one(
    old ? `SELECT pg_start_backup('${quoted}', true, false)` : `SELECT pg_backup_start('${quoted}', true)`,
  );
  const [stop, labelFile, map] = await one(
    `SELECT * FROM ${old ? "pg_stop_backup(false, false)" : "pg_backup_stop(false)"}`,
  );
  await connection.close();
  return { start: parseLsn(start!), stop: parseLsn(stop!), labelFile: labelFile!, map: map! };
}

const startLine = "START WAL LOCATION: 0/2000028 (file 000000010000000000000002)\n";
const checkpointLine = "CHECKPOINT LOCATION: 0/5000060\n";
const good = `${startLine}${checkpointLine}BACKUP METHOD: streamed\nBACKUP FROM: standby\nSTART TIME: 2026-11-27 UTC\nLABEL: x\n`;

/** Labels, of which some are damaged. That there is no such checkpoint, a server sees when it has read all. */
export const labels: readonly string[] = [
  "",
  good,
  `${good}START TIMELINE: 1\n`,
  `${good}START TIMELINE: 2\n`,
  `${good}START TIMELINE: 4294967297\n`,
  `${good}START TIMELINE: -4294967295 \n`,
  `${good}START TIMELINE: 0x1\n`,
  `${good}START TIMELINE: 1\nINCREMENTAL FROM LSN: 0/2000028\nINCREMENTAL FROM TLI: 1\n`,
  `${good}INCREMENTAL FROM LSN: 1`,
  `${good}INCREMENTAL FROM LSN: x`,
  startLine,
  `${startLine}${checkpointLine}`,
  `${startLine}${checkpointLine}`.trimEnd(),
  ` ${good}`,
  good.replaceAll(" ", ""),
  good.replaceAll(" ", "\n\t "),
  good.replaceAll("\n", "\r\n"),
  good.replace("START WAL", "start wal"),
  good.replace("0/2000028", "0/200002G"),
  good.replace("0/2000028", "0x0/+2000028"),
  good.replace("0/2000028", "-1/FFFFFFFFFFFFFFFFFF"),
  good.replace("0/5000060", "0/5000060 "),
  good.replace("000000010000000000000002", "0000000100000000000000023"),
  good.replace("000000010000000000000002", "00000001000000000000000"),
  good.replace("000000010000000000000002", "0x0000010000000000000002"),
  good.replace("(file ", "(file"),
  good.replace("LABEL: x", `LABEL: ${"é".repeat(700)}\nSTART TIMELINE: 7`),
  good.replace("LABEL: x", "LABEL: \nSTART TIMELINE: 7"),
  good.replace("LABEL: x", "LABEL: a\nb\nSTART TIMELINE: 7"),
  good.replace("LABEL: x\n", "START TIMELINE: 7\nLABEL: x\n"),
  good.replace("BACKUP METHOD: streamed", "BACKUP METHOD: abcdefghijklmnopqrstuvwxyz\nSTART TIMELINE: 7"),
  `${good.replace("BACKUP METHOD: streamed\n", "")}START TIMELINE: 7\n`,
  `${good.replace("STANDBY", "x\0y").replace("START TIME: 2026", `START TIME: ${"9".repeat(200)}`)}START TIMELINE: 7\n`,
];

/** Files of tablespaces, of which some are damaged. */
export const maps: readonly string[] = [
  "16384 /srv/a",
  "16384\n",
  "16384 \n",
  "16384 x\n",
  "16384 xy\n",
  " 16384 /srv/a\n",
  "\n16384 /srv/a\n",
  "16384 /srv/a\r\n",
  "16384 /srv/a\\\n",
  "16384 /srv/a\\\\\n",
  "16384 /srv/a\n\\",
  "abc /srv/a\n",
  "+16384 /srv/a\n",
  "18446744073709551616 /srv/a\n",
  "16384\0/srv/a\n",
  `16384 /${"a".repeat(1500)}\n16385`,
];

/** Histories of timeline 5, of which some are damaged; the others say that a timeline was left before the last checkpoint. */
export const timelines: readonly string[] = [
  "",
  "1\t0/1000028\tno recovery target specified\n",
  "# a comment\n\n \t\n1\t0/1000028\tx",
  "1 0 / 1000028 x\n",
  "1\t0x0/+1000028\n2\t0/1000029\n",
  "4294967297\t0/FFFFFFFF00000001\n",
  "x\t0/1000028\n",
  "1\t1000028\n",
  "1\n",
  "1\t0/\n",
  "1\t/1000028\n2\t",
  "1\t0/1000028\tx\n1\t0/2000028\tx\n",
  "2\t0/1000028\tx\n1\t0/2000028\tx\n",
  "1\t0/1000028\tx\n5\t0/2000028\tx\n",
  "-1\t0/1000028\tx\n",
  `1\t0/1000028\t${"x".repeat(1500)}\n`,
  `1\t0/1000028\t${" ".repeat(1020)}3\t0/1000029\tx\n`,
  "3\t0/1000028\tx\n",
  "1\t0/1000028\0y\n2 é\n",
];
