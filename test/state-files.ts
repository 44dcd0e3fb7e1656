/** Damaged files that servers keep their state in. */

/** Kinds of damage, to any file. */
export const damage: Readonly<Record<string, (good: Uint8Array) => Uint8Array>> = {
  "an empty file": () => new Uint8Array(0),
  "a part of the head": (good) => good.slice(0, 3),
  "a head without its end": (good) => good.slice(0, 14),
  "a head alone": (good) => good.slice(0, 16),
  "a file without its end": (good) => good.slice(0, -5),
  "another magic": (good) => good.map((byte, at) => (at === 1 ? byte ^ 0x40 : byte)),
  "another checksum": (good) => good.map((byte, at) => (at === 5 ? byte ^ 1 : byte)),
  "another version": (good) => good.map((byte, at) => (at === 8 ? byte + 5 : byte)),
  "another length": (good) => good.map((byte, at) => (at === 12 ? byte + 8 : byte)),
  "a length beyond all": (good) => good.map((byte, at) => (at >= 12 && at < 16 ? 0xff : byte)),
  "a bit of the name": (good) => good.map((byte, at) => (at === 17 ? byte ^ 1 : byte)),
  "a bit at the end": (good) => good.map((byte, at) => (at === good.length - 1 ? byte ^ 0x80 : byte)),
  "more behind it": (good) => Uint8Array.from([...good, 1, 2, 3]),
  "five bytes more": (good) => Uint8Array.from([...good, 1, 2, 3, 4, 5]),
};
