/**
 * Whatever ends a subcommand early, in a sentence: one function for all of them.
 */
import {
  ConnectionError,
  PeerMissingError,
  ServerError,
  UnsupportedError,
  WalwireError,
} from "../../../kernel/errors.ts";
import { isDatabaseError } from "../../pg.ts";
import { TailError } from "../../tail.ts";
import { InputError, UsageError } from "./usage.ts";

/** What went wrong, in a sentence, and what to do about it; undefined if it is a bug of ours. */
export function explain(error: unknown): string | undefined {
  const said = [UsageError, InputError, TailError, UnsupportedError, PeerMissingError].some(
    (kind) => error instanceof kind,
  );
  if (said) return (error as Error).message;
  if (error instanceof ServerError || isDatabaseError(error)) {
    const advice = adviceBySqlState[error instanceof ServerError ? error.sqlstate : error.code];
    return ["the server says: ", error.message, error.detail, error.hint, advice]
      .filter((part) => part !== undefined)
      .map((part, i) => (i > 1 ? `. ${part}` : part))
      .join("");
  }
  if (error instanceof ConnectionError) return explainSocket(error.cause) ?? error.message;
  if (error instanceof WalwireError) return `the server's messages make no sense: ${error.message}`;
  return explainSocket(error);
}

/** What pg and Node say of a server that is not there, or is none. */
function explainSocket(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  // A name with several addresses gives an error for each of them.
  const { code, message } = (error instanceof AggregateError ? error.errors[0] : error) as NodeJS.ErrnoException;
  const isNode = typeof code === "string" && !/^ERR_(?!TLS|SSL)/.test(code);
  if (!isNode && !/timeout expired|terminated unexpectedly|SSL/.test(message)) return undefined;
  const advice = typeof code === "string" ? adviceByErrno[code] : "Is it a PostgreSQL server?";
  return [`cannot reach the server: ${message}`, advice].filter((part) => part !== undefined).join(". ");
}

const adviceByErrno: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Is it running, and does it listen there?",
  ENOENT: "Is it running, and is this the directory of its socket?",
  ENOTFOUND: "Is the name of the host right?",
};

const adviceBySqlState: Readonly<Record<string, string>> = {
  "42501": "The role needs the REPLICATION attribute: ALTER ROLE name REPLICATION",
  "28000": "pg_hba.conf may need a line for this user, database and address",
  "53300": "max_wal_senders or max_connections is reached",
  "53400": "max_replication_slots is reached",
};
