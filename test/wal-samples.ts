/** Main data of records as servers wrote it: test/vectors/wal-contents.json, which its README explains. */
import { hex } from "./hex.ts";
import lines from "./vectors/wal-contents.json" with { type: "json" };

export interface Sample {
  readonly server: string;
  /** As pg_waldump calls it: "Transaction/COMMIT". */
  readonly operation: string;
  readonly rmid: number;
  readonly info: number;
  readonly origin: number | undefined;
  readonly data: Uint8Array;
  /** What the server's own pg_walinspect said of it; empty before 15, which has none. */
  readonly description: string;
}

export const samples: readonly Sample[] = lines.map(({ data, origin, ...rest }) => ({
  ...rest,
  origin: origin === 0 ? undefined : origin,
  data: hex(data),
}));

/** What pg_waldump says as a server says it: a time there has no zeros at its end, and its zone by the offset. */
export function asServerSays(text: string): string {
  return text.replace(/(\d\d:\d\d:\d\d)\.(\d{6}) UTC/g, (_, time: string, fraction: string) => {
    const digits = fraction.replace(/0+$/, "");
    return `${time}${digits === "" ? "" : `.${digits}`}+00`;
  });
}
