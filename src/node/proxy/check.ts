/** Checks of what a caller asks of a proxy. */
import { refuseArgument } from "../../kernel/errors.ts";
import { checkObject, checkWhole } from "../../kernel/options.ts";
import { isBytes } from "../../wire/check.ts";
import { typesOf } from "./contents.ts";
import type { Place, ProxyAction } from "./passing.ts";

const MOST = 2 ** 31 - 1;

/** @throws ArgumentError */
export function checkAction(path: string, action: ProxyAction): void {
  checkObject(path, action);
  switch (action.type) {
    case "drop":
      return;
    case "replace":
      if (!isBytes(action.bytes)) refuseArgument(`${path}.bytes`, "a Uint8Array", action.bytes);
      return;
    case "delay":
      return checkWhole(`${path}.milliseconds`, action.milliseconds, 0, MOST);
    case "split":
      return checkWhole(`${path}.size`, action.size, 1, MOST);
    case "cut":
    case "stall":
      if (action.after !== undefined) checkWhole(`${path}.after`, action.after, 0, MOST);
      return;
    default:
      refuseArgument(
        `${path}.type`,
        "drop, replace, delay, split, cut or stall",
        (action satisfies never as ProxyAction).type,
      );
  }
}

/** @throws ArgumentError for a message that there cannot be */
export function checkPlace(path: string, place: Place): void {
  checkObject(path, place);
  const { from = "server", type, n = 1 } = place;
  if (from !== "client" && from !== "server") refuseArgument(`${path}.from`, "client or server", from);
  // What cannot be decoded has its type byte.
  if (!typesOf[from].has(type) && !(typeof type === "string" && type.length === 1)) {
    refuseArgument(
      `${path}.type`,
      `the type of a message of a ${from}, such as ${from === "client" ? "Query" : "Insert"}`,
      type,
    );
  }
  checkWhole(`${path}.n`, n, 1, MOST);
}
