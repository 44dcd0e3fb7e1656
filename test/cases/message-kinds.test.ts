/** What follows from an entry of logical/messages.ts does so for every entry, and nothing is listed a second time. */
import { expect, test } from "vitest";
import { pgoutputOptions } from "../../src/command/options/tables.ts";
import * as entries from "../../src/logical/messages.ts";
import type { Message } from "../../src/wire/shape.ts";

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
