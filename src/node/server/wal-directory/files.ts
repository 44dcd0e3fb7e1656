/**
 * The files of a directory of WAL: which of them has a position, and where WAL ends.
 *
 * @source walsender.c: WalSndSegmentOpen; timeline.c
 */
import { type FSWatcher, watch } from "node:fs";
import { readdir, stat } from "node:fs/promises";
import { parseTimeLineHistory, type TimeLineHistory } from "../../../files/timeline-history.ts";
import { tliOfPointInHistory } from "../../../files/timeline-questions.ts";
import { FileError } from "../../../kernel/errors.ts";
import { invalidLsn, type Lsn, toLsn } from "../../../kernel/lsn.ts";
import { entryOf } from "../../../kernel/maps.ts";
import { segmentNumber, segmentStart, walFileName } from "../../../kernel/wal-names.ts";
import { RM_XLOG_ID, RMGR_INFO_MASK } from "../../../wal/constants.ts";
import { WalReader } from "../../../wal/reader.ts";
import { type AbortSignalLike, orAborted } from "../../abort-signal.ts";
import { strerror } from "../../strerror.ts";
import { readSmall, walNames } from "./names.ts";
import { type OpenSegment, SegmentFile, type SegmentName, type WalIdentity } from "./segment-file.ts";

/** @source pg_control.h: XLOG_BACKUP_END */
const XLOG_BACKUP_END = 0x50;

/** How often a file may get another name while it is looked for. */
const RENAMES = 5;

/** Where bytes of WAL are. */
export interface LocatedWal {
  readonly file: SegmentFile;
  /** The file is good up to here. */
  readonly limit: Lsn;
}

/** Why bytes of WAL are not there. */
export interface MissingWal {
  readonly file: undefined;
  /** The server's words for damage; undefined if there is just no such file, or not yet. */
  readonly problem: string | undefined;
}

/** The files of a directory, and what is certain of them. */
export class WalFiles {
  readonly path: string;
  /** Bytes of a segment. */
  readonly segmentSize: number;
  readonly #identity: WalIdentity;
  readonly #pollInterval: number;
  /** Names by the number of the segment, then by timeline. */
  #names = new Map<bigint, Map<number, SegmentName>>();
  /** Numbers of segments, the highest first. */
  #numbers: readonly bigint[] = [];
  #histories: ReadonlyMap<number, string> = new Map();
  readonly #files = new Map<string, SegmentFile>();
  #listedAt: bigint | undefined;
  #listing: Promise<void> | undefined;
  #history: TimeLineHistory = [];
  #end = invalidLsn;
  #refreshing: Promise<void> | undefined;
  #watcher: FSWatcher | undefined;
  readonly #waiting = new Set<() => void>();

  /** @param pollInterval Milliseconds. */
  constructor(path: string, identity: WalIdentity, pollInterval: number) {
    this.path = path;
    this.#identity = identity;
    this.segmentSize = identity.segmentSize;
    this.#pollInterval = pollInterval;
  }

  /** The newest timeline. */
  get timeline(): number {
    return this.#history.at(-1)!.tli;
  }

  /** Its history: the ancestors first, itself last. */
  get history(): TimeLineHistory {
    return this.#history;
  }

  /** Where the WAL ends that can be served. */
  get end(): Lsn {
    return this.#end;
  }

  get identity(): WalIdentity {
    return this.#identity;
  }

