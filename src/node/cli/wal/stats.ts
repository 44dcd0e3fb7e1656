/**
 * Statistics of WAL: records and bytes by resource manager and operation, by relation, by transaction, over time.
 *
 * Memory grows with the number of relations and of open transactions, not with the number of records.
 */
import { formatLsn, type Lsn } from "../../../kernel/lsn.ts";
import { entryOf } from "../../../kernel/maps.ts";
import type { PgTime } from "../../../kernel/time.ts";
import { formatPgTime } from "../../../kernel/time.ts";
import { imageBytes } from "../../../wal/desc.ts";
import { walTransactionEnd } from "../../../wal/questions.ts";
import type { Json } from "../../../wire/json.ts";
import { largestFirst } from "../shared/shares.ts";
import type { Found } from "./records.ts";

/** Records, their bytes without images of pages, and those of the images: the columns of pg_waldump --stats. */
export interface WalShare {
  count: number;
  recordBytes: number;
  imageBytes: number;
}

export interface RelationShare extends WalShare {
  readonly tablespace: number;
  readonly database: number;
  readonly relation: number;
  /** How many images there are. */
  images: number;
}

export interface TransactionShare extends WalShare {
  readonly xid: number;
}

export class WalStats {
  readonly all = newShare();
  /** By resource manager, and by resource manager and operation. */
  readonly managers = new Map<string, WalShare>();
  readonly operations = new Map<string, WalShare>();
  /** Bytes of blocks: their images and other data. A record counts for each relation that it changes. */
  readonly relations = new Map<string, RelationShare>();
  readonly transactions = { committed: 0, aborted: 0 };
  readonly commits = new Buckets();
  first: Lsn | undefined;
  last: Lsn | undefined;
  #server: number | undefined;

  /** The largest that ended, largest first, and all that have not. */
  #largest: TransactionShare[] = [];
  readonly #underWay = new Map<number, TransactionShare>();

  note(found: Found): void {
    const { record, description, server } = found;
    const images = imageBytes(record);
    const bytes = record.length - images;
    this.#server = server;
    this.first ??= record.lsn;
    this.last = record.end;
    add(this.all, bytes, images);
    const { resourceManager, operation } = description;
    add(entryOf(this.managers, resourceManager, newShare), bytes, images);
    add(entryOf(this.operations, `${resourceManager}/${operation}`, newShare), bytes, images);
    for (const { tablespace, database, relation, image, data } of record.blocks) {
      const share = entryOf(this.relations, `${tablespace}/${database}/${relation}`, () => ({
        ...newShare(),
        ...{ tablespace, database, relation, images: 0 },
      }));
      add(share, data?.length ?? 0, image?.bytes.length ?? 0);
      if (image !== undefined) share.images++;
    }
    if (record.xid !== 0)
      add(
        entryOf(this.#underWay, record.xid, () => ({ ...newShare(), xid: record.xid })),
        bytes,
        images,
      );
    if (found.error === undefined) this.#end(found);
  }

  #end({ record, server }: Found): void {
    const ended = walTransactionEnd(record, { server });
    if (ended === undefined) return;
    this.transactions[ended.outcome === "commit" ? "committed" : "aborted"]++;
    if (ended.outcome === "commit") this.commits.note(ended.time);
    const whole: TransactionShare = { ...newShare(), xid: ended.xid };
    for (const xid of [ended.xid, ...ended.subxacts]) {
      const part = this.#underWay.get(xid);
      if (part === undefined) continue;
      whole.count += part.count;
      whole.recordBytes += part.recordBytes;
      whole.imageBytes += part.imageBytes;
      this.#underWay.delete(xid);
    }
    this.#keep(whole);
  }

  #keep(whole: TransactionShare): void {
    if (this.#largest.length === LARGEST && bytesOf(whole) <= bytesOf(this.#largest.at(-1)!)) return;
    this.#largest = sorted([...this.#largest, whole]).slice(0, LARGEST);
  }

