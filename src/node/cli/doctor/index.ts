/** `walwire doctor`: is a server ready for replication, what is wrong, and what to run. */
import { formatServerVersion } from "../../../kernel/version.ts";
import { type Diagnosis, type DoctorFinding, type DoctorFix, diagnose, doctorCodes } from "../../doctor/index.ts";
import { urlOf } from "../shared/input.ts";
import { type Mark, Page, printable } from "../shared/people.ts";
import { type Status, status } from "../shared/status.ts";
import type { DoctorCall } from "./declaration.ts";

/** How many findings of one code are shown. */
const MANY = 10;

const marks: Readonly<Record<DoctorFinding["severity"], Mark>> = { error: "bad", warning: "bad", note: "neutral" };

/** `walwire doctor`. */
export async function run({ argument: url, options }: DoctorCall): Promise<Status> {
  const diagnosis = await diagnose(
    { connectionString: urlOf(url), connectionTimeoutMillis: 10_000, fallback_application_name: "walwire doctor" },
    { publications: options.publication, slots: options.slot },
  );
  const worst = options.strict ? ["error", "warning"] : ["error"];
  const isGood = !diagnosis.findings.some(({ severity }) => worst.includes(severity));
  if (options.json) process.stdout.write(`${JSON.stringify(jsonOf(diagnosis, isGood), undefined, 2)}\n`);
  else say(new Page(process.stdout), diagnosis);
  return isGood ? status.good : status.bad;
}

function jsonOf({ server, inRecovery, database, role, findings, good, unseen }: Diagnosis, ok: boolean): object {
  const about = { server: formatServerVersion(server), inRecovery, database, role };
  return { ok, ...about, findings: findings.map(withAdvice), good, unseen };
}

function withAdvice(finding: DoctorFinding): object {
  return { ...finding, advice: doctorCodes[finding.code].advice };
}

function say(page: Page, { server, inRecovery, database, findings, good, unseen }: Diagnosis): void {
  const what = inRecovery ? "a standby" : "a primary";
  page.line(`PostgreSQL ${formatServerVersion(server)}, ${what}, database ${printable(database)}`);
  for (const { message } of good) page.mark("good", printable(message));
  const counts = new Map<string, number>();
  for (const severity of ["error", "warning", "note"] as const) {
    for (const finding of findings.filter((each) => each.severity === severity)) {
      const count = (counts.get(finding.code) ?? 0) + 1;
      counts.set(finding.code, count);
      if (count <= MANY) sayFinding(page, finding);
    }
  }
  for (const [code, count] of counts) if (count > MANY) page.line(`and ${count - MANY} more ${code}: --json has all`);
  for (const { message, fix } of unseen) {
    page.mark("neutral", `not looked at: ${printable(message)}`);
    sayFix(page, fix);
  }
}

function sayFinding(page: Page, { severity, code, message, values, fix }: DoctorFinding): void {
  page.mark(marks[severity], `${severity} ${page.style("bold", code)}: ${printable(message)}`);
  const seen = Object.entries(values).map(([name, value]) => `${name} ${value}`);
  if (seen.length > 0) page.line(`  ${printable(seen.join(", "))}`);
  page.line(`  ${doctorCodes[code].advice}.`);
  sayFix(page, fix);
}

function sayFix(page: Page, fix: DoctorFix | undefined): void {
  if (fix === undefined) return;
  for (const line of fix.hba ?? []) page.line(`    pg_hba.conf: ${page.style("cyan", printable(line))}`);
  for (const line of fix.sql) page.line(`    ${page.style("cyan", printable(`${line};`))}`);
  if (fix.command) page.line('    on a replication connection: psql "dbname=… replication=database"');
  if (fix.restart) page.line("    then restart the server");
}
