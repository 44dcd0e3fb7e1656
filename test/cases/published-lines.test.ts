/** The lines of `walwire serve --publish`: what is published, what is wrong with a line, and how a file is followed. */
import {
  appendFileSync,
  closeSync,
  ftruncateSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { formatPgTime } from "../../src/kernel/time.ts";
import { type FileMark, PublishedFile } from "../../src/node/cli/serve/published-file.ts";
import { PublishedLines } from "../../src/node/cli/serve/published-lines.ts";
import { parseJsonExactly, placeInJson } from "../../src/node/cli/shared/json-place.ts";
import { MemoryStore, Publisher } from "../../src/publisher/index.ts";
import { law } from "../laws/law.ts";
import { sentTo } from "../publisher-streams.ts";

const fruit = `{"type":"Table","table":"fruit","columns":[{"name":"id","type":"int4","key":true},{"name":"name","type":"text"},{"name":"at","type":"timestamptz"},{"name":"doc","type":"jsonb"}]}`;

/** The mark of a line: the lines here are of no file. */
const markOf = (line: number) => ({ offset: 0, line, crc32c: 0 });
const lineOf = ({ mark }: Publisher): number => JSON.parse(mark!).line;

/** Publishes lines one by one, each with its number as the mark, until one cannot be. */
async function publisher() {
  const publisher = await Publisher.open({ store: new MemoryStore(), keepRows: true });
  publisher.publication("all", { tables: "all" });
  await publisher.createSlot("s", { twoPhase: true });
  const lines = new PublishedLines(publisher);
  let number = 0;
  const publish = (...texts: readonly string[]) =>
    lines.publish(texts.map((text) => ({ text, number: ++number, mark: markOf(number) })));
  return { publisher, publish };
}

async function sent(of: Publisher): Promise<readonly string[]> {
  const { messages } = await sentTo(of, "s", { twoPhase: true });
  return messages.flatMap((message) => {
    switch (message.type) {
      case "Insert":
        return `+ ${message.newTuple.toArray().slice(0, 2)}`;
      case "Update":
        return `= ${message.newTuple.toArray().map((each) => (typeof each === "object" ? "same" : each))} ${message.oldTuple?.tuple.get(0) ?? ""}`;
      case "Delete":
        return `- ${message.oldTuple.tuple.get(0)}`;
      case "Truncate":
        return `truncate ${message.relationIds.length} ${message.options.cascade}`;
      case "Message":
        return `${message.transactional} ${message.prefix} ${new TextDecoder().decode(message.content)}`;
      case "Commit":
        return `commit${formatPgTime(message.commitTime) === "2026-01-31T12:00:00.123456Z" ? " then" : ""}`;
      case "Origin":
        return `of ${message.name}`;
      case "Prepare":
      case "CommitPrepared":
      case "RollbackPrepared":
        return `${message.type} ${message.gid}`;
      default:
        return [];
    }
  });
}

test("publishes transactions, changes that are one by themselves, and messages", async () => {
  const { publisher: of, publish } = await publisher();
  const common = `"xid":7,"lsn":"0/1750A88","time":"2026-01-31T12:00:00.123456Z","schema":"public","table":"fruit"`;
  await publish(
    fruit,
    `{"type":"Insert","table":"fruit","row":{"id":1,"name":"apple","at":"2026-01-31T12:00:00Z"}}`,
    "",
    `{"type":"Insert",${common},"row":{"id":2}}`,
    `{"type":"Update",${common},"row":{"id":2,"name":"pear","doc":"{}"}}`,
    `{"type":"Update",${common},"row":{"name":"fig","id":3},"old":{"id":2}}`,
    `{"type":"Update",${common},"row":{"name":"date"},"old":{"id":3}}`,
    `{"type":"Delete",${common},"old":{"id":1}}`,
    `{"type":"Message","xid":7,"transactional":true,"prefix":"p","content":"é"}`,
    `{"type":"Commit","xid":7,"time":"2026-01-31T12:00:00.123456Z","changes":6,"origin":"o"}`,
    `{"type":"Message","transactional":false,"prefix":"q","content":{"binary":"\\\\x41"}}`,
    `{"type":"Truncate","xid":8,"table":"fruit","cascade":true}\r`,
    `{"type":"Truncate","xid":8,"table":"fruit","cascade":true}`,
    `{"type":"Commit","xid":8}`,
  );
  expect(await sent(of)).toEqual([
    ...["+ 1,apple", "commit"],
    ...[
      "of o",
      "+ 2,",
      "= 2,pear,same,{} ",
      "= 3,fig,same,same 2",
      "= 3,date,same,same ",
      "- 1",
      "true p é",
      "commit then",
    ],
    ...["false q A", "truncate 1 true", "commit"],
  ]);
  expect(lineOf(of)).toBe(14);
});

test("publishes the lines of docs/publisher.md and docs/tail.md", async () => {
  const { publisher: of, publish } = await publisher();
  const read = (name: string) => readFileSync(new URL(`../../docs/${name}.md`, import.meta.url), "utf8");
  const lines = /cat > .*\n([\s\S]*?)END\n/.exec(read("publisher"))![1]!.trim().split("\n");
  await publish(...lines);
  expect(await sent(of)).toEqual(["+ 1,apple", "commit"]);
  const orders = `{"type":"Table","table":"orders","columns":[{"name":"id","type":"int4","key":true},{"name":"price","type":"numeric"}]}`;
  await publish(orders, .../<!-- lines: jsonl -->\n```json\n([\s\S]*?)```/.exec(read("tail"))![1]!.trim().split("\n"));
  expect((await sent(of)).slice(2)).toEqual(["+ 1,9.50", "= 2,9.50 1", "- 2", "commit then"]);
});

test("publishes rows of a table whose replica identity is full, NULLs too", async () => {
  const { publisher: of, publish } = await publisher();
  await publish(
    `{"type":"Table","table":"t","columns":[{"name":"a","type":"int4","key":true},{"name":"b","type":"text","key":true}],"replicaIdentity":"full"}`,
    `{"type":"Insert","table":"t","row":{"a":1,"b":null}}`,
    `{"type":"Update","table":"t","row":{"b":"x"},"old":{"a":1,"b":null}}`,
    `{"type":"Delete","table":"t","old":{"a":1,"b":"x"}}`,
  );
  expect(await sent(of)).toEqual(["+ 1,", "commit", "= 1,x 1", "commit", "- 1", "commit"]);
  await expect(publish(`{"type":"Delete","table":"t","old":{"a":1}}`)).rejects.toThrow(
    "old.b: expected a value, null for NULL",
  );
});

test("publishes copies of tables, and prepared transactions", async () => {
  const { publisher: of, publish } = await publisher();
  await publish(
    fruit,
    `{"type":"CopyBegin","lsn":"0/1","table":"fruit"}`,
    `{"type":"CopyRow","table":"fruit","row":{"id":1,"name":"a"}}`,
    `{"type":"CopyRow","table":"fruit","row":{"id":2,"name":"b"}}`,
  );
  await publish(
    `{"type":"CopyRow","table":"fruit","row":{"id":3,"name":"c"}}`,
    `{"type":"CopyEnd","lsn":"0/1","table":"fruit","count":3}`,
    `{"type":"Insert","xid":9,"gid":"g","table":"fruit","row":{"id":4}}`,
    `{"type":"Prepare","xid":9,"gid":"g","changes":1}`,
    `{"type":"CommitPrepared","xid":9,"gid":"g"}`,
  );
  expect(await sent(of)).toEqual([
    ...["truncate 1 false", "+ 1,a", "+ 2,b", "commit", "+ 3,c", "commit"],
    ...["+ 4,", "Prepare g", "CommitPrepared g"],
  ]);
});

test("goes on with copies after a restart, several of them mixed", async () => {
  const store = new MemoryStore();
  const pear = fruit.replace("fruit", "pear");
  const row = (table: string, id: number) => `{"type":"CopyRow","table":"${table}","row":{"id":${id}}}`;
  const texts = [
    ...[fruit, `{"type":"CopyBegin","table":"fruit"}`, pear, row("fruit", 1), `{"type":"CopyBegin","table":"pear"}`],
    ...[row("pear", 1), row("fruit", 2), `{"type":"CopyEnd","table":"pear","count":1}`, row("fruit", 3)],
    ...[`{"type":"CopyEnd","table":"fruit","count":3}`, `{"type":"Insert","table":"pear","row":{"id":2}}`],
  ];
  const all = texts.map((text, i) => ({ text, number: i + 1, mark: markOf(i + 1) }));
  // Each line by itself, and a restart after each: from the last mark on, as after a crash.
  for (let end = 1; end <= all.length; end++) {
    const publisher = await Publisher.open({ store, keepRows: true });
    const done = publisher.mark === undefined ? 0 : lineOf(publisher);
    await new PublishedLines(publisher).publish(all.slice(done, end));
    await publisher.close();
  }
  const publisher = await Publisher.open({ store, keepRows: true });
  expect(lineOf(publisher)).toBe(all.length);
  expect(JSON.parse(publisher.mark!).copies).toBeUndefined();
  const count = async (name: string): Promise<number> => {
    const snapshot = await publisher.snapshot();
    const table = publisher.tables.find((each) => each.name === name)!;
    let rows = 0;
    for await (const _ of snapshot.rows(table)) rows++;
    return rows;
  };
  expect([await count("fruit"), await count("pear")]).toEqual([3, 2]);
});

test.each<[string, string, string]>([
  [
    `{"type":"CopyEnd","table":"fruit","count":3}`,
    "count is 3, but the copy has 1 since line 2: lines are missing",
    "3}",
  ],
  [
    `{"type":"CopyEnd","table":"fruit","count":0}`,
    "count is 0, but the copy has 1 since line 2: lines are too many",
    "0}",
  ],
  [
    `{"type":"Insert","table":"fruit","row":{"id":2}}`,
    'the copy of "public.fruit", which begins in line 2, has no CopyEnd',
    `"Insert","table":"fruit","row":{"id":2}}`,
  ],
  [`{"type":"CopyRow","table":"fruit","row":{"id":"x"}}`, 'int4 is "x"', `"x"}}`],
])("a copy that is not whole: %s", async (text, message, rest) => {
  const { publisher: of, publish } = await publisher();
  await publish(fruit, `{"type":"CopyBegin","table":"fruit"}`);
  const published = publish(`{"type":"CopyRow","table":"fruit","row":{"id":1}}`, text);
  const error = await published.then(
    () => expect.unreachable(),
    (reason: unknown) => reason as { message: string; line: number; text: string; offset: number },
  );
  expect(error).toMatchObject({ name: "ParseError", line: 4, message: expect.stringContaining(message) });
  expect(error.text.slice(error.offset)).toBe(rest);
  // The line is corrected, and read again: it was not taken for published.
  expect(lineOf(of)).toBe(3);
});

test("a copy that begins again has its rows from there on", async () => {
  const { publisher: of, publish } = await publisher();
  const begin = `{"type":"CopyBegin","table":"fruit"}`;
  const row = `{"type":"CopyRow","table":"fruit","row":{"id":1}}`;
  await publish(fruit, begin, row, begin, row, `{"type":"CopyEnd","table":"fruit","count":1}`);
  expect(await sent(of)).toEqual([
    ...["truncate 1 false", "+ 1,", "commit"],
    ...["truncate 1 false", "+ 1,", "commit"],
  ]);
});

test("a transaction without changes is one; TRUNCATE of several tables counts once or as its lines", async () => {
  const { publish } = await publisher();
  const truncate = `{"type":"Truncate","xid":5,"table":"fruit"}`;
  await publish(fruit, `{"type":"Commit","xid":9}`, `{"type":"Commit","xid":9,"changes":0}`);
  await publish(truncate, truncate, `{"type":"Commit","xid":5,"changes":1}`);
  await publish(truncate, truncate, `{"type":"Commit","xid":5,"changes":2}`);
  await expect(publish(truncate, truncate, `{"type":"Commit","xid":5,"changes":3}`)).rejects.toThrow(
    "lines are missing",
  );
  await expect(publish(`{"type":"Commit","xid":5,"changes":-1}`)).rejects.toThrow("lines are too many");
});

test("numbers have the digits that the line has", async () => {
  const { publisher: of, publish } = await publisher();
  const names = ["int8", "numeric", "float8", "float8", "xid8", "money", "_int8"];
  const columns = names.map((type, i) => ({ name: `c${i}`, type }));
  await publish(
    JSON.stringify({ type: "Table", table: "n", columns }),
    `{"type":"Insert","table":"n","row":{"c0":9007199254740993,"c1":1.50,"c2":-0,"c3":1.50E+2,"c4":18446744073709551615,"c6":[9223372036854775807,-7,null]}}`,
  );
  const { messages } = await sentTo(of, "s", {});
  const inserted = messages.find((message) => message.type === "Insert")!;
  expect(inserted.newTuple.toArray()).toEqual([
    ...["9007199254740993", "1.50", "-0", "150", "18446744073709551615", null, "{9223372036854775807,-7,NULL}"],
  ]);
  const wrong = (column: string, number: string) =>
    publish(`{"type":"Insert","table":"n","row":{"${column}":${number}}}`);
  await expect(wrong("c0", "9007199254740990.6")).rejects.toThrow('int8 is "9007199254740990.6"');
  await expect(wrong("c3", "1e400")).rejects.toThrow('float8 is "1e+400"');
});

describe("a line that cannot be published names its place, and what is before it is", () => {
  const insert = (row: string) => `{"type":"Insert","table":"fruit","row":${row}}`;
  test.each<[string, string, string]>([
    ["not json", "the line is not JSON", "not json"],
    [`{"type":"Insert","row":{"id":1,}}`, "the line is not JSON", "}}"],
    [`{"type":"Insert"`, "the line is not JSON", ""],
    ["[1]", "expected an object", "[1]"],
    [`{"type":"Inser"}`, 'type is "Inser", expected Insert', `"Inser"}`],
    ["{}", "type is missing, expected Table, SchemaChange, Insert,", "{}"],
    [`{"type":"Insert","table":"pear","row":{}}`, 'the table "public.pear" is not declared', `"pear","row":{}}`],
    [`{"type":"Insert","row":{}}`, "table is missing", `{"type":"Insert","row":{}}`],
    [insert(`{"id":1,"nmae":"x"}`), 'column "nmae" of relation "fruit" does not exist', `"x"}}`],
    [insert(`{"id":"1.5"}`), 'int4 is "1.5", expected a whole number', `"1.5"}}`],
    [insert(`{"id":1,"name":{"a":1}}`), "text is an object, expected text or a number", `{"a":1}}}`],
    [insert(`{"id":1,"doc":"{bad"}`), 'jsonb is "{bad", expected JSON text', `"{bad"}}`],
    [insert("7"), "row: expected an object with the values of columns", "7}"],
    [`{"type":"Update","table":"fruit","row":{"name":"x"}}`, "row.id is missing, a column of the key", `{"name":"x"}}`],
    [`{"type":"Delete","table":"fruit"}`, "old: expected an object", `{"type":"Delete","table":"fruit"}`],
    [`{"type":"Delete","table":"fruit","old":{"name":"x"}}`, "old.id is missing, a column of the key", `{"name":"x"}}`],
    [insert(`{"name":"x"}`), "row.id is missing, a column of the key", `{"name":"x"}}`],
    [insert(`{"name":"x","id":null}`), "row.id: expected a value, as the column is of the key, got null", "null}}"],
    [
      `{"type":"Update","table":"fruit","row":{"id":null},"old":{"id":1}}`,
      "row.id: expected a value, as the column is of the key, got null",
      `null},"old":{"id":1}}`,
    ],
    [`{"type":"Commit","xid":5,"changes":2}`, "changes is 2, but the transaction has 0: lines are missing", "2}"],
    [
      `{"type":"Insert","xid":1.5,"table":"fruit","row":{}}`,
      "xid: expected a whole number from 1 to 4294967295, got 1.5",
      `1.5,"table":"fruit","row":{}}`,
    ],
    [`{"type":"Commit","xid":0}`, "xid: expected a whole number from 1 to 4294967295, got 0", "0}"],
    [`{"type":"Prepare","xid":4294967296,"gid":"g"}`, "xid: expected a whole number", `4294967296,"gid":"g"}`],
    [`{"type":"CopyRow","table":"fruit"}`, 'the copy of "public.fruit" has no CopyBegin', `"CopyRow","table":"fruit"}`],
    [`{"type":"CopyEnd","table":"fruit"}`, 'the copy of "public.fruit" has no CopyBegin', `"CopyEnd","table":"fruit"}`],
    [insert(`{"id":9223372036854775807}`), 'int4 is "9223372036854775807", expected', "9223372036854775807}}"],
    [`{"type":"Commit"}`, "xid is missing: which transaction ends?", `"Commit"}`],
    [
      `{"type":"Insert","xid":"5","table":"fruit","row":{}}`,
      'xid: expected a number, got "5"',
      `"5","table":"fruit","row":{}}`,
    ],
    [`{"type":"CommitPrepared","gid":"none"}`, 'prepared transaction with identifier "none" does not exist', `"none"}`],
    [
      `{"type":"Table","table":"t","columns":[{"name":"a","type":"int5"}]}`,
      "table.columns[0].type: expected the name of a built-in type",
      `"int5"}]}`,
    ],
    [
      `{"type":"Table","table":"t","columns":[{"name":"a","type":"bigint"}]}`,
      "table.columns[0].type: expected int8, its name in pg_type",
      `"bigint"}]}`,
    ],
    [`{"type":"Table","table":"t","columns":[{"name":"a"}]}`, "table.columns[0].type: expected", `{"name":"a"}]}`],
    [`{"type":"Table","table":"t"}`, "columns: expected an array", `{"type":"Table","table":"t"}`],
    [
      `{"type":"Insert","table":"fruit","row":{"id":1},"time":"yesterday"}`,
      'timestamptz is "yesterday"',
      `"yesterday"}`,
    ],
  ])("%s", async (text, message, rest) => {
    const { publisher: of, publish } = await publisher();
    await publish(fruit);
    const published = publish(insert(`{"id":1,"name":"before"}`), text, insert(`{"id":2}`));
    const error = await published.then(
      () => expect.unreachable(),
      (reason: unknown) => reason as { message: string; line: number; text: string; offset: number },
    );
    expect(error).toMatchObject({ name: "ParseError", line: 3, message: expect.stringContaining(message) });
    expect(error.text.slice(error.offset)).toBe(rest);
    expect(await sent(of)).toEqual(["+ 1,before", "commit"]);
    expect(lineOf(of)).toBe(2);
  });

  test.each([insert(`{"id":3}`), `{"type":"Insert","xid":6,"table":"fruit","row":{"id":3}}`])(
    "a transaction without its Commit: %s",
    async (text) => {
      const { publish } = await publisher();
      await publish(fruit, `{"type":"Insert","xid":5,"table":"fruit","row":{"id":1}}`);
      await expect(publish(text)).rejects.toThrow("the transaction 5, which begins in line 2, has no Commit");
    },
  );
});

test("a transaction larger than a block of the file, or than memory allows, is one or none", async () => {
  const publisher = await Publisher.open({ transactionMemory: 2000 });
  const lines = new PublishedLines(publisher);
  let number = 0;
  const publish = (text: string) => lines.publish([{ text, number: ++number, mark: markOf(number) }]);
  await publish(fruit);
  const change = `{"type":"Insert","xid":5,"table":"fruit","row":{"id":1,"name":"${"x".repeat(900)}"}}`;
  await publish(change);
  await publish(change);
  await expect(publish(change)).rejects.toMatchObject({
    line: 4,
    message: expect.stringContaining("transactionMemory"),
  });
  expect(publisher.mark).toBeUndefined();
});

describe("a file", () => {
  const folder = () => {
    const path = mkdtempSync(join(tmpdir(), "published-file-"));
    onTestFinished(() => rmSync(path, { recursive: true }));
    return join(path, "f.jsonl");
  };
  const open = async (path: string, mark?: FileMark) => {
    const file = await PublishedFile.open(path, mark);
    onTestFinished(() => file.close());
    return file;
  };
  const texts = async (file: PublishedFile) => (await file.next()).map(({ text }) => text);

  test("gives complete lines, and goes on behind a mark", async () => {
    const path = folder();
    writeFileSync(path, "\ufeffone\ntwo\nthr");
    const file = await open(path);
    const lines = await file.next();
    expect(lines.map(({ text, number }) => [number, text])).toEqual([
      [1, "one"],
      [2, "two"],
    ]);
    expect(await file.next()).toEqual([]);
    appendFileSync(path, "ee\nfour");
    expect(await texts(file)).toEqual(["three"]);
    expect(await texts(await open(path, lines[0]!.mark))).toEqual(["two", "three"]);
    const again = await open(path, lines[1]!.mark);
    expect(await again.next()).toMatchObject([{ text: "three", number: 3 }]);
  });

  test("gives a line that is longer than a block", async () => {
    const path = folder();
    const long = "é".repeat(1_500_000);
    writeFileSync(path, `${long}\nshort\n`);
    const file = await open(path);
    expect(await texts(file)).toEqual([long, "short"]);
  });

  test("is not taken for another one", async () => {
    const path = folder();
    writeFileSync(path, "one\ntwo\n");
    const [, two] = await (await open(path)).next();
    const another = "is not the file of which 8 bytes have been published";
    writeFileSync(path, "one\ntwx\n");
    await expect(open(path, two!.mark)).rejects.toThrow(another);
    writeFileSync(path, "onx\ntwo\n");
    await expect(open(path, two!.mark)).rejects.toThrow(another);
    writeFileSync(path, "one\n");
    await expect(open(path, two!.mark)).rejects.toThrow(another);
    const file = await open(path);
    expect(await texts(file)).toEqual(["one"]);
    truncateSync(path, 2);
    await expect(file.next()).rejects.toThrow("is not the file of which 4 bytes have been published");
    writeFileSync(path, "one\n");
    renameSync(path, `${path}.old`);
    await expect(file.next()).rejects.toThrow("was moved away");
  });

  test("is complete as far as the state of tail says", async () => {
    const path = folder();
    writeFileSync(path, "one\ntwo\nthree\n");
    writeFileSync(`${path}.state`, JSON.stringify({ slot: "s", size: 8, lsn: null, copied: [] }));
    const file = await open(path);
    expect(await texts(file)).toEqual(["one", "two"]);
    expect(await file.next()).toEqual([]);
    writeFileSync(`${path}.state`, JSON.stringify({ slot: "s", size: 14, lsn: null, copied: [] }));
    expect(await texts(file)).toEqual(["three"]);
  });

  test("is another one if any byte before the mark is", async () => {
    const path = folder();
    const bytes = Buffer.from("first\n\nthird line\n");
    writeFileSync(path, bytes);
    const { mark } = (await (await open(path)).next()).at(-1)!;
    for (let i = 0; i < bytes.length; i++) {
      const changed = Buffer.from(bytes);
      changed[i]! ^= 1;
      writeFileSync(path, changed);
      await expect(open(path, mark)).rejects.toThrow("is not the file");
    }
    writeFileSync(path, `${bytes}more\n`);
    expect(await texts(await open(path, mark))).toEqual(["more"]);
  });

  test("of lines that are not UTF-8, or too long, shows where", async () => {
    const path = folder();
    for (const [line, offset] of [
      ["ab\xff", 2],
      ["\xff", 0],
      ["\xef\xbf\xbdx\xef\xbf", 2],
      ["\xc3\xa9\xef\xbf\xbd\xe2\x82(", 2],
    ] as const) {
      writeFileSync(path, Buffer.from(`ok\n${line}\n`, "latin1"));
      await expect((await open(path)).next()).rejects.toMatchObject({ line: 2, offset });
    }
    const handle = openSync(path, "w");
    writeSync(handle, `short\n{"type":"Insert"`);
    ftruncateSync(handle, 66_000_000 + 2_000_000);
    closeSync(handle);
    const file = await open(path);
    expect(await texts(file)).toEqual(["short"]);
    await expect(file.next()).rejects.toMatchObject({
      line: 2,
      message: "the line is longer than 67108864 bytes",
      text: expect.stringMatching(/^{"type":"Insert"/),
    });
  });

  test("is a regular one that can be read", async () => {
    await expect(PublishedFile.open("/dev/null", undefined)).rejects.toThrow("is not a regular file");
    await expect(PublishedFile.open("/no/such", undefined)).rejects.toThrow("/no/such: no such file or directory");
  });
});

describe("the place of a value in JSON", () => {
  /** Any path of a value, and what is there. */
  const walk = (value: unknown, picks: readonly number[]): [path: (string | number)[], value: unknown] => {
    const path: (string | number)[] = [];
    let at = value;
    for (const pick of picks) {
      if (typeof at !== "object" || at === null) break;
      const keys = Object.keys(at);
      if (keys.length === 0) break;
      const key = keys[pick % keys.length]!;
      path.push(Array.isArray(at) ? Number(key) : key);
      at = (at as Record<string, unknown>)[key];
    }
    return [path, at];
  };

  law(
    "is where it stands",
    fc.property(fc.jsonValue(), fc.array(fc.nat(), { maxLength: 5 }), fc.nat(2), (json, picks, indent) => {
      const text = JSON.stringify(json, undefined, indent);
      const [path, value] = walk(JSON.parse(text), picks);
      const at = placeInJson(text, path);
      const alone = JSON.stringify(value);
      // Indented, only its first character is the same.
      expect(text.slice(at, at + (indent === 0 ? alone.length : 1))).toBe(indent === 0 ? alone : alone[0]);
    }),
  );

  law(
    "of damaged JSON is one up to which it could still be JSON",
    fc.property(fc.json(), fc.nat(), fc.constantFrom(...'"{}[]:,\\x0\n'), (text, where, put) => {
      const start = where % (text.length + 1);
      const damaged = text.slice(0, start) + put + text.slice(start + 1);
      let isJson = true;
      try {
        JSON.parse(damaged);
      } catch {
        isJson = false;
      }
      const at = placeInJson(damaged);
      expect(at).toBeLessThanOrEqual(damaged.length);
      // The scan stops at what is wrong, which cannot be before the damage.
      if (isJson) expect(damaged.slice(0, at).trim()).toBe("");
      else expect(at === damaged.length || at >= start - 6 || text.lastIndexOf('"', start) <= at).toBe(true);
    }),
  );
});

law(
  "numbers of JSON are values if JSON.parse keeps their digits, and their text if not",
  fc.property(fc.jsonValue(), fc.bigInt(), fc.nat(), fc.nat(2), (json, big, scale, indent) => {
    const number = `${big}${scale === 0 ? "" : `.${scale}`}`;
    const text = JSON.stringify({ "5.50": json, '\\"': [json, "7.0"] }, undefined, indent).replace(
      /}$/,
      `,"n":[${number}, 1.0]}`,
    );
    const plain = JSON.stringify(JSON.parse(text)) as string;
    const exact = String(Number(number)) === number ? Number(number) : number;
    // fc's numbers are as JSON.stringify writes them, but for those whose text JSON.parse does not give back.
    expect(parseJsonExactly(text)).toEqual({ ...JSON.parse(plain), n: [exact, "1.0"] });
  }),
);
