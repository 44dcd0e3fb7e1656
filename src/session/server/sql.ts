/**
 * SQL that clients of a walsender send around replication commands, and that needs no catalog to be answered: one row each, with its
 * source in C. Whatever is not here is the application's.
 */

/** What a statement of the table does. */
export type SqlStatement =
  | {
      /** A row of one value. */
      readonly type: "value";
      readonly column: string;
      readonly value: string;
      /** The parameter that gets this value; undefined if none does. */
      readonly sets: string | undefined;
    }
  | {
      readonly type: "begin";
      /** In lower case, as default_transaction_isolation has it; undefined leaves it to that. */
      readonly isolation: string | undefined;
      readonly isReadOnly: boolean;
    }
  | { readonly type: "commit" }
  | { readonly type: "rollback" }
  | {
      /** A parameter of the session gets a value. */
      readonly type: "set";
      readonly name: string;
      readonly value: string;
    }
  | { readonly type: "empty" };

/** Blanks of SQL, and of the lists of modes. */
const modes =
  /^(?:\s*,?\s*(?:isolation\s+level\s+(?:serializable|repeatable\s+read|read\s+(?:un)?committed)|read\s+(?:only|write)|(?:not\s+)?deferrable))*$/i;

/** Of each kind, the last one counts. */
function modesOf(given: string): { readonly isolation: string | undefined; readonly isReadOnly: boolean } {
  const isolation = given.match(/serializable|repeatable\s+read|read\s+(?:un)?committed/gi)?.at(-1);
  const access = given.match(/read\s+(?:only|write)/gi)?.at(-1);
  return { isolation: isolation?.toLowerCase().replace(/\s+/, " "), isReadOnly: /only/i.test(access ?? "") };
}

interface Row {
  readonly source: string;
  readonly pattern: RegExp;
  readonly means: (match: readonly (string | undefined)[]) => SqlStatement | undefined;
}

const rows: readonly Row[] = [
  {
    source:
      "connect.h: ALWAYS_SECURE_SEARCH_PATH_SQL; libpqwalreceiver.c: libpqrcv_connect; streamutil.c: GetConnection",
    pattern: /^SELECT pg_catalog\.set_config\('search_path', '', false\)$/,
    means: () => ({ type: "value", column: "set_config", value: "", sets: "search_path" }),
  },
  {
    source: "tablesync.c: LogicalRepSyncTableStart: BEGIN READ ONLY ISOLATION LEVEL REPEATABLE READ",
    pattern: /^(?:begin(?:\s+(?:work|transaction))?|start\s+transaction)(\s[\s\S]*)?$/i,
    means: ([, given = ""]) => (modes.test(given) ? { type: "begin", ...modesOf(given) } : undefined),
  },
  {
    source: "tablesync.c: LogicalRepSyncTableStart: COMMIT",
    pattern: /^(?:commit|end)(?:\s+(?:work|transaction))?$/i,
    means: () => ({ type: "commit" }),
  },
  {
    source: "worker.c and clients that give up a copy: ROLLBACK",
    pattern: /^(?:rollback|abort)(?:\s+(?:work|transaction))?$/i,
    means: () => ({ type: "rollback" }),
  },
  {
    source:
      "fe-connect.c: PQsetClientEncoding: set client_encoding to 'UTF8'; and drivers that set what a startup packet could",
    pattern: /^set\s+(?:session\s+)?([a-z_][a-z0-9_]*)\s*(?:=|\s+to\s)\s*(?:'([^']*)'|([\w.+-]+))$/i,
    means: ([, name, quoted, bare]) => ({ type: "set", name: name!, value: quoted ?? bare ?? "" }),
  },
  { source: "postgres.c: exec_simple_query: NullCommand", pattern: /^$/, means: () => ({ type: "empty" }) },
];

/** Longer statements are not in the table. */
const LONGEST = 1000;

/** What a statement does, if it is one of the table; else undefined. */
export function knownStatement(sql: string): SqlStatement | undefined {
  if (sql.length > LONGEST) return undefined;
  // What the scanner of every version takes for a blank. @source scan.l: space
  const text = sql.replace(/^[ \t\n\r\f]+/, "").replace(/[ \t\n\r\f;]+$/, "");
  for (const { pattern, means } of rows) {
    const match = pattern.exec(text);
    const statement = match === null ? undefined : means(match);
    if (statement !== undefined) return statement;
  }
  return undefined;
}
