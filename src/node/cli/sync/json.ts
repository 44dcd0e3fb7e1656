/** The answers of `walwire sync` to programs. An LSN is text, as the server prints it; undefined fields are left out. */
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import type { VersionVerdict } from "../../../kernel/version.ts";
import { type Finding, locateSynchronousStandbyNames, type SyncRepConfig } from "../../../syncrep/index.ts";
import {
  differingVerdicts,
  type Fixed,
  type Judged,
  printSynchronousStandbyNamesByVersion,
  type SynchronousStandbyNamesVerdict,
  versionsThatAccept,
} from "../../../syncrep/judge.ts";
import {
  blockingLosses,
  certainCopies,
  evaluateSynchronousStandbys,
  type SyncLevel,
} from "../../../syncrep/questions.ts";
import { type Answer, versionsJson } from "../shared/json.ts";
import { type Status, status } from "../shared/status.ts";
import type { ConfValue } from "./conf.ts";
import type { Call, Explained, Subject } from "./model.ts";
import { inWords, levelOf } from "./words.ts";

/** The answer to one value. A value that the server accepts is `ok` here, whatever the findings. */
export function judgedJson({ verdict, findings }: Judged, subject?: Subject): Answer {
  const found = findings.length > 0 ? { findings: findings.map((finding) => findingJson(finding, subject)) } : {};
  return { ...verdictJson(verdict), ...found };
}

function verdictJson(verdict: SynchronousStandbyNamesVerdict): Answer {
  return verdict.type === "accepted"
    ? { ok: true, config: verdict.config ?? null }
    : { ok: false, error: verdict.error.toJSON() };
}

/** The error of a finding is that of the value. */
function findingJson({ error: _, ...finding }: Finding, subject: Subject | undefined): object {
  const place = subject?.place?.(finding.offset);
  return place === undefined
    ? finding
    : { ...finding, file: { path: place.path, line: place.line, column: place.column, offset: place.offset } };
}

/** Which versions take it, and which of them read something else in it. */
export function versionsOf(
  judged: Judged,
  byVersion: readonly VersionVerdict<SynchronousStandbyNamesVerdict>[],
): object {
  const others = differingVerdicts(byVersion, judged);
  return {
    acceptedBy: versionsJson(versionsThatAccept(byVersion)),
    ...(others.length > 0 ? { meansSomethingElseTo: others.map(versionJson) } : {}),
  };
}

function versionJson({ versions, verdict }: VersionVerdict<SynchronousStandbyNamesVerdict>): object {
  return { versions: versionsJson(versions), ...verdictJson(verdict) };
}

/** The place of a value in files, their problems, what could not be read, and the values that do not count. */
export function confJson({
  path,
  problems,
  unread,
  assumedDataDirectory,
  entry,
  overridden,
  ...conf
}: ConfValue): object {
  const place = ({ path, line, column }: NonNullable<typeof entry>) => ({ path, line, column });
  const { synchronousCommit } = conf;
  return {
    conf: {
      path,
      entry: entry === undefined ? null : place(entry),
      overridden: overridden.map((each) => ({ ...place(each), value: each.value })),
      problems: problems.map(({ path, error }) => ({ path, ...error.toJSON() })),
      unread,
      ...(assumedDataDirectory === undefined ? {} : { assumedDataDirectory }),
      ...(synchronousCommit === undefined ? {} : { synchronousCommit }),
    },
  };
}

/** @param good Is the new value good? */
export function fixedJson({ judged, fixed }: Fixed, good: boolean): Answer {
  const { ok, ...rest } = judgedJson(judged);
  return {
    ok: good,
    ...(good ? { text: judged.text } : {}),
    ...rest,
    fixed: fixed.map((each) => findingJson(each, undefined)),
  };
}

export function explanationJson({ judged, byVersion }: Explained, subject: Subject, call: Call): Answer {
  const { verdict } = judged;
  return {
    ...judgedJson(judged, subject),
    ...(verdict.type === "accepted" ? meaningJson(verdict.config, judged.server, subject, call) : {}),
    ...(call.primary === undefined ? {} : { synchronousCommit: call.primary.synchronousCommit }),
    ...versionsOf(judged, byVersion),
    byVersion: byVersion.map(versionJson),
    printed: printSynchronousStandbyNamesByVersion(verdict.type === "accepted" ? verdict.config : undefined).map(
      ({ versions, text }) => ({
        versions: versionsJson(versions),
        text,
      }),
    ),
  };
}

function meaningJson(config: SyncRepConfig | undefined, server: number, subject: Subject, call: Call): object {
  const { standbys } = call;
  const words = { words: inWords(config, server) };
  if (config === undefined) return words;
  const { syncrepMethod, numSync, memberNames } = locateSynchronousStandbyNames(config, { server });
  const located = { ...words, locations: { syncrepMethod, numSync, memberNames } };
  if (standbys === undefined || config.numSync < 1) return located;
  const { rows, position, cascading } = standbys;
  const options = { server, cascading };
  const lsn = (value: Lsn | undefined): string | null => (value ? formatLsn(value, { server }) : null);
  const evaluation = evaluateSynchronousStandbys(config, rows, options);
  const levels = (Object.keys(evaluation.released) as SyncLevel[]).flatMap((level) => {
    const release = evaluation.released[level];
    if (release === undefined) return [];
    const { copies, sentence } = certainCopies(config, rows, level, options);
    return [
      [
        level,
        {
          lsn: lsn(release.lsn),
          waitsFor: { number: release.needed, of: release.heldBy },
          certainCopies: copies,
          sentence,
        },
      ],
    ];
  });
  return {
    ...located,
    standbys: evaluation.standbys.map((standby, i) => {
      const { state, writeLsn, flushLsn, replayLsn } = rows[i]!;
      const lag = position !== undefined && flushLsn ? { behind: Number(position - flushLsn) } : {};
      return { ...standby, state, writeLsn: lsn(writeLsn), flushLsn: lsn(flushLsn), replayLsn: lsn(replayLsn), ...lag };
    }),
    numSync: evaluation.numSync,
    missing: evaluation.missing,
    released: Object.fromEntries(levels),
    level: levelOf(subject, call),
    blockingLosses: blockingLosses(config, rows, { ...options, level: levelOf(subject, call) }),
  };
}

/** The exit statuses as `--json` names them. */
const verdicts: Readonly<Partial<Record<Status, string>>> = {
  [status.good]: "good",
  [status.bad]: "bad",
  [status.unseen]: "unknown",
  [status.blocked]: "blocked",
};

export function writeJson(fields: object, result: Status): void {
  const answer = { ...fields, ok: result === status.good, verdict: verdicts[result] };
  process.stdout.write(`${JSON.stringify(answer, undefined, 2)}\n`);
}
