/** Differences between versions in the session around commands: the login, and what a server says of a client's mistakes. */
import { CapabilityTable } from "../kernel/version.ts";

export const sessionCapabilities = /* @__PURE__ */ new CapabilityTable({
  /** auth-scram.c, commit 818fd4a67d. The logins, SQL and messages of walsenders before it are others: walwire/server does not play them */
  scram: { since: [100000] },
  /** auth-scram.c: pg_be_scram_get_mechanisms, commits d3fb72ea6d and c3d41ccf59 */
  scramChannelBinding: { since: [110000] },
  /** auth-scram.c: read_any_attr, commit db1f28917b */
  scramEndIsNamed: { since: [130000] },
  /** auth.c: CheckPWChallengeAuth, commit aaf09c5923 */
  unknownRolesMayLeave: { since: [120018, 130014, 140011, 150006, 160002, 170000] },
  /** walsender.c: StartLogicalReplication: CreateDecodingContext after CopyBothResponse */
  streamOpensFirst: { since: [100000], until: 110000 },
  /** postmaster.c: NEGOTIATE_GSS_CODE, commit b0b39f72b9 */
  gssEncryption: { since: [120000] },
  /** proc.c: InitProcess, commit ea92368cd1; before it walsender.c: InitWalSender */
  walsendersCountedFirst: { since: [120000] },
  /** postmaster.c: ProcessStartupPacket; pqcomm.h: PG_PROTOCOL_EARLIEST, commit 0ba0e3f9b5 */
  protocolTwoIsGone: { since: [140000] },
  /** postgres.c: SocketBackend, walsender.c: ProcessRepliesIfAny, commit 9626325da5 */
  shortMessagesAreLimited: { since: [140000] },
  /** guc.c: ReportChangedGUCOptions, commit 2432b1a040 */
  parametersReportedAtOnce: { since: [100000], until: 140000 },
  /** guc_tables.c: GUC_REPORT of default_transaction_read_only and in_hot_standby, commits d16f8c8e41 and 4cb5cb4e13 */
  standbyParametersReported: { since: [140000] },
  /** string.c: pg_clean_ascii, commit 45b1a67a0f */
  namesAreEscaped: { since: [160000] },
  /** guc_tables.c: scram_iterations, commit b577743000 */
  scramIterationsReported: { since: [160000] },
  /** backend_startup.c: ProcessSSLStartup, commit d39a49c1e4 */
  directTls: { since: [170000] },
  /** proc.c: InitProcess, commit 8d9978a717 */
  parameterNamesQuoted: { since: [170000] },
  /** guc_tables.c: transaction_timeout, commit 51efe38cb9 */
  transactionTimeoutSet: { since: [170000] },
  /** guc_tables.c: GUC_REPORT of search_path, commit 28a1121fd9 */
  searchPathReported: { since: [180000] },
  /** pqcomm.h: PG_PROTOCOL_LATEST, commit 285613c60a; its key has 32 bytes: a460251f0a */
  protocolThreeTwo: { since: [180000] },
});
