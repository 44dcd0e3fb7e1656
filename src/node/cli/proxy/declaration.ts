import { type CallOf, defineSubcommand, linesOption } from "../shared/declare.ts";

export type ProxyCall = CallOf<typeof proxy>;

export const proxy = defineSubcommand({
  name: "proxy",
  summary: "Show, record and break what passes between a client and a server",
  description: `\
Listens, passes what clients say on to a server and the answers back, and prints a line for each message,
until Ctrl-C. Each message is decoded and encoded again; bytes that would change are reported. Either side
can be encrypted: what passes is decrypted in between, so nothing is hidden; passwords are not printed.
For example: walwire proxy --to 127.0.0.1:5432 --listen 127.0.0.1:6432. To close the connection in place of
the third row that the server sends, add: --at server:Insert:3 --do cut.`,
  options: {
    to: { type: "string", value: "ADDRESS", help: "the server: HOST:PORT, PORT, or the path of a Unix socket" },
    listen: {
      type: "string",
      value: "ADDRESS",
      default: "127.0.0.1:0",
      help: "where to listen, in the same form; port 0 is any that is free",
    },
    "tls-cert": {
      type: "string",
      value: "FILE",
      help: "offer TLS to clients with this certificate, and those that signed it",
      requires: ["tls-key"],
    },
    "tls-key": { type: "string", value: "FILE", help: "its private key", requires: ["tls-cert"] },
    sslmode: {
      type: "choice",
      choices: ["disable", "require", "verify-ca", "verify-full"],
      help: "speak TLS with the server, and check its certificate as libpq does",
    },
    sslrootcert: {
      type: "string",
      value: "FILE",
      help: "certificates of the authorities that may have signed the server's; else those of the system",
      requires: ["sslmode"],
    },
    "pass-through": {
      type: "boolean",
      help: "pass on unread what is not a message, instead of closing the connection",
    },
    raw: { type: "boolean", help: "pass the bytes that came, instead of encoding each message again" },
    record: {
      type: "string",
      value: "DIRECTORY",
      help: "write what CopyData holds into an empty directory, a file for each copy and side, which walwire decode reads, but for those that end in .raw",
    },
    at: {
      type: "string",
      value: "FROM:TYPE[:N]",
      help: "the message to act on: from client or server, its type such as Query or Insert, and which one of those",
      requires: ["do"],
    },
    do: {
      type: "string",
      value: "ACTION",
      help: "what to do with it: cut, stall, drop, delay=MILLISECONDS, or cut=BYTES and stall=BYTES after part of it",
      requires: ["at"],
    },
    insecure: {
      type: "boolean",
      help: "listen beyond this machine for clients without TLS, whose data others can read",
    },
    quiet: { type: "boolean", short: "q", help: "print no messages, only what is wrong", conflicts: ["jsonl"] },
    jsonl: linesOption,
  },
});
