/** What people and programs are both told of a value of synchronous_standby_names. */
import { formatServerVersion } from "../../../kernel/version.ts";
import type { Finding, SyncRepConfig } from "../../../syncrep/index.ts";
import type { Judged } from "../../../syncrep/judge.ts";
import { blockingLosses, explainSynchronousStandbys } from "../../../syncrep/questions.ts";
import type { Call, Subject } from "./model.ts";

/** Without the findings that only repeat what the server says. */
export function findingsBeside({ verdict, findings }: Judged): readonly Finding[] {
  return findings.filter(({ error, fix }) => verdict.type === "accepted" || error === undefined || fix !== undefined);
}

/** What a value does, in a sentence. */
export function inWords(config: SyncRepConfig | undefined, server: number): string {
  if (config !== undefined && config.numSync < 1) {
    return `PostgreSQL ${formatServerVersion(server)} does not check the number, which is ${config.numSync}.`;
  }
  if (config?.memberNames.length === 0) return "A commit waits forever: no standby is listed.";
  return explainSynchronousStandbys(config, undefined, { server })[0]!;
}

/** Why commits wait for standbys that are not there now, in a sentence; undefined if they do not, or if nothing is known of them. */
export function blockedNow({ verdict, server }: Judged, subject: Subject, call: Call): string | undefined {
  if (verdict.type === "refused" || call.standbys === undefined) return undefined;
  const { config } = verdict;
  if (config !== undefined && config.numSync < 1) return undefined;
  const { rows, cascading } = call.standbys;
  const { size, sentence } = blockingLosses(config, rows, { server, cascading, level: levelOf(subject, call) });
  return size === 0 ? sentence : undefined;
}

/** The synchronous_commit that commits have if nothing else is said in a session. */
export function levelOf({ conf }: Subject, { primary }: Call) {
  return conf?.synchronousCommit ?? primary?.synchronousCommit ?? "on";
}
