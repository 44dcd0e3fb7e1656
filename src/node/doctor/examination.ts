/** What the checks of the doctor have in common: SQL, the server's settings, and the findings that they add. */
import { ServerError } from "../../kernel/errors.ts";
import type { Row } from "../standbys.ts";
import { type DoctorCapability, doctorCapabilities } from "./capabilities.ts";
import { type DoctorArea, type DoctorCode, type DoctorSeverity, doctorCodes } from "./codes.ts";

/** What to run so that a finding goes away. */
export interface DoctorFix {
  /** SQL, a statement each, in order; empty if the server cannot do it. */
  readonly sql: readonly string[];
  /** The server must then be restarted. */
  readonly restart: boolean;
  /** The statements are for a replication connection to the database, as `walwire/client` opens it. */
  readonly command?: true;
  /** Lines for pg_hba.conf, above others that match. */
  readonly hba?: readonly string[];
}

/** Something that is wrong, or will be. */
export interface DoctorFinding {
  /** How bad it is: that of the code. */
  readonly severity: DoctorSeverity;
  /** Which of `doctorCodes`. */
  readonly code: DoctorCode;
  /** What it is about. */
  readonly area: DoctorArea;
  /** The slot, table, publication, setting or other thing, by its name. */
  readonly subject: string;
  /** A sentence without a full stop. */
  readonly message: string;
  /** What was seen, by the server's names. */
  readonly values: Readonly<Record<string, string>>;
  /** undefined if no statement helps: the advice of the code says what does. */
  readonly fix: DoctorFix | undefined;
}

/** Something that could not be looked at. */
export interface DoctorUnseen {
  /** What it is about. */
  readonly area: DoctorArea;
  /** What, and why, in a sentence without a full stop. */
  readonly message: string;
  /** What to run to be allowed to. */
  readonly fix: DoctorFix | undefined;
}

/** A check that found nothing. */
export interface DoctorGood {
  /** What it is about. */
  readonly area: DoctorArea;
  /** A sentence without a full stop. */
  readonly message: string;
}

/** The settings that are looked at. A server has those of its version, and hides some from most roles. */
export const settingNames = [
  ...["wal_level", "max_wal_senders", "max_replication_slots", "wal_sender_timeout", "max_prepared_transactions"],
  ...["fsync", "full_page_writes", "synchronous_commit", "synchronous_standby_names", "track_commit_timestamp"],
  ...["wal_segment_size", "max_wal_size", "wal_keep_size", "wal_keep_segments", "max_slot_wal_keep_size"],
  ...["archive_mode", "vacuum_freeze_min_age", "logical_decoding_work_mem", "dynamic_library_path"],
  ...["primary_conninfo", "primary_slot_name", "hot_standby_feedback"],
  ...["sync_replication_slots", "synchronized_standby_slots"],
] as const;

/** The name of such a setting. */
export type SettingName = (typeof settingNames)[number];

/** A row of pg_settings. */
export interface Setting {
  readonly name: string;
  /** In its base unit. */
  readonly setting: string;
  readonly unit: string | null;
  /** With its unit, as SHOW prints it. */
  readonly shown: string;
  readonly source: string;
  readonly context: string;
}

/** Who asks, and whom. */
export interface Facts {
  readonly server: number;
  readonly role: string;
  readonly database: string;
  /** As SQL writes them. */
  readonly roleName: string;
  readonly databaseName: string;
  readonly isSuperuser: boolean;
  /** May see what other roles do: pg_monitor may. */
  readonly seesAll: boolean;
  readonly inRecovery: boolean;
  readonly settings: ReadonlyMap<string, Setting>;
  /** Seconds after which a transaction is old. */
  readonly oldAfter: number;
  /** The publications to check; if empty, all. */
  readonly publications: readonly string[];
  /** Slots that must exist. */
  readonly slots: readonly string[];
}

/** Values that were seen, by the server's names; those that are NULL, or that this version does not have, are left out. */
export type Seen = Readonly<Record<string, string | null | undefined>>;

