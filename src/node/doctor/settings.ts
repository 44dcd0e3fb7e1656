/** Settings that replication needs, and those that lose commits. */
import { change, type Examination, type Setting } from "./examination.ts";

/** Milliseconds below which wal_sender_timeout ends streams that only pause. */
const LOW_TIMEOUT = 5000;

export async function checkWalLevel(examination: Examination): Promise<string | undefined> {
  const level = examination.setting("wal_level")?.setting;
  if (level === undefined) return undefined;
  const { publications, slots, inRecovery } = examination.facts;
  if (level === "minimal") {
    const message = "wal_level is minimal: nothing can be replicated";
    examination.find(
      "WAL_LEVEL_MINIMAL",
      "wal_level",
      message,
      { wal_level: level },
      change(examination, "wal_level", "replica"),
    );
    return undefined;
  }
  if (level !== "logical" && !examination.has("replicaDecodes")) {
    const [row] = await examination.query(`SELECT (SELECT count(*) FROM pg_publication)::text AS publications,
      (SELECT count(*) FROM pg_replication_slots WHERE slot_type = 'logical')::text AS slots`);
    const wanted = Number(row!.publications) + Number(row!.slots) + publications.length + slots.length;
    if (wanted > 0 && !inRecovery) {
      const message = `wal_level is ${level}: the publications of this database cannot be streamed`;
      const fix = change(examination, "wal_level", "logical");
      examination.find("WAL_LEVEL_NOT_LOGICAL", "wal_level", message, { wal_level: level, ...row }, fix);
    }
    return `wal_level is ${level}, which allows physical replication only`;
  }
  return `wal_level is ${level}`;
}

export async function checkLimits(examination: Examination): Promise<string | undefined> {
  const [senders, slots] = [examination.number("max_wal_senders"), examination.number("max_replication_slots")];
  if (senders === undefined || slots === undefined) return undefined;
  const [row] = await examination.query(`SELECT (SELECT count(*) FROM pg_stat_get_wal_senders())::text AS senders,
    (SELECT count(*) FROM pg_replication_slots)::text AS slots`);
  const [senderCount, slotCount] = [Number(row!.senders), Number(row!.slots)];
  if (senderCount >= senders) {
    const message = `${senderCount} of ${senders} WAL senders are in use`;
    const fix = change(examination, "max_wal_senders", String(Math.max(10, senders + 10)));
    examination.find(
      "NO_WAL_SENDER_LEFT",
      "max_wal_senders",
      message,
      { max_wal_senders: String(senders), used: row!.senders! },
      fix,
    );
  }
  if (slotCount >= slots) {
    const message = `${slotCount} of ${slots} replication slots are in use`;
    const fix = change(examination, "max_replication_slots", String(Math.max(10, slots + 10)));
    examination.find(
      "NO_SLOT_LEFT",
      "max_replication_slots",
      message,
      { max_replication_slots: String(slots), used: row!.slots! },
      fix,
    );
  }
  return `${senders - senderCount} of ${senders} WAL senders and ${slots - slotCount} of ${slots} replication slots are free`;
}

export async function checkTimeout(examination: Examination): Promise<string | undefined> {
  const timeout = examination.setting("wal_sender_timeout");
  if (timeout === undefined) return undefined;
  const milliseconds = Number(timeout.setting);
  const values = { wal_sender_timeout: timeout.shown };
  const fix = () => change(examination, "wal_sender_timeout", "60s");
  if (milliseconds === 0) {
    const message = "wal_sender_timeout is 0: a walsender does not notice that its receiver is gone";
    examination.find("SENDER_TIMEOUT_OFF", timeout.name, message, values, fix());
  } else if (milliseconds < LOW_TIMEOUT) {
    const message = `wal_sender_timeout is ${timeout.shown}: a short pause ends a stream`;
    examination.find("SENDER_TIMEOUT_LOW", timeout.name, message, values, fix());
  }
  return `wal_sender_timeout is ${timeout.shown}`;
}

export async function checkSafety(examination: Examination): Promise<string | undefined> {
  const rows = [
    ["fsync", "FSYNC_OFF", "a crash of the machine may damage the cluster"],
    ["full_page_writes", "FULL_PAGE_WRITES_OFF", "a crash of the machine may leave torn pages"],
    ["synchronous_commit", "SYNCHRONOUS_COMMIT_OFF", "a crash loses commits that had returned"],
  ] as const;
  for (const [name, code, loss] of rows) {
    const setting: Setting | undefined = examination.setting(name);
    if (setting?.setting !== "off") continue;
    const message = `${name} is off: ${loss}`;
    examination.find(code, name, message, { [name]: "off" }, change(examination, name, "on"));
  }
  return "fsync, full_page_writes and synchronous_commit are on";
}