  /**
   * Look what is new.
   *
   * @throws FileError FILE_SYSTEM; BAD_FILE if there is no WAL.
   * @throws ParseError with the server's message if the history of the newest timeline is not one.
   */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => {
      this.#refreshing = undefined;
    });
    return this.#refreshing;
  }

  /**
   * Wait until WAL ends behind a position, or there is a new timeline.
   *
   * @throws the signal's reason, once it is aborted; FileError as `refresh`.
   */
  async grown(position: Lsn, signal: AbortSignalLike): Promise<void> {
    const { timeline } = this;
    for (;;) {
      await orAborted(this.refresh(), signal);
      if (this.#end > position || this.timeline !== timeline) return;
      await this.#change(signal);
    }
  }

  /** The contents of a timeline's history file; undefined if there is none. @throws FileError */
  async historyFile(timeline: number): Promise<Uint8Array | undefined> {
    await this.refresh();
    const name = this.#histories.get(timeline);
    return name === undefined ? undefined : readSmall(this.path, name);
  }

  /**
   * The file that has the byte at a position, open, if all of its segment is on one timeline, there, and not where WAL ends. Its records
   * are not checked.
   *
   * @returns undefined if there is none: `open` says what there is.
   * @throws FileError
   */
  openWhole(position: Lsn): Promise<{ readonly file: SegmentFile; readonly opened: OpenSegment } | undefined> {
    return this.#despiteRenames(async () => {
      const number = segmentNumber(position, this.segmentSize);
      const first = segmentStart(number, this.segmentSize);
      const last = toLsn(first + BigInt(this.segmentSize - 1));
      const tli = tliOfPointInHistory(first, this.#history);
      const name = this.#names.get(number)?.get(tli ?? 0);
      const isInner = last + 1n < this.#end && tliOfPointInHistory(last, this.#history) === tli;
      if (name === undefined || !isInner) return undefined;
      const file = this.#fileOf(name);
      const opened = await file.openWhole();
      return opened && { file, opened };
    });
  }

  /** The file that has the byte at a position of the history, open. What is certain of it was checked. @throws FileError */
  open(position: Lsn): Promise<(LocatedWal & { readonly opened: OpenSegment }) | MissingWal> {
    return this.#despiteRenames(async () => {
      const found = await this.#locate(position);
      return found.file === undefined ? found : { ...found, opened: await found.file.open() };
    });
  }

  /**
   * Where the backup ends that began at a position: by the record that says so, if it is there.
   *
   * @source xlog.c: XLogInsert of XLOG_BACKUP_END
   */
  async backupEnd(start: Lsn): Promise<{ readonly recptr: Lsn; readonly tli: number } | undefined> {
    const { systemIdentifier, segmentSize, server, pageSize } = this.#identity;
    const reader = new WalReader({ systemIdentifier, segmentSize, server, pageSize });
    // Reading begins with a segment, and finds the first record in it.
    let position = toLsn(start - (start % BigInt(segmentSize)));
    while (position < this.#end) {
      const found = await this.open(position);
      if (found.file === undefined) return undefined;
      try {
        const [from, to] = [position, found.limit].map((each) => Number(each - found.file.start)) as [number, number];
        for await (const bytes of found.opened.pieces(from, to)) {
          reader.push(bytes, position);
          position = toLsn(position + BigInt(bytes.length));
          for (let record = reader.next(); record !== undefined; record = reader.next()) {
            if (record.rmid !== RM_XLOG_ID || (record.info & RMGR_INFO_MASK) !== XLOG_BACKUP_END) continue;
            const { buffer, byteOffset, length } = record.mainData;
            if (length === 8 && new DataView(buffer, byteOffset).getBigUint64(0, true) === start) {
              return { recptr: record.end, tli: reader.timeline };
            }
          }
        }
      } finally {
        await found.opened.close();
      }
    }
    return undefined;
  }

  /** A file may get its name without `.partial`, or be compressed, between two looks. */
  async #despiteRenames<T>(step: () => Promise<T>): Promise<T> {
    for (let tries = 1; ; tries++) {
      try {
        return await step();
      } catch (error) {
        const { code } = ((error as Error).cause ?? {}) as NodeJS.ErrnoException;
        if (!(error instanceof FileError) || code !== "ENOENT" || tries === RENAMES) throw error;
        this.#listedAt = undefined;
        await this.#list();
      }
    }
  }

  async #locate(position: Lsn): Promise<LocatedWal | MissingWal> {
    const tli = tliOfPointInHistory(position, this.#history);
    const at = this.#history.findIndex((entry) => entry.tli === tli);
    const number = segmentNumber(position, this.segmentSize);
    const names = this.#names.get(number);
    let problem: string | undefined;
    if (at >= 0 && names !== undefined) {
      const { end } = this.#history[at]!;
      const owners = this.#history
        .slice(at)
        .filter(({ begin }, i) => i === 0 || segmentNumber(begin, this.segmentSize) <= number)
        .flatMap(({ tli }) => names.get(tli) ?? []);
      // A file in the making has its bytes one after the other: another one may be further.
      for (const isPartial of [false, true]) {
        for (const name of owners.filter((each) => each.isPartial === isPartial)) {
          const file = this.#fileOf(name);
          await file.check();
          if (file.certain > position) {
            return { file, limit: end === invalidLsn || file.certain < end ? file.certain : end };
          }
          problem ??= file.problem;
        }
      }
    }
    return { file: undefined, problem };
  }

  #fileOf(name: SegmentName): SegmentFile {
    const { timeline, start } = name;
    const file = entryOf(
      this.#files,
      `${timeline}/${start}`,
      () =>
        new SegmentFile(
          name,
          this.path,
          this.#identity,
          this.#history.map(({ tli }) => tli).filter((tli) => tli <= timeline),
          (checks) => this.#before(start, timeline, checks),
        ),
    );
    file.rename(name);
    return file;
  }

  /** The complete segment before a position, on this timeline or an older one. */
  async #before(start: Lsn, timeline: number, checks: boolean): Promise<SegmentFile | undefined> {
    if (start === invalidLsn) return undefined;
    const names = this.#names.get(segmentNumber(toLsn(start - 1n), this.segmentSize));
    const possible = [...(names?.values() ?? [])].filter(
      (name) => !name.isPartial && name.timeline <= timeline && this.#history.some(({ tli }) => tli === name.timeline),
    );
    for (const name of possible.sort((a, b) => b.timeline - a.timeline)) {
      const file = this.#fileOf(name);
      try {
        if (checks) await file.check();
      } catch (error) {
        // Whoever needs its bytes is told.
        if (!(error instanceof FileError)) throw error;
      }
      if (file.isComplete) return file;
    }
    return undefined;
  }

  async #refresh(): Promise<void> {
    await this.#list();
    await this.#readHistory();
    await this.#despiteRenames(() => this.#findEnd());
  }

  async #findEnd(): Promise<void> {
    for (const number of this.#numbers) {
      let end: Lsn | undefined;
      const start = segmentStart(number, this.segmentSize);
      for (let position: Lsn = start; ; position = end) {
        const found = await this.#locate(position);
        if (found.file === undefined) break;
        end = found.limit;
        if (segmentNumber(end, this.segmentSize) !== number) break;
      }
      if (end === undefined) continue;
      this.#end = end;
      return;
    }
    throw new FileError(this.path, `directory "${this.path}" has no WAL`, "BAD_FILE");
  }

  #list(): Promise<void> {
    this.#listing ??= this.#readNames().finally(() => {
      this.#listing = undefined;
    });
    return this.#listing;
  }

  async #readNames(): Promise<void> {
    let names: string[];
    try {
      const { mtimeNs } = await stat(this.path, { bigint: true });
      // A file system's time is not exact: what changed just now may change again in the same moment.
      if (mtimeNs === this.#listedAt) return;
      const isRecent = BigInt(Date.now()) * 1_000_000n - mtimeNs < 1_000_000_000n;
      names = await readdir(this.path);
      this.#listedAt = isRecent ? undefined : mtimeNs;
    } catch (error) {
      throw new FileError(this.path, `could not open directory "${this.path}": ${strerror(error)}`, "FILE_SYSTEM", {
        cause: error,
      });
    }
    const { segments, histories } = walNames(names, this.segmentSize);
    this.#names = segments;
    this.#numbers = [...segments.keys()].sort((a, b) => (a < b ? 1 : -1));
    this.#histories = histories;
  }

  /** The newest timeline is the highest that has a history, or WAL. @source timeline.c: findNewestTimeLine, readTimeLineHistory */
  async #readHistory(): Promise<void> {
    const timelines = new Set([...this.#histories.keys()]);
    for (const names of this.#names.values()) for (const tli of names.keys()) timelines.add(tli);
    for (const tli of [...timelines].sort((a, b) => b - a)) {
      const name = tli === 1 ? undefined : this.#histories.get(tli);
      if (tli === this.#history.at(-1)?.tli) return;
      if (name === undefined) {
        if (tli !== 1 && this.#histories.size > 0) continue;
        this.#history = parseTimeLineHistory("", tli, { server: this.#identity.server });
        return;
      }
      const text = await readSmall(this.path, name);
      // It is being written.
      if (text.at(-1) !== 0x0a) continue;
      const path = walFileName({ type: "history", timeline: tli });
      const history = parseTimeLineHistory(text, tli, { server: this.#identity.server, path });
      if (history.length === 1) continue;
      this.#history = history;
      return;
    }
  }

  /** Wait for a change of a file, at most for so long. */
  #change(signal: AbortSignalLike): Promise<void> {
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", onAbort);
        this.#waiting.delete(wake);
        if (this.#waiting.size === 0) {
          this.#watcher?.close();
          this.#watcher = undefined;
        }
        settle();
      };
      const wake = (): void => done(resolve);
      const onAbort = (): void => done(() => reject(signal.reason));
      const timer = setTimeout(wake, this.#pollInterval);
      if (signal.aborted) return onAbort();
      signal.addEventListener("abort", onAbort);
      this.#waiting.add(wake);
      this.#watch();
    });
  }

  /** Where the system tells of changes, it is faster than looking for them. */
  #watch(): void {
    if (this.#watcher !== undefined) return;
    try {
      this.#watcher = watch(this.path, { persistent: false }, () => {
        for (const wake of [...this.#waiting]) wake();
      });
      this.#watcher.on("error", () => {});
    } catch {
      // Not on this file system, or there are too many watches.
    }
  }
}
