/** The options of `listen`, checked. */
import { randomBytes } from "node:crypto";
import { createSecureContext, type SecureContext } from "node:tls";
import { ArgumentError, refuseArgument, UnsupportedError } from "../../kernel/errors.ts";
import { checkObject, checkOptions, checkType, checkWhole, isArrayOf } from "../../kernel/options.ts";
import { defaultServer, formatServerVersion, serverVersionNum } from "../../kernel/version.ts";
import { sessionCapabilities } from "../../session/capabilities.ts";
import { isScramSecret } from "../../session/server/scram.ts";
import { MAX_ALLOC_SIZE } from "../../wire/check.ts";
import { isLoopback } from "../loopback.ts";
import type { WalsenderHandlers } from "./handlers.ts";
import type { ListenLimits, ListenOptions } from "./options.ts";

/** The same with defaults. */
export interface ServerSettings {
  readonly server: number;
  readonly users: ListenOptions["users"];
  readonly databases: readonly string[] | undefined;
  readonly systemid: bigint;
  readonly parameters: Readonly<Record<string, string>>;
  readonly limits: { readonly [L in keyof ListenLimits]-?: number };
  /** Of the server's life. @source pg_control: mock_authentication_nonce */
  readonly mockNonce: Uint8Array;
}

/** Where to listen, and how. */
export interface ListenAddress {
  readonly target: { readonly path: string } | { readonly host: string; readonly port: number };
  readonly secureContext: SecureContext | undefined;
  readonly requiresTls: boolean;
}

const names = [
  ...["server", "host", "port", "path", "insecure", "tls", "users", "databases", "systemid", "parameters"],
  ...["handlers", "limits", "onError"],
];
const handlerNames = [
  ...["identifySystem", "show", "timelineHistory", "createSlot", "dropSlot", "alterSlot", "readSlot", "plugin"],
  ...["startPhysical", "startLogical", "baseBackup", "uploadManifest", "query"],
];

const DAY = 24 * 60 * 60 * 1000;

/** @throws ArgumentError, UnsupportedError */
export function checkSettings(options: ListenOptions): { settings: ServerSettings; address: ListenAddress } {
  checkOptions(options, names);
  const { handlers = {}, limits = {}, users, databases, parameters = {}, onError, insecure } = options;
  checkOptions(handlers, handlerNames, "options.handlers");
  for (const name of handlerNames) {
    checkType(`options.handlers.${name}`, handlers[name as keyof WalsenderHandlers], "function");
  }
  checkOptions(limits, ["connections", "message", "loginTimeout", "walSenderTimeout"], "options.limits");
  const { connections = 10, message = 1024 * 1024, loginTimeout = 60_000, walSenderTimeout = 60_000 } = limits;
  checkWhole("options.limits.connections", connections, 1, 1_000_000);
  checkWhole("options.limits.message", message, 1000, MAX_ALLOC_SIZE);
  checkWhole("options.limits.loginTimeout", loginTimeout, 1, DAY);
  checkWhole("options.limits.walSenderTimeout", walSenderTimeout, 0, DAY);
  checkType("options.onError", onError, "function");
  checkType("options.insecure", insecure, "boolean");
  checkUsers(users);
  const isText = (each: string): boolean => typeof each === "string";
  if (databases !== undefined && !isArrayOf(databases, isText)) {
    refuseArgument("options.databases", "an array of strings", databases);
  }
  checkObject("options.parameters", parameters);
  for (const [name, value] of Object.entries(parameters)) {
    if (typeof value !== "string" || value.includes("\0"))
      refuseArgument(`options.parameters.${name}`, "a string", value);
  }
  const systemid = options.systemid ?? new DataView(randomBytes(8).buffer).getBigUint64(0);
  if (typeof systemid !== "bigint" || BigInt.asUintN(64, systemid) !== systemid) {
    refuseArgument("options.systemid", "a bigint from 0 to 2^64 - 1", systemid);
  }
  const server = serverVersionNum(options.server ?? defaultServer);
  if (!sessionCapabilities.supports(server, "scram")) {
    const message = `options.server: expected ${sessionCapabilities.since("scram")} or later, got ${formatServerVersion(server)}`;
    throw new UnsupportedError(message, "scram");
  }
  return {
    settings: {
      server,
      users,
      databases,
      systemid,
      parameters: {
        wal_sender_timeout: duration(walSenderTimeout),
        max_wal_senders: String(connections),
        max_replication_slots: String(connections),
        ...parameters,
      },
      limits: { connections, message, loginTimeout, walSenderTimeout },
      mockNonce: randomBytes(32),
    },
    address: checkAddress(options),
  };
}

function checkUsers(users: ListenOptions["users"]): void {
  if (users === undefined || typeof users === "function") return;
  checkObject("options.users", users);
  for (const [user, secret] of Object.entries(users)) {
    if (typeof secret !== "string" || !isScramSecret(secret)) {
      // The value may be a password.
      throw new ArgumentError(
        `options.users.${user}`,
        `options.users.${user}: expected a secret as scramSecret makes it`,
      );
    }
  }
}

function checkAddress({ host, port, path, tls, users, insecure = false }: ListenOptions): ListenAddress {
  let secureContext: SecureContext | undefined;
  if (tls !== undefined) {
    checkObject("options.tls", tls);
    try {
      secureContext = createSecureContext(tls);
    } catch (error) {
      throw new ArgumentError("options.tls", `options.tls: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
  if (path !== undefined) {
    if (typeof path !== "string" || path === "" || path.includes("\0")) refuseArgument("options.path", "a path", path);
    if (host !== undefined || port !== undefined) refuseArgument("options.path", "undefined beside host or port", path);
    return { target: { path }, secureContext, requiresTls: false };
  }
  const address = host ?? "127.0.0.1";
  if (typeof address !== "string" || address === "") refuseArgument("options.host", "an address", address);
  checkWhole("options.port", port ?? 0, 0, 65_535);
  const isLocal = isLoopback(address);
  const isSafe = isLocal || insecure;
  if (!isSafe && (users === undefined || tls === undefined)) {
    throw new ArgumentError(
      "options.host",
      `options.host: ${address} can be reached from other machines: expected users and tls, or insecure: true`,
    );
  }
  return { target: { host: address, port: port ?? 0 }, secureContext, requiresTls: !isSafe };
}

/** Milliseconds as SHOW gives them. @source guc.c: convert_int_from_base_unit */
function duration(milliseconds: number): string {
  if (milliseconds === 0) return "0";
  for (const [unit, length] of [
    ["d", DAY],
    ["h", 3_600_000],
    ["min", 60_000],
    ["s", 1000],
  ] as const) {
    if (milliseconds % length === 0) return `${milliseconds / length}${unit}`;
  }
  return `${milliseconds}ms`;
}
