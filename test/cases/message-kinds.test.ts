/** What follows from an entry of logical/messages.ts does so for every entry, and nothing is listed a second time. */
import { expect, test } from "vitest";
import { pgoutputOptions } from "../../src/command/options/tables.ts";
import * as entries from "../../src/logical/messages.ts";
import {
  cstring,
  i64,
  list,
  type Message,
  message,
  numbered,
  record,
  struct,
  u16,
  u32,
  when,
} from "../../src/wire/shape.ts";

const { messages } = entries.PgoutputMessage;

test("every entry is in the family", () => {
  const exported = Object.values<unknown>(entries).filter(
    (each): each is Message => typeof each === "object" && each !== null && "tag" in each,
  );
  expect(exported.map(({ name }) => name).sort()).toEqual(messages.map(({ name }) => name).sort());
});

test("every option that a message needs is one of START_REPLICATION with pgoutput", () => {
  const names = Object.values(pgoutputOptions.rows).map(({ name }) => name);
  const needed = messages.flatMap(({ options = [] }) => options);
  expect(needed.length).toBeGreaterThan(5);
  expect(needed.filter((option) => !names.includes(option as (typeof names)[number]))).toEqual([]);
});

test("every change names its relations", () => {
  const changes = messages.filter(({ kind }) => kind === "change");
  expect(changes.length).toBeGreaterThan(3);
  for (const { name, fields } of changes) {
    expect("relationId" in fields || "relationIds" in fields, name).toBe(true);
    expect(fields.xid?.form, name).toBe("when");
  }
});

test("the changes of a transaction are those messages and Message", () => {
  const expected = messages.filter(({ kind }) => kind === "change" || kind === "message").map(({ name }) => name);
  expect([...entries.messagesOfKind("change", "message")].sort()).toEqual(expected.sort());
  expect(entries.messagesOfKind("change").has("Begin")).toBe(false);
});

test("a form of structs in a message does not compile, nor does a form of messages in a struct", () => {
  const about = { doc: "A message.", source: "proto.c" };
  const other = { doc: "A struct.", source: "proto.h", end: "sizeof" } as const;
  const good = message("Sequence", "q", {
    ...about,
    fields: { value: list("u16", record("R", { id: u32("") }, ""), "") },
  });
  expect(good.fields.value?.form).toBe("list");
  // @ts-expect-error i64
  message("Sequence", "q", { ...about, fields: { value: i64("") } });
  // @ts-expect-error u16 in a record in a list
  message("Sequence", "q", { ...about, fields: { value: list("u16", record("R", { id: u16("") }, ""), "") } });
  // @ts-expect-error a numbered field with a condition
  message("Sequence", "q", { ...about, fields: { value: when("inStream", numbered("i32", { 0: "no" }, ""), "") } });
  // @ts-expect-error cstring
  struct("Sequence", { ...other, fields: { name: cstring("") } });
  // @ts-expect-error cstring in a record with a condition
  struct("Sequence", { ...other, fields: { value: when("has", record("R", { name: cstring("") }, ""), "") } });
});