  /** Those that have not ended among the records. */
  get open(): number {
    return this.#underWay.size;
  }

  /** The largest, whether they have ended or not. */
  get largest(): readonly TransactionShare[] {
    return sorted([...this.#largest, ...this.#underWay.values()]).slice(0, LARGEST);
  }

  toJSON(): Json {
    const shares = (of: ReadonlyMap<string, WalShare>) =>
      Object.fromEntries(sortedEntries(of).map(([name, share]) => [name, { ...share }]));
    const position = (lsn: Lsn | undefined) => (lsn === undefined ? null : formatLsn(lsn, { server: this.#server }));
    return {
      ...this.all,
      first: position(this.first),
      last: position(this.last),
      resourceManagers: shares(this.managers),
      operations: shares(this.operations),
      relations: sortedEntries(this.relations).map(([, share]) => ({ ...share })),
      transactions: { ...this.transactions, open: this.open, largest: this.largest.map((each) => ({ ...each })) },
      commits: this.commits.toJSON(),
    };
  }
}

/** How many transactions are kept for being large. */
const LARGEST = 10;

/** How many stretches of time there are at most, which is what a picture has room for. */
const BUCKETS = 48;

/**
 * Counts by intervals of the same length. When there are too many, two become one: the whole length is not known before.
 */
export class Buckets {
  /** In microseconds. */
  width = 1_000_000n;
  readonly #counts = new Map<bigint, number>();
  first: PgTime | undefined;
  last: PgTime | undefined;

  note(time: PgTime): void {
    if (this.first === undefined || time < this.first) this.first = time;
    if (this.last === undefined || time > this.last) this.last = time;
    while (floorDivide(this.last, this.width) - floorDivide(this.first, this.width) >= BUCKETS) this.#widen();
    const bucket = floorDivide(time, this.width);
    this.#counts.set(bucket, (this.#counts.get(bucket) ?? 0) + 1);
  }

  #widen(): void {
    this.width *= 2n;
    const old = [...this.#counts];
    this.#counts.clear();
    for (const [bucket, count] of old) {
      const wider = floorDivide(bucket, 2n);
      this.#counts.set(wider, (this.#counts.get(wider) ?? 0) + count);
    }
  }

  /** From the first to the last, those in which nothing happened too. */
  get all(): readonly { readonly from: PgTime; readonly count: number }[] {
    if (this.first === undefined || this.last === undefined) return [];
    const buckets = [];
    const last = floorDivide(this.last, this.width);
    for (let bucket = floorDivide(this.first, this.width); bucket <= last; bucket++) {
      buckets.push({ from: (bucket * this.width) as PgTime, count: this.#counts.get(bucket) ?? 0 });
    }
    return buckets;
  }

  toJSON(): Json {
    return {
      first: this.first === undefined ? null : formatPgTime(this.first),
      last: this.last === undefined ? null : formatPgTime(this.last),
      seconds: Number(this.width / 1_000_000n),
      counts: this.all.map(({ from, count }) => ({ from: formatPgTime(from), count })),
    };
  }
}

/** Towards the past, as times before 2000 are negative. */
function floorDivide(a: bigint, b: bigint): bigint {
  const quotient = a / b;
  return a % b < 0n ? quotient - 1n : quotient;
}

function newShare(): WalShare {
  return { count: 0, recordBytes: 0, imageBytes: 0 };
}

function add(share: WalShare, bytes: number, images: number): void {
  share.count++;
  share.recordBytes += bytes;
  share.imageBytes += images;
}

/** Images and all. */
export function bytesOf({ recordBytes, imageBytes }: WalShare): number {
  return recordBytes + imageBytes;
}

function sorted<S extends WalShare>(shares: readonly S[]): S[] {
  return [...shares].sort((a, b) => bytesOf(b) - bytesOf(a));
}

/** Largest first. */
export function sortedEntries<S extends WalShare>(shares: ReadonlyMap<string, S>): [string, S][] {
  return largestFirst(shares, bytesOf);
}
