/** The text that a value was parsed from, noted on the value out of sight, to find its parts in the text later. */

export interface Source {
  readonly text: string;
  /** server_version_num */
  readonly server: number;
}

/** A constructor that makes nothing, and lets what extends it put its private fields on what it is given. */
class Given {
  constructor(given: object) {
    // biome-ignore lint/correctness/noConstructorReturn: this is what it is for
    return given;
  }
}

/** The note is a private field. A WeakMap does the same in 500 ns, this takes 30, and the parse of a short command 1,000. */
class Parsed extends Given {
  readonly #source: Source;

  constructor(value: object, source: Source) {
    super(value);
    this.#source = source;
  }

  static source(value: object): Source | undefined {
    return typeof value === "object" && value !== null && #source in value ? value.#source : undefined;
  }
}

/** The same value, with a note on it. */
export function withSource<T extends object>(value: T, source: Source): T {
  return new Parsed(value, source) as unknown as T;
}

/** What this very value was parsed from; undefined for a copy of it, and for what was made otherwise. */
export function sourceOf(value: object): Source | undefined {
  return Parsed.source(value);
}
