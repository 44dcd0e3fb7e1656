/** What an attack has tried, as a picture. */
import { type CommandCapability, commandCapabilities } from "../../../../command/capabilities.ts";
import { judgeCommand } from "../../../../command/judge.ts";
import { keywords } from "../../../../command/keywords.ts";
import type { OptionRow, OptionTable } from "../../../../command/options/option.ts";
import { optionTables } from "../../../../command/options/tables.ts";
import { frontendTypes } from "../../../../session/messages.ts";
import { decodeText } from "../../../../wire/text.ts";
import { aligned, bar, number, type Page } from "../../shared/people.ts";
import type { Session } from "./steps.ts";
import type { Transcript } from "./talk.ts";

const QUERY = 0x51;

/** Counts by name. */
class Counts {
  readonly #counts = new Map<string, number>();

  add(name: string): void {
    this.#counts.set(name, (this.#counts.get(name) ?? 0) + 1);
  }

  has(name: string): boolean {
    return this.#counts.has(name);
  }

  get entries(): readonly (readonly [string, number])[] {
    return [...this.#counts].sort(([a, m], [b, n]) => n - m || (a < b ? -1 : 1));
  }
}

export class Coverage {
  readonly #server: number;
  readonly #commands = new Counts();
  readonly #sent = new Counts();
  readonly #received = new Counts();
  readonly #errors = new Counts();
  readonly #words = new Counts();

  constructor(server: number) {
    this.#server = server;
  }

  note({ steps, login }: Session, transcript: Transcript): void {
    for (const step of steps.slice(0, transcript.steps)) {
      if (step.type === "start") this.#commands.add("StartReplicationCmd");
      if (step.type === "slot") {
        this.#sent.add("Query");
        this.#noteText(step.query.replaceAll("$slot", "walwire_fuzz"), true);
      }
      if (step.type !== "send") continue;
      const [tag = 0] = step.bytes;
      if (login === "none") this.#sent.add("first packet");
      else this.#sent.add(frontendTypes.get(tag) ?? "unknown type");
      if (tag === QUERY)
        this.#noteText(decodeText(step.bytes, 5, Math.max(5, step.bytes.length - 1)), login === "database");
    }
    for (const message of transcript.messages) {
      this.#received.add(message.type);
      if (message.type === "ErrorResponse") this.#errors.add(message.fields.C ?? "none");
    }
  }

  #noteText(text: string, database: boolean): void {
    if (text.includes("\0")) return;
    const verdict = judgeCommand(text, { server: this.#server, database });
    this.#commands.add(
      verdict.type === "refused" ? `refused: ${verdict.stage}` : verdict.type === "sql" ? "SQL" : verdict.command.type,
    );
    for (const word of text.match(/\w+/g) ?? []) this.#words.add(word.toLowerCase());
  }

  /** Capabilities of the server that a keyword or an option stands for, and which of them were met. */
  get capabilities(): { readonly met: readonly string[]; readonly all: readonly string[] } {
    const words = new Map<CommandCapability, string[]>();
    const note = (since: CommandCapability | undefined, word: string): void => {
      if (since !== undefined) words.set(since, [...(words.get(since) ?? []), word.toLowerCase()]);
    };
    for (const [word, { since }] of keywords) note(since, word);
    for (const { rows } of optionTables as readonly OptionTable[]) {
      for (const row of Object.values<OptionRow>(rows)) note(row.since, row.name);
    }
    const all = [...words.keys()].filter((name) => commandCapabilities.supports(this.#server, name));
    return { all, met: all.filter((name) => words.get(name)!.some((word) => this.#words.has(word))) };
  }

  toJSON(): object {
    const all = { commands: this.#commands, sent: this.#sent, received: this.#received, errors: this.#errors };
    return {
      ...Object.fromEntries(Object.entries(all).map(([name, counts]) => [name, Object.fromEntries(counts.entries)])),
      capabilities: this.capabilities,
    };
  }

  say(page: Page): void {
    this.#sayCounts(page, "Commands", this.#commands);
    this.#sayCounts(page, "Messages sent", this.#sent);
    this.#sayCounts(page, "Messages received", this.#received);
    this.#sayCounts(page, "SQLSTATEs received", this.#errors);
    const { met, all } = this.capabilities;
    page.heading("Capabilities");
    const missed = all.filter((name) => !met.includes(name));
    page.line(`  ${met.length} of ${all.length} met${missed.length > 0 ? `; not met: ${missed.join(", ")}` : ""}`);
  }

  #sayCounts(page: Page, title: string, counts: Counts): void {
    const { entries } = counts;
    if (entries.length === 0) return;
    page.heading(title);
    const most = entries[0]![1];
    page.table(aligned(entries.map(([name, n]) => [name, number(n), bar(n / most)])), ["bold", undefined, "green"]);
  }
}
