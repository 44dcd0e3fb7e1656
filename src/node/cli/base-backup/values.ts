/**
 * Values of options as pg_basebackup reads them, with its errors.
 *
 * @source pg_basebackup.c: tablespace_list_append, parse_max_rate
 */
import { UsageError } from "../shared/usage.ts";

/**
 * OLDDIR=NEWDIR, in which `\=` is a `=` of a directory.
 *
 * @throws UsageError
 */
export function tablespaceMappingOf(values: readonly string[]): Record<string, string> {
  const mapping: Record<string, string> = {};
  for (const value of values) {
    const [from, to, more] = value.split(/(?<!\\)=/).map((part) => part.replaceAll("\\=", "="));
    if (more !== undefined) throw new UsageError('multiple "=" signs in tablespace mapping');
    if (!from || !to) {
      throw new UsageError(`invalid tablespace mapping format "${value}", must be "OLDDIR=NEWDIR"`);
    }
    mapping[from] ??= to;
  }
  return mapping;
}

const [LOWEST, HIGHEST] = [32, 1048576];

/**
 * A rate in kB a second: a number, with `k` or `M` behind.
 *
 * @throws UsageError
 */
export function maxRateOf(value: string): number {
  const [, number, unit] = /^\s*([+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*(.*?)\s*$/is.exec(value) ?? [];
  if (number === undefined) throw new UsageError(`transfer rate "${value}" is not a valid value`);
  if (Number(number) <= 0) throw new UsageError("transfer rate must be greater than zero");
  if (unit !== "" && unit !== "k" && unit !== "M") throw new UsageError(`invalid --max-rate unit: "${unit}"`);
  const rate = Number(number) * (unit === "M" ? 1024 : 1);
  if (!(rate >= LOWEST && rate <= HIGHEST)) throw new UsageError(`transfer rate "${value}" is out of range`);
  return Math.trunc(rate);
}