/** What is being examined, and what was found. */
export class Examination {
  readonly findings: DoctorFinding[] = [];
  readonly good: DoctorGood[] = [];
  readonly unseen: DoctorUnseen[] = [];
  readonly facts: Facts;
  readonly query: (sql: string) => Promise<readonly Row[]>;

  constructor(facts: Facts, query: (sql: string) => Promise<readonly Row[]>) {
    this.facts = facts;
    this.query = query;
  }

  has(name: DoctorCapability): boolean {
    return doctorCapabilities.supports(this.facts.server, name);
  }

  /** A setting; undefined if this server does not have it, or the role may not see it. */
  setting(name: SettingName): Setting | undefined {
    return this.facts.settings.get(name);
  }

  /** A setting's number; of a size, in bytes. A negative one means that there is none. */
  number(name: SettingName): number | undefined {
    const setting = this.setting(name);
    if (setting === undefined) return undefined;
    const number = Number(setting.setting);
    // Such as 8kB.
    const [, count, unit] = /^(\d*)(B|kB|MB|GB|TB)$/.exec(setting.unit ?? "") ?? [];
    if (unit === undefined || number < 0) return number;
    return number * Number(count || 1) * 1024 ** ["B", "kB", "MB", "GB", "TB"].indexOf(unit);
  }

  find(code: DoctorCode, subject: string, message: string, values: Seen, fix?: DoctorFix): void {
    const { severity, area } = doctorCodes[code];
    // A setting that is not in the files is changed elsewhere.
    const seen = Object.entries({
      ...values,
      source: values[subject] && this.facts.settings.get(subject)?.source,
    }).filter((each): each is [string, string] => each[1] != null);
    this.findings.push({ severity, code, area, subject, message, values: Object.fromEntries(seen), fix });
  }

  /** Run a check. What it may not see, or cannot, is said; what is good is said if it finds nothing. */
  async check(area: DoctorArea, look: (examination: Examination) => Promise<string | undefined>): Promise<void> {
    const before = this.findings.length;
    try {
      const message = await look(this);
      if (message !== undefined && this.findings.length === before) this.good.push({ area, message });
    } catch (error) {
      if (!(error instanceof ServerError)) throw error;
      this.cannotSee(area, `cannot look at the ${area}: ${error.message}`);
    }
  }

  cannotSee(area: DoctorArea, message: string, fix?: DoctorFix): void {
    this.unseen.push({ area, message, fix });
  }

  /** Say that what other roles do is hidden. */
  needsMonitor(area: DoctorArea, what: string): void {
    const { role, roleName } = this.facts;
    this.cannotSee(
      area,
      `${what}: the role ${role} is not a member of pg_monitor`,
      run(`GRANT pg_monitor TO ${roleName}`),
    );
  }
}

/** Statements to run. */
export function run(...sql: readonly string[]): DoctorFix {
  return { sql, restart: false };
}

/** A string in SQL. */
export function literal(text: string): string {
  return text.includes("\\") ? `E'${text.replace(/['\\]/g, "$&$&")}'` : `'${text.replaceAll("'", "''")}'`;
}

/** Change a setting where it was set. On the command line of the server, or by this session, no statement can: undefined. */
export function change(examination: Examination, parameter: SettingName, value: string): DoctorFix | undefined {
  const set = examination.setting(parameter);
  const { roleName, databaseName } = examination.facts;
  switch (set?.source) {
    case "command line":
    case "environment variable":
    case "client":
    case "session":
      return undefined;
    case "user":
      return run(`ALTER ROLE ${roleName} RESET ${parameter}`);
    case "database":
      return run(`ALTER DATABASE ${databaseName} RESET ${parameter}`);
    case "database user":
      return run(`ALTER ROLE ${roleName} IN DATABASE ${databaseName} RESET ${parameter}`);
    case "global":
      return run(`ALTER ROLE ALL RESET ${parameter}`);
  }
  const alter = `ALTER SYSTEM SET ${parameter} = ${literal(value)}`;
  return set?.context === "postmaster" ? { sql: [alter], restart: true } : run(alter, "SELECT pg_reload_conf()");
}
