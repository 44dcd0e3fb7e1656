/** Approximate sizes in memory, in bytes: measured in Node 20 on a 64-bit machine. */
import type { Relation, Type } from "../generated/logical.ts";
import type { DescribedRelation } from "./described.ts";

/** The default of `memoryLimit`: 128 MiB, twice the default of the server's logical_decoding_work_mem. */
export const MEMORY_LIMIT = 134_217_728;

/** A streamed transaction: an entry of a Set. */
export const STREAMED = 40;
/** A relation without its columns and the characters of its names. */
const RELATION = 200;
/** A column of a relation. */
const COLUMN = 120;
/** A type. */
const TYPE = 200;
/** A prepared and held transaction, without its log and the characters of its identifier. */
export const HELD = 350;
/** An Origin without its name. */
export const ORIGIN = 150;
/** An element of an array. */
const POINTER = 8;

/** A relation with its columns. */
export function sizeOfRelation({ namespace, name, columns }: Relation): number {
  let size = RELATION + sizeOfText(namespace) + sizeOfText(name);
  for (const column of columns) size += COLUMN + sizeOfText(column.name);
  return size;
}

export function sizeOfType({ namespace, name }: Type): number {
  return TYPE + sizeOfText(namespace) + sizeOfText(name);
}

/** One character beyond Latin-1 makes all characters of a text take two bytes. */
export function sizeOfText(text: string): number {
  return 2 * text.length;
}

/** A version of a relation, and its number of users: the assembler while it is the newest, and each log that names it. */
export class RelationVersion {
  readonly relation: DescribedRelation;
  users = 0;
  /** Without its columns, which the decoder's relation shares and counts. */
  size: number;

  constructor(relation: DescribedRelation) {
    this.relation = relation;
    this.size = RELATION + POINTER * relation.columns.length;
  }
}

/** The bytes of memory that all transactions take, each object counted once. */
export class Account {
  bytes = 0;
  /** The part of `bytes` that a spill does not free. */
  fixed = 0;

  retain(version: RelationVersion): void {
    if (version.users++ === 0) this.#add(version.size);
  }

  release(version: RelationVersion): void {
    if (--version.users === 0) this.#add(-version.size);
  }

  /** The decoder has a newer announcement: this version now owns its columns. */
  detach(version: RelationVersion): void {
    const whole = sizeOfRelation(version.relation) + POINTER * version.relation.columns.length;
    if (version.users > 0) this.#add(whole - version.size);
    version.size = whole;
  }

  #add(bytes: number): void {
    this.bytes += bytes;
    this.fixed += bytes;
  }
}
