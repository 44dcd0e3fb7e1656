/** What `walwire sync` answers to programs. A position of the log is text, as the server prints it; what is undefined is left out. */
import { ParseError } from "../../../kernel/errors.ts";
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import { type Finding, locateSynchronousStandbyNames, type SyncRepConfig } from "../../../syncrep/index.ts";
import {
  blockingLosses,
  certainCopies,
  evaluateSynchronousStandbys,
  type SyncLevel,
} from "../../../syncrep/questions.ts";
import { type Answer, versionsJson } from "../shared/json.ts";
import type { ConfValue } from "./conf.ts";
import {
  acceptedBy,
  differing,
  type Fixed,
  inWords,
  type Judged,
  printedByVersion,
  type Verdict,
  type VersionVerdict,
} from "./judge.ts";
import type { Explained, Subject } from "./model.ts";
import type { Standbys } from "./standbys.ts";

/** The answer to one value: what a server takes is ok, whatever is found in it. */
export function judgedJson({ verdict, findings }: Judged, subject?: Subject): Answer {
  const found = findings.length > 0 ? { findings: findings.map((finding) => findingJson(finding, subject)) } : {};
  return { ...verdictJson(verdict), ...found };
}

function verdictJson(verdict: Verdict): Answer {
  return verdict.ok ? { ok: true, config: verdict.config ?? null } : { ok: false, error: verdict.error.toJSON() };
}

/** The error of a finding is that of the value. */
function findingJson({ error: _, ...finding }: Finding, subject: Subject | undefined): object {
  const place = subject?.place?.(finding.offset);
  return place === undefined
    ? finding
    : { ...finding, file: { path: place.path, line: place.line, column: place.column, offset: place.offset } };
}

/** The answer to a line that holds no text. */
export function unreadableJson(reason: string): Answer {
  const error = new ParseError({ code: "NOT_TEXT", message: reason, sqlstate: "22021", text: "", offset: 0 });
  return { ok: false, error: error.toJSON() };
}

/** Which versions take it, and which of them read something else in it. */
export function versionsOf(judged: Judged, byVersion: readonly VersionVerdict[]): object {
  const others = differing(byVersion, judged);
  return {
    acceptedBy: versionsJson(acceptedBy(byVersion)),
    ...(others.length > 0 ? { meansSomethingElseTo: others.map(versionJson) } : {}),
  };
}

function versionJson({ versions, verdict }: VersionVerdict): object {
  return { versions: versionsJson(versions), ...verdictJson(verdict) };
}

/** Where a value stands in files, what is wrong with these, and which other values do not count. */
export function confJson({ path, problems, entry, overridden }: ConfValue): object {
  const place = ({ path, line, column }: NonNullable<typeof entry>) => ({ path, line, column });
  return {
    conf: {
      path,
      entry: entry === undefined ? null : place(entry),
      overridden: overridden.map((each) => ({ ...place(each), value: each.value })),
      problems: problems.map(({ path, error }) => ({ path, ...error.toJSON() })),
    },
  };
}

/** @param good Is what came of it good? */
export function fixedJson({ judged, fixed }: Fixed, good: boolean): Answer {
  const { ok, ...rest } = judgedJson(judged);
  return {
    ok: good,
    ...(good ? { text: judged.text } : {}),
    ...rest,
    fixed: fixed.map((each) => findingJson(each, undefined)),
  };
}

export function explanationJson({ judged, byVersion, standbys, primary }: Explained, subject?: Subject): Answer {
  const { verdict, server } = judged;
  const known = verdict.ok ? meaningJson(verdict.config, server, standbys) : {};
  return {
    ...judgedJson(judged, subject),
    ...known,
    ...(primary === undefined ? {} : { synchronousCommit: primary.synchronousCommit }),
    ...versionsOf(judged, byVersion),
    byVersion: byVersion.map(versionJson),
    printed: printedByVersion(judged).map(({ versions, text }) => ({ versions: versionsJson(versions), text })),
  };
}

function meaningJson(config: SyncRepConfig | undefined, server: number, standbys: Standbys | undefined): object {
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
    blockingLosses: blockingLosses(config, rows, options),
  };
}
