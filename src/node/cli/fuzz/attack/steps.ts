/** A session that `walwire fuzz attack` has with a server, as plain data: what is sent, and what is waited for. */
import type { TransactionStatus } from "../../../../session/messages.ts";
import { hexOf } from "../../../../wire/text.ts";
import { quoteText } from "../../../../wire/trace.ts";
import { InputError } from "../../shared/usage.ts";

export type Step =
  | {
      /** Send bytes. */
      readonly type: "send";
      readonly bytes: Uint8Array;
      /** For people. */
      readonly shown: string;
    }
  | {
      /** Send a query about the slot of the session, which is written `SLOT $slot`: its name is another in each session. */
      readonly type: "slot";
      readonly query: string;
    }
  | {
      /** Wait until a logical slot is made. Transactions in progress hold this up, as long as they like: then the session is over. */
      readonly type: "made";
    }
  | {
      /** Wait for ReadyForQuery. With another status of the transaction the session goes no further. */
      readonly type: "ready";
      readonly status: TransactionStatus;
    }
  | {
      /** Wait for a message that has not come yet: CopyBothResponse, or a Keepalive in CopyData. */
      readonly type: "until";
      readonly message: "CopyBothResponse" | "Keepalive";
    }
  | {
      /** START_REPLICATION of WAL, without a slot, from the position that the last IDENTIFY_SYSTEM gave. */
      readonly type: "start";
    }
  | {
      /** Close our side, and wait until the server closes its own. */
      readonly type: "close";
    };

/** How a session logs in: with replication=database, with replication=true, or not at all. */
export type Login = "database" | "true" | "none";

export interface Session {
  readonly login: Login;
  readonly steps: readonly Step[];
}

/** A session in lines, as people read it. */
export function shownSession({ login, steps }: Session): string[] {
  const head = login === "none" ? [] : [`log in with replication=${login}`];
  return [...head, ...steps.map(shownStep)];
}

function shownStep(step: Step): string {
  switch (step.type) {
    case "send":
      return `→ ${step.shown}`;
    case "slot":
      return `→ Query ${quoteText(step.query, 2000)}`;
    case "made":
      return "  wait for the slot";
    case "ready":
      return `  wait for ReadyForQuery ${step.status}`;
    case "until":
      return `  wait for ${step.message}`;
    case "start":
      return "→ Query START_REPLICATION from the position of IDENTIFY_SYSTEM";
    case "close":
      return "  close";
  }
}

/** A session as JSON. */
export function sessionJson({ login, steps }: Session): object {
  return {
    login,
    steps: steps.map((step) => (step.type === "send" ? { ...step, bytes: hexOf(step.bytes) } : step)),
  };
}

/** @throws InputError for what is not a session. */
export function sessionOf(json: unknown, name: string): Session {
  const { login, steps } = (json ?? {}) as { readonly login?: unknown; readonly steps?: unknown };
  const isLogin = login === "database" || login === "true" || login === "none";
  if (!isLogin || !Array.isArray(steps)) throw new InputError(`${name} is not a session of walwire fuzz attack`);
  return { login, steps: steps.map((step, i) => stepOf(step, `${name}: step ${i + 1}`)) };
}

function stepOf(step: Record<string, unknown> | null, name: string): Step {
  const { type, bytes, shown, status, message, query } = step ?? {};
  if (type === "start" || type === "close" || type === "made") return { type };
  if (type === "slot" && typeof query === "string") return { type, query };
  if (type === "ready" && (status === "I" || status === "T" || status === "E")) return { type, status };
  if (type === "until" && (message === "CopyBothResponse" || message === "Keepalive")) return { type, message };
  if (type === "send" && typeof bytes === "string" && /^(?:[\da-f]{2})*$/.test(bytes)) {
    return {
      type,
      bytes: Uint8Array.from(Buffer.from(bytes, "hex")),
      shown: typeof shown === "string" ? shown : bytes,
    };
  }
  throw new InputError(`${name} is not one that walwire knows`);
}
