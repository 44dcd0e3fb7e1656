/** Checks of arguments that questions about files are given. Each throws an ArgumentError that names the argument. */
import { refuseArgument } from "../kernel/errors.ts";

const LSN_MAX = (1n << 64n) - 1n;

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}

export function checkLsn(path: string, lsn: unknown): void {
  if (typeof lsn === "bigint" && lsn >= 0n && lsn <= LSN_MAX) return;
  refuseArgument(path, "a bigint from 0 to 2^64 - 1", lsn);
}

/** A timeline, an oid, a transaction. */
export function checkUint32(path: string, value: unknown): void {
  if (Number.isInteger(value) && (value as number) >= 0 && (value as number) <= 0xffffffff) return;
  refuseArgument(path, "an integer from 0 to 2^32 - 1", value);
}

export function checkPoint(path: string, point: unknown): void {
  if (!isObject(point)) refuseArgument(path, "an object with tli and lsn", point);
  checkUint32(`${path}.tli`, point.tli);
  checkLsn(`${path}.lsn`, point.lsn);
}

export function checkHistory(path: string, history: unknown): void {
  if (!Array.isArray(history)) refuseArgument(path, "an array of timelines", history);
  for (let i = 0; i < history.length; i++) {
    const entry: unknown = history[i];
    const at = `${path}[${i}]`;
    if (!isObject(entry)) refuseArgument(at, "an object with tli, begin and end", entry);
    checkUint32(`${at}.tli`, entry.tli);
    checkLsn(`${at}.begin`, entry.begin);
    checkLsn(`${at}.end`, entry.end);
  }
}

export function checkText(path: string, text: unknown): void {
  if (typeof text !== "string") refuseArgument(path, "a string", text);
}
