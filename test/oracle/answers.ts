/** What a live walsender answers to a command, message by message, held against what we say that it answers. */
import { expect } from "vitest";
import {
  type AnswerStep,
  type ColumnDescription,
  commandAnswer,
  decodeResultSet,
  describeResultSet,
  encodeResultSet,
  parseCommand,
  type ResultSetName,
  type ResultSetValue,
  type RowValue,
} from "../../src/command/index.ts";
import { checked, type Message, type RawConnection } from "../servers/raw.ts";

/** What came in place of a step. */
interface Observed {
  readonly type: AnswerStep["type"];
  readonly tag?: string;
  readonly columns?: readonly object[];
  readonly rows?: readonly (readonly (Buffer | null)[])[];
  /** The bodies of CopyData. */
  readonly data?: readonly Buffer[];
}

export interface Answer {
  /** The value of a result set that came. */
  result<N extends ResultSetName>(name: N): ResultSetValue<N>;
  /** The copy streams, each as the bodies of its CopyData messages. */
  readonly copies: readonly (readonly Buffer[])[];
  /** The tags of CommandComplete. */
  readonly tags: readonly string[];
}

/**
 * Sends a command, and plays the client's part until ReadyForQuery: uploads `upload`, and ends a stream at once, or, if
 * `patient`, when the server does. All that comes must be what we say: the steps and their order, the columns to the
 * last number, the tags; and the rows must be read, and written again as the same bytes.
 */
export async function judgedAnswer(
  connection: RawConnection,
  text: string,
  options: { server: number; parameter?: string; patient?: boolean; upload?: Uint8Array },
): Promise<Answer> {
  const { server, parameter } = options;
  const observed = stepsOf(checked(await exchange(connection, text, options)));
  const answer = commandAnswer(parseCommand(text, { server }), { server })!;

  const results = new Map<ResultSetName, unknown>();
  const taken: AnswerStep[] = [];
  for (const step of answer) {
    const most = step.type !== "CommandComplete" && step.occurs === "some" ? Number.POSITIVE_INFINITY : 1;
    const least = step.type !== "CommandComplete" && step.occurs === "maybe" ? 0 : 1;
    let count = 0;
    for (; count < most && matches(step, observed[taken.length]); count++) taken.push(step);
    const said = JSON.stringify(observed.map(({ type, tag }) => tag ?? type));
    expect(count, `${text}: ${JSON.stringify(step)} in ${said}`).toBeGreaterThanOrEqual(least);
  }
  expect(
    observed.slice(taken.length).map(({ type, tag }) => tag ?? type),
    text,
  ).toEqual([]);

  for (const [i, step] of taken.entries()) {
    if (step.type !== "Rows") continue;
    const { columns, rows } = observed[i]!;
    const described = describeResultSet(step.resultSet, parameter === undefined ? { server } : { server, parameter });
    expect(columns, text).toEqual(described.map((column) => ({ ...column, tableOid: 0, number: 0, format: 0 })));
    const result = decodeResultSet(
      step.resultSet,
      rows!.map((row) => row.map((value, at) => given(step, at, value))),
    );
    const written = encodeResultSet(step.resultSet, result, { server });
    expect(
      written.map((row) => row.map((value) => (value === null ? null : Buffer.from(value as string)))),
      text,
    ).toEqual(rows);
    results.set(step.resultSet, result);
  }
  return {
    result: (name) => results.get(name) as never,
    copies: observed.flatMap(({ data }) => (data === undefined ? [] : [data])),
    tags: observed.flatMap(({ tag }) => (tag === undefined ? [] : [tag])),
  };
}

/** As a driver gives it: text, but a file as its bytes. */
function given(step: AnswerStep & { type: "Rows" }, at: number, value: Buffer | null): RowValue {
  if (value === null) return null;
  return step.resultSet === "TIMELINE_HISTORY" && at === 1 ? value : value.toString("utf8");
}

function matches(step: AnswerStep, observed: Observed | undefined): boolean {
  if (step.type === "CommandComplete") return observed?.tag === step.tag;
  return observed?.type === step.type;
}

/** Sends a command, and plays the client's part of its answer until ReadyForQuery. */
export async function exchange(
  connection: RawConnection,
  text: string,
  { patient = false, upload = Buffer.alloc(0) }: { patient?: boolean; upload?: Uint8Array },
): Promise<Message[]> {
  connection.send("Q", text);
  const messages: Message[] = [];
  let both = false;
  for (;;) {
    const message = await connection.next();
    messages.push(message);
    switch (message.type) {
      case "Z":
        return messages;
      case "W":
        both = true;
        if (!patient) connection.send("c", Buffer.alloc(0));
        break;
      case "c":
        if (both && patient) connection.send("c", Buffer.alloc(0));
        break;
      case "G":
        connection.send("d", upload);
        connection.send("c", Buffer.alloc(0));
    }
  }
}

/** The steps that messages make up, without notices and reports of settings, which may come anywhere. */
export function stepsOf(messages: readonly Message[]): Observed[] {
  const steps: Observed[] = [];
  let data: Buffer[] = [];
  let rows: (Buffer | null)[][] = [];
  let open = false;
  const copies: Record<string, AnswerStep["type"]> = { H: "CopyOut", G: "CopyIn", W: "CopyBoth" };
  for (const { type, body } of messages) {
    if (type === "N" || type === "S") continue;
    // A logical stream may go on with a keepalive when CopyDone has been said.
    if (type === "d") data.push(body);
    else if (type === "c") open = false;
    else expect(open, `${type} inside a copy stream`).toBe(false);
    if (type in copies) {
      // Format 0, no columns.
      expect(body.toString("hex")).toBe("000000");
      data = [];
      open = type !== "G";
      steps.push({ type: copies[type]!, data });
    } else if (type === "T") {
      rows = [];
      steps.push({ type: "Rows", columns: columnsOf(body), rows });
    } else if (type === "D") rows.push(valuesOf(body));
    else if (type === "C") steps.push({ type: "CommandComplete", tag: body.toString("utf8", 0, body.length - 1) });
    else expect(["d", "c", "Z"]).toContain(type);
  }
  return steps;
}

/** The columns in the body of a RowDescription. */
export function columnsOf(body: Buffer): (ColumnDescription & { tableOid: number; number: number; format: number })[] {
  let at = 2;
  return Array.from({ length: body.readInt16BE(0) }, () => {
    const end = body.indexOf(0, at);
    const name = body.toString("utf8", at, end);
    at = end + 19;
    return {
      name,
      tableOid: body.readUInt32BE(end + 1),
      number: body.readInt16BE(end + 5),
      typeId: body.readUInt32BE(end + 7),
      typeSize: body.readInt16BE(end + 11),
      typeModifier: body.readInt32BE(end + 13),
      format: body.readInt16BE(end + 17),
    };
  });
}

/** The values in the body of a DataRow. */
export function valuesOf(body: Buffer): (Buffer | null)[] {
  let at = 2;
  return Array.from({ length: body.readInt16BE(0) }, () => {
    const length = body.readInt32BE(at);
    const start = at + 4;
    at = start + Math.max(length, 0);
    return length < 0 ? null : body.subarray(start, at);
  });
}
