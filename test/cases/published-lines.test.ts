/** The lines of `walwire serve --publish`: what is published, what is wrong with a line, and how a file is followed. */
import { appendFileSync, mkdtempSync, readFileSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { describe, expect, onTestFinished, test } from "vitest";
import { formatPgTime } from "../../src/kernel/time.ts";
import { PublishedFile } from "../../src/node/cli/serve/published-file.ts";
import { PublishedLines } from "../../src/node/cli/serve/published-lines.ts";
import { placeInJson } from "../../src/node/cli/shared/json-place.ts";
import { MemoryStore, Publisher } from "../../src/publisher/index.ts";
import { law } from "../laws/law.ts";
import { sentTo } from "../publisher-streams.ts";

const fruit = `{"type":"Table","table":"fruit","columns":[{"name":"id","type":"int4","key":true},{"name":"name","type":"text"},{"name":"at","type":"timestamptz"},{"name":"doc","type":"jsonb"}]}`;

/** Publishes lines one by one, each with its number as the mark, until one cannot be. */
async function publisher() {
  const publisher = await Publisher.open({ store: new MemoryStore(), keepRows: true });
  publisher.publication("all", { tables: "all" });
  await publisher.createSlot("s", { twoPhase: true });
  const lines = new PublishedLines(publisher);
  let number = 0;
  const publish = (...texts: readonly string[]) =>
    lines.publish(texts.map((text) => ({ text, number: ++number, mark: String(number) })));
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
  expect(of.mark).toBe("14");
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
    expect(of.mark).toBe("2");
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
  const publish = (text: string) => lines.publish([{ text, number: ++number, mark: String(number) }]);
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
  const open = async (path: string, mark?: string) => {
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

  test("of lines that are not UTF-8 is an error of the line", async () => {
    const path = folder();
    writeFileSync(path, Buffer.from("ok\n\xff\n", "latin1"));
    await expect((await open(path)).next()).rejects.toMatchObject({ line: 2, message: "the line is not UTF-8" });
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
