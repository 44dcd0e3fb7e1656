/** Very many texts for an oracle: those of an arbitrary, and of each many that differ from it in a few places. */
import fc from "fast-check";
import { clientTextsFor } from "../../src/arbitraries/clients.ts";
import { commandText } from "../../src/arbitraries/command.ts";
import { synchronousStandbyNamesText } from "../../src/arbitraries/syncrep.ts";
import { pieces } from "../../src/arbitraries/text.ts";

/**
 * Arbitraries make some 5,000 texts a second, servers judge 100,000. So each is changed this many times, or fewer if it begins no
 * command, since nobody looks at the rest of it.
 */
const changesOfEach = 24;
const changesOfOthers = 4;
const basesInBatch = 250;

/** Texts of commands for a server, in batches, the same for the same seed, and others for another server: `count` in all. */
export function commandTexts(server: number, seed: number, count: number): Generator<string[]> {
  const clients = clientTextsFor(server).map(({ text }) => text);
  const changes = (base: string): number => (/^\s*[A-Z]+_/.test(base) ? changesOfEach : changesOfOthers);
  return changedTexts(commandText({ server }), clients, changes, seed + server, count);
}

/** A newline can be asked about through a process only, and so only of one in this many values that have one. */
const newlinesKept = 100;

/** Values of synchronous_standby_names for a server, likewise. */
export function* standbyNamesTexts(server: number, seed: number, count: number): Generator<string[]> {
  const changes = (base: string): number => (base.trim() === "" ? 0 : changesOfEach);
  let seen = 0;
  for (const batch of changedTexts(synchronousStandbyNamesText({ server }), [], changes, seed + server, count)) {
    yield batch.map((text) => (text.includes("\n") && seen++ % newlinesKept > 0 ? text.replaceAll("\n", "\f") : text));
  }
}

function* changedTexts(
  arbitrary: fc.Arbitrary<string>,
  others: readonly string[],
  changes: (base: string) => number,
  seed: number,
  count: number,
): Generator<string[]> {
  for (let batch = 0, left = count; left > 0; batch++) {
    // Far from the seeds of other runs, which are often neighbours.
    const own = (seed + Math.imul(batch, 0x9e3779b1)) | 0;
    const bases = fc.sample(arbitrary, { seed: own, numRuns: basesInBatch });
    const texts = [...bases];
    const change = changer(pseudoRandom(own), [...bases, ...others]);
    for (const base of bases) {
      for (let i = changes(base); i > 0; i--) texts.push(change(base));
    }
    yield texts.slice(0, left);
    left -= texts.length;
  }
}

/** Integers from 0 to n - 1: xorshift32. */
type Random = (n: number) => number;

function pseudoRandom(seed: number): Random {
  let state = (seed ^ 0x9e3779b9) | 1;
  return (n) => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) % n;
  };
}

const blanks = [" ", "", "  ", "\n", "\t", "\r", "\f", "\v", "\u00a0", "/**/"];
const characters = [
  ..." \t\n\r\f\v'\"`\\();,.:*/-+=$_#@!?<>[]{}|&%^~aAfFgGxXzZ019éÄſKİ世😀\u00a0\u2028\ufeff\u0001\u007f\u0080",
];

/** Changes a text, with pieces of the others. */
function changer(random: Random, bases: readonly string[]): (text: string) => string {
  const pick = <T>(list: readonly T[]): T => list[random(list.length)]!;
  const split = new Map(bases.map((text) => [text, pieces(text)]));
  const pool = [...split.values()].flat();
  const kind = (piece: string): string => kindOf(piece.trimStart());
  const byKind = new Map<string, string[]>();
  for (const piece of pool) {
    const same = byKind.get(kind(piece));
    if (same === undefined) byKind.set(kind(piece), [piece]);
    else same.push(piece);
  }

  /** A place in a list: seldom the first, since what begins no command is not looked at any further. */
  const place = ({ length }: readonly unknown[]): number =>
    random(8) > 0 && length > 1 ? 1 + random(length - 1) : random(length);

  const changes: readonly ((list: string[]) => void)[] = [
    // Another token of its kind, and again: what was right mostly stays right.
    ...Array.from({ length: 6 }, () => (list: string[]) => {
      const at = place(list);
      list[at] = pick(byKind.get(kind(list[at]!)) ?? pool);
    }),
    (list) => list.splice(place(list) + 1, 0, pick(pool)),
    (list) => list.splice(place(list), 1),
    (list) => list.splice(place(list), 1, pick(pool)),
    (list) => {
      const at = place(list);
      list.splice(at, 0, list[at]!);
    },
    (list) => {
      const at = place(list);
      list.splice(at, 2, ...list.slice(at, at + 2).reverse());
    },
    // The end of another text.
    (list) => {
      const other = split.get(pick(bases))!;
      list.splice(place(list), list.length, ...other.slice(random(other.length)));
    },
    // Other blanks.
    (list) => {
      const at = place(list);
      list[at] = pick(blanks) + list[at]!.trimStart();
    },
    // Longer, about as long as an identifier may be, or a number.
    (list) => {
      const at = place(list);
      const piece = list[at]!;
      const inside = Math.floor(piece.length / 2);
      list[at] = piece.slice(0, inside) + piece.slice(inside, inside + 1).repeat(random(70)) + piece.slice(inside);
    },
    (list) => {
      const at = place(list);
      const piece = list[at]!;
      list[at] = piece === piece.toLowerCase() ? piece.toUpperCase() : piece.toLowerCase();
    },
    // A character in, out, or another.
    (list) => {
      const at = place(list);
      const letters = [...list[at]!];
      letters.splice(random(letters.length + 1), random(2), ...(random(3) === 0 ? [] : [pick(characters)]));
      list[at] = letters.join("");
    },
    // Cut off.
    (list) => list.splice(place(list)),
    (list) => list.push(pick([";", ";;", " ;", "'", '"'])),
  ];

  return (text) => {
    const list = [...split.get(text)!];
    for (let n = 1 + random(2); n > 0 && list.length > 0; n--) pick(changes)(list);
    const changed = list.join("");
    // Half a surrogate pair cannot be sent.
    return /\p{Surrogate}/u.test(changed) ? text : changed;
  };
}

/** Tokens of a kind can stand for one another. */
function kindOf(token: string): string {
  if (/^[A-Z][A-Z_]+$/.test(token)) return "keyword";
  if (/^[0-9]+$/.test(token)) return "number";
  if (/^\w+\//.test(token)) return "position";
  if (/^[\w$\u0080-\uffff]/.test(token)) return "identifier";
  return token.slice(0, 1) === '"' ? "identifier" : token.slice(0, 1);
}
