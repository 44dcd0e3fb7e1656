/**
 * walwire/proxy: `startProxy`: between any client and server of PostgreSQL: decodes each message, encodes it again, and lets the caller
 * see, cut, delay or replace it.
 */
import { createServer } from "node:net";
import { createSecureContext, type SecureContext } from "node:tls";
import { ArgumentError, refuseArgument } from "../../kernel/errors.ts";
import { checkObject, checkOptions, checkType, checkWhole } from "../../kernel/options.ts";
import { MAX_ALLOC_SIZE } from "../../wire/check.ts";
import { isLoopback } from "../loopback.ts";
import { Listening } from "./listening.ts";
import type { Address, ProxyOptions, ReplicationProxy } from "./options.ts";

export type { Address, ProxyOptions, ReplicationProxy } from "./options.ts";
export type { ExtendedMessage, OnMessage, PassingMessage, Place, ProxyAction, Sender } from "./passing.ts";

/**
 * Start a proxy. Clients connect to its address in place of the server's, and log in to the server through it. Either side may be
 * encrypted; without `tls` and `serverTls` neither is.
 *
 * @throws ArgumentError for an invalid option, and for an address beyond loopback without `insecure`; errors of `listen`.
 * @example
 * const proxy = await startProxy({ to: { port: 5432 }, onMessage: ({ from, types }) => console.log(from, ...types) });
 * await proxy.close();
 */
export async function startProxy(options: ProxyOptions): Promise<ReplicationProxy> {
  checkOptions(options, [
    ...[
      "to",
      "listen",
      "reencode",
      "onMessage",
      "maxConnections",
      "maxLength",
      "startupTimeout",
      "insecure",
      "tls",
      "serverTls",
      "passThrough",
      "onError",
    ],
  ]);
  checkAddress("options.to", options.to, 1);
  const { listen = { host: "127.0.0.1", port: 0 } } = options;
  checkAddress("options.listen", listen, 0);
  for (const name of ["reencode", "insecure", "passThrough"] as const) {
    if (options[name] !== undefined) checkType(`options.${name}`, options[name], "boolean");
  }
  for (const name of ["maxConnections", "maxLength", "startupTimeout"] as const) {
    if (options[name] !== undefined)
      checkWhole(`options.${name}`, options[name], 1, name === "maxLength" ? MAX_ALLOC_SIZE : 2 ** 31 - 1);
  }
  for (const name of ["onMessage", "onError"] as const) checkType(`options.${name}`, options[name], "function");
  for (const name of ["tls", "serverTls"] as const) {
    if (options[name] !== undefined) checkObject(`options.${name}`, options[name]);
  }
  let secureContext: SecureContext | undefined;
  try {
    secureContext = options.tls === undefined ? undefined : createSecureContext(options.tls);
  } catch (error) {
    throw new ArgumentError("options.tls", `options.tls: ${(error as Error).message}`);
  }
  const at = "path" in listen ? { path: listen.path } : { port: listen.port, host: listen.host ?? "127.0.0.1" };
  const isOpen = at.host !== undefined && !isLoopback(at.host) && options.insecure !== true;
  if (isOpen && secureContext === undefined) {
    throw new ArgumentError(
      "options.listen",
      `without tls the proxy encrypts nothing: to listen on ${at.host}, beyond loopback, set insecure: true`,
    );
  }
  const listener = createServer({ allowHalfOpen: true, noDelay: true });
  await new Promise<void>((resolve, reject) => {
    listener.once("error", reject);
    listener.listen(at, () => {
      listener.off("error", reject);
      resolve();
    });
  });
  return new Listening(listener, options, { secureContext, requiresTls: isOpen });
}

function checkAddress(path: string, address: Address, least: number): void {
  if (typeof address !== "object" || address === null) refuseArgument(path, "{ host, port } or { path }", address);
  if ("path" in address) return checkType(`${path}.path`, address.path, "string");
  checkWhole(`${path}.port`, address.port, least, 65535);
  if (address.host !== undefined) checkType(`${path}.host`, address.host, "string");
}
