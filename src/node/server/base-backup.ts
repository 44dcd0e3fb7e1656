/** The stream of BASE_BACKUP, as the server sends it. @source basebackup_copy.c */
import type { ResultSetName } from "../../command/results/result-sets.ts";
import type { ResultSetRow, ResultSetValue } from "../../command/results/rows.ts";
import { StateError } from "../../kernel/errors.ts";
import type { BackendMessage } from "../../session/messages.ts";
import { checkBody } from "../../wire/framer.ts";
import type { BaseBackupOutput, CommandContext, WalsenderSession, WalsenderSignal } from "./handlers.ts";
import type { Link } from "./link.ts";

type RowsOf = <N extends ResultSetName>(name: N, value: ResultSetValue<N>, server: number) => BackendMessage[];

/** Each result set has it; the command's own comes last. */
const complete: BackendMessage = { type: "CommandComplete", tag: "SELECT" };

export class ServerBaseBackup implements BaseBackupOutput {
  readonly session: WalsenderSession;
  readonly signal: WalsenderSignal;
  readonly #link: Link;
  readonly #rowsOf: RowsOf;
  #state: "new" | "begun" | "copying" | "ended" = "new";

  constructor(link: Link, { session, signal }: CommandContext, rowsOf: RowsOf) {
    this.session = session;
    this.signal = signal;
    this.#link = link;
    this.#rowsOf = rowsOf;
  }

  async begin(
    start: ResultSetRow<"BACKUP_START">,
    tablespaces: readonly ResultSetRow<"BACKUP_TABLESPACES">[],
  ): Promise<void> {
    this.#expect("new", "begin");
    const { server } = this.#link.settings;
    const messages = [
      ...this.#rowsOf("BACKUP_START", start, server),
      complete,
      ...this.#rowsOf("BACKUP_TABLESPACES", tablespaces, server),
      complete,
    ];
    this.#state = "begun";
    await this.#say(...messages);
  }

  async openCopy(): Promise<void> {
    this.#expect("begun", "openCopy");
    this.#state = "copying";
    await this.#say({ type: "CopyOutResponse", format: "text", columnFormats: [] });
  }

  async send(data: Uint8Array): Promise<void> {
    this.#expect("copying", "send");
    checkBody(data);
    await this.#link.copyData(data);
    this.signal.throwIfAborted();
  }

  async closeCopy(): Promise<void> {
    this.#expect("copying", "closeCopy");
    this.#state = "begun";
    await this.#say({ type: "CopyDone" });
  }

  async end(stop: ResultSetRow<"BACKUP_END">): Promise<void> {
    this.#expect("begun", "end");
    const messages = [...this.#rowsOf("BACKUP_END", stop, this.#link.settings.server), complete];
    this.#state = "ended";
    await this.#say(...messages);
  }

  /** @throws StateError if the handler has left something out. */
  checkComplete(): void {
    this.#expect("ended", "the end of the handler");
  }

  #expect(state: string, call: string): void {
    this.signal.throwIfAborted();
    if (this.#state !== state)
      throw new StateError(`${call} came while the base backup is ${this.#state}, expected ${state}`);
  }

  async #say(...messages: readonly BackendMessage[]): Promise<void> {
    this.#link.say(...messages);
    await this.#link.drained();
    this.signal.throwIfAborted();
  }
}
