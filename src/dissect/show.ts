/** Dissections for people and for programs. */
import { refuseArgument, WalwireError } from "../kernel/errors.ts";
import { checkOptions } from "../kernel/options.ts";
import type { Server } from "../kernel/version.ts";
import {
  type DissectedField,
  type DissectedForm,
  type Dissection,
  isWhole,
  isWire,
  type LeafShape,
} from "../wire/dissect.ts";
import { type Json, valueJson } from "../wire/json.ts";
import { unitOf } from "../wire/shape.ts";
import { traceValue } from "../wire/trace.ts";

/**
 * The value of a leaf as text for a line: long values are cut, and control characters escaped.
 *
 * @param options.server The version whose format of LSNs is used.
 * @returns "" for a node of other fields.
 * @throws ArgumentError for anything but a field of a dissection.
 * @example formatDissectedField(dissectPgoutputMessage(hex("42 0000000006034b78 000303e62782f6fd 000002e7")).fields[1]) // "0/6034B78"
 */
export function formatDissectedField(
  field: DissectedField,
  options: { readonly server?: Server | undefined } = {},
): string {
  checkOptions(options, ["server"]);
  return given(field, () => textOf(field, options.server));
}

function textOf({ form, value }: DissectedField, server: Server | undefined): string {
  if (isWhole(form)) return "";
  return isWire(form) ? String(value) : traceValue(shapeOf(form), value, server);
}

/** The shape of a leaf, for its value. */
function shapeOf(form: DissectedForm): LeafShape {
  return { form: form === "text" ? "cstring" : form } as LeafShape;
}

/**
 * A tree as JSON has it. Each field has `name`, `form`, `start`, `end` and `doc`; `unit`, if it has one; a leaf has `value`, written as
 * in the JSON views of messages, others have `fields`. A tree that ends at damage has `error`.
 *
 * @param options.server The version whose format of LSNs is used.
 * @throws ArgumentError for anything but a dissection or a field of one.
 * @example jsonOfDissection(dissectPgoutputMessage(hex("45"))).fields // [{ name: "type", form: "tag", start: 0, end: 1, doc: "Which message it is.", value: "StreamStop" }]
 */
export function jsonOfDissection(
  field: DissectedField | Dissection,
  options: { readonly server?: Server | undefined } = {},
): { readonly [name: string]: Json } {
  checkOptions(options, ["server"]);
  return given(field, () => jsonOf(field, options.server));
}

function jsonOf(field: DissectedField | Dissection, server: Server | undefined): { readonly [name: string]: Json } {
  const { name, form, start, end, doc, value, fields } = field;
  const unit = unitOf(form);
  const json: Record<string, Json> = { name, form, start, end, doc };
  if (unit !== undefined) json.unit = unit;
  if (isWhole(form)) json.fields = fields.map((each) => jsonOf(each, server));
  else json.value = isWire(form) ? (value as Json) : valueJson(shapeOf(form), value, name, server);
  if ("error" in field && field.error !== undefined) json.error = field.error.toJSON() as Record<string, Json>;
  return json;
}

/** What only looks like a field fails somewhere. */
function given<T>(field: unknown, show: () => T): T {
  try {
    return show();
  } catch (error) {
    if (error instanceof WalwireError) throw error;
    refuseArgument("field", "a field of a dissection", field);
  }
}
