/** Errors that end a subcommand, as sentences. */
import {
  ConnectionError,
  PeerMissingError,
  ServerError,
  UnsupportedError,
  WalwireError,
} from "../../../kernel/errors.ts";
import { isDatabaseError } from "../../pg.ts";
import { TailError } from "../../tail.ts";
import { fileSentence } from "./file-error.ts";
import { type Status, status } from "./status.ts";
import { InputError } from "./usage.ts";

interface Explained {
  /** The error, and how to fix it. */
  readonly sentence: string;
  readonly status: Status;
}

/** An error for the user of `walwire`; undefined if it is a bug of walwire. */
export function explain(error: unknown): Explained | undefined {
  if (error instanceof InputError) return { sentence: error.message, status: error.status };
  if (error instanceof TailError) return { sentence: error.message, status: status.bad };
  if (error instanceof UnsupportedError || error instanceof PeerMissingError) return unseen(error.message);
  if (error instanceof ServerError || isDatabaseError(error)) {
    const advice = adviceBySqlState[error instanceof ServerError ? error.sqlstate : error.code];
    const parts = [error.message, error.detail, error.hint, advice].filter((part) => part !== undefined);
    return unseen(`the server reported: ${parts.join(". ")}`);
  }
  if (error instanceof ConnectionError) return connectionError(error);
  if (error instanceof WalwireError) return unseen(`invalid message from the server: ${error.message}`);
  const file = fileSentence(error);
  return file === undefined ? socketError(error) : unseen(file);
}

/** The cause, if there is one, is Node's error. */
function connectionError({ cause, message }: ConnectionError): Explained {
  return (cause instanceof Error ? socketError(cause) : undefined) ?? unseen(`the connection failed: ${message}`);
}

function unseen(sentence: string): Explained {
  return { sentence, status: status.unseen };
}

/** Errors of pg and Node for a server that cannot be reached, or a peer that is not a server. */
function socketError(error: unknown): Explained | undefined {
  // A host name with several addresses gives an error for each.
  const { code, message } = (error instanceof AggregateError ? error.errors[0] : error) as NodeJS.ErrnoException;
  const isNode = typeof code === "string" && !/^ERR_(?!TLS|SSL)/.test(code);
  if (!isNode && !/timeout expired|terminated unexpectedly|SSL/.test(message)) return undefined;
  const advice = typeof code === "string" ? adviceByErrno[code] : "Is it a PostgreSQL server?";
  return unseen([`cannot reach the server: ${message}`, advice].filter((part) => part !== undefined).join(". "));
}

const adviceByErrno: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Is it running, and does it listen there?",
  ENOENT: "Is it running, and is this the directory of its socket?",
  ENOTFOUND: "Is the host name right?",
};

const adviceBySqlState: Readonly<Record<string, string>> = {
  "42501": "The role needs the REPLICATION attribute: ALTER ROLE name REPLICATION",
  "28000": "pg_hba.conf may need a line for this user, database and address",
  "53300": "max_wal_senders or max_connections is reached",
  "53400": "max_replication_slots is reached",
};
