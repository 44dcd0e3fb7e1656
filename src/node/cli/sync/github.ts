/**
 * Annotations for a pull request: what GitHub's runners take from the output of a step as such.
 *
 * @source GitHub's documentation of workflow commands; actions/toolkit's command.ts for what is escaped how
 */

import type { Judged } from "../../../syncrep/judge.ts";
import { printable } from "../shared/people.ts";
import type { ConfValue } from "./conf.ts";
import type { Subject } from "./model.ts";
import { findingsBeside } from "./words.ts";

type Level = "error" | "warning" | "notice";

/** One line for each annotation. */
export function annotations(judged: Judged, { place }: Subject): string[] {
  const { verdict } = judged;
  const at = (offset: number) => place?.(offset);
  const found = findingsBeside(judged).map(({ severity, code, offset, message, fix }) =>
    annotation(severity === "info" ? "notice" : severity, at(offset), code, [message, fix?.message]),
  );
  if (verdict.type === "accepted") return found;
  const { sqlstate, message, detail, advice, offset } = verdict.error;
  return [annotation("error", at(offset), sqlstate, [message, detail, advice]), ...found];
}

/** The problems of the files themselves, and what could not be read. */
export function confAnnotations({ problems, unread }: ConfValue): string[] {
  return [
    ...problems.map(({ path, error }) => {
      const place = error.text === "" ? { path } : { path, line: error.line, column: error.column };
      return annotation("error", place, error.sqlstate, [error.message, error.detail, error.hint]);
    }),
    ...unread.map(({ path, code }) => annotation("warning", { path }, code, ["This file cannot be read here."])),
  ];
}

interface Place {
  readonly path: string;
  readonly line?: number;
  readonly column?: number;
}

function annotation(
  level: Level,
  place: Place | undefined,
  title: string,
  sentences: readonly (string | undefined)[],
): string {
  const { path, line, column } = place ?? {};
  const properties = Object.entries({ file: path, line, col: column, title: `synchronous_standby_names: ${title}` })
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}=${escapeProperty(String(value))}`);
  const message = sentences.filter((sentence) => sentence !== undefined).map((sentence) => printable(sentence));
  return `::${level} ${properties.join(",")}::${escapeData(message.join("\n"))}`;
}

function escapeData(text: string): string {
  return text.replace(/[%\r\n]/g, percent);
}

function escapeProperty(text: string): string {
  return text.replace(/[%\r\n:,]/g, percent);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase().padStart(2, "0")}`;
}
