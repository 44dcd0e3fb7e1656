/** Errors that end a subcommand, as sentences. */
import {
  ConnectionError,
  FileError,
  PeerMissingError,
  ServerError,
  UnsupportedError,
  WalwireError,
} from "../../../kernel/errors.ts";
import { isDatabaseError } from "../../pg.ts";
import { TailError } from "../../tail-error.ts";
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
    const sqlstate = error instanceof ServerError ? error.sqlstate : error.code;
    const advice = serverAdvice.find(([code, message]) => code === sqlstate && message.test(error.message))?.[2];
    return unseen(`the server reported: ${joined([error.message, error.detail, error.hint, advice])}`);
  }
  if (error instanceof FileError) {
    return { sentence: error.message, status: error.code === "BAD_FILE" ? status.bad : status.unseen };
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
  if (/^SASL: .*client password must be/.test(message)) {
    return unseen("the server asks for a password: set PGPASSWORD, or write postgres://user:password@host/database");
  }
  const isNode = typeof code === "string" && !/^ERR_(?!TLS|SSL)/.test(code);
  if (!isNode && !/timeout|terminated unexpectedly|SSL|^SASL/.test(message)) return undefined;
  const advice = typeof code === "string" ? adviceByErrno[code] : "Is it a PostgreSQL server?";
  return unseen(`cannot reach the server: ${joined([message, advice])}`);
}

/** Sentences in one line. Some of the server's end with a full stop. */
function joined(sentences: readonly (string | undefined)[]): string {
  const given = sentences.filter((sentence) => sentence !== undefined);
  return given.map((sentence) => sentence.replace(/\.$/, "")).join(". ");
}

const adviceByErrno: Readonly<Record<string, string>> = {
  ECONNREFUSED: "Is it running, and does it listen there?",
  ENOENT: "Is it running, and is this the directory of its socket?",
  ENOTFOUND: "Is the host name right?",
};

/** Advice for the server's errors. A SQLSTATE has several causes, which only the message tells apart: without English, no advice. */
const serverAdvice: readonly (readonly [sqlstate: string, message: RegExp, advice: string])[] = [
  ["28000", /^no pg_hba\.conf entry/, "pg_hba.conf needs a line for this host, user, database and encryption"],
  ["28000", /^pg_hba\.conf rejects/, "The first matching line of pg_hba.conf says reject"],
  ["28000", /^role .* does not exist$/, "Is the user in the URL right? CREATE ROLE name LOGIN creates one"],
  ["28000", /not permitted to log in$/, "ALTER ROLE name LOGIN allows it"],
  [
    "28000",
    /^(Peer|Ident) auth/,
    "pg_hba.conf says peer or ident: the operating system's user needs the role's name, or a line in pg_ident.conf",
  ],
  ["28P01", /^password auth/, "Are the user and the password right, in the URL or PGPASSWORD?"],
  ["3D000", /^database /, "Is the database in the URL right? Without one, it is the name of the user"],
  ["42501", /walsender|WAL sender|replication slots/, "ALTER ROLE name REPLICATION allows it"],
  ["42501", /^permission denied for database/, "GRANT CONNECT ON DATABASE name TO role allows it"],
  ["53300", /^too many connections for role/, "ALTER ROLE name CONNECTION LIMIT raises the limit"],
  ["53300", /^too many connections for database/, "ALTER DATABASE name CONNECTION LIMIT raises the limit"],
  ["53300", /too many clients|slots are reserved/, "max_connections is reached"],
];
