import { type CallOf, defineSubcommand } from "../shared/declare.ts";

export type ServeCall = CallOf<typeof serve>;

export const serve = defineSubcommand({
  name: "serve",
  summary: "Serve WAL from a directory to standbys and receivers",
  description: `\
Serves the WAL in a directory of segments while it grows, such as an archive or what receive-wal writes, to
standbys, pg_receivewal and walwire receive-wal, until Ctrl-C; then streams end once they have everything.
The version, the system identifier and the timelines are those of the WAL.
For example: walwire serve --wal /archive --listen 127.0.0.1:5433`,
  options: {
    wal: { type: "string", value: "DIRECTORY", help: "the directory of segments" },
    slots: {
      type: "string",
      value: "DIRECTORY",
      help: "keep replication slots there, in files as those of pg_replslot; else they are gone at the end",
      requires: ["wal"],
    },
    listen: {
      type: "string",
      value: "ADDRESS",
      default: "127.0.0.1:5433",
      help: "where to listen: HOST:PORT, PORT, or the path of a Unix socket",
    },
    users: {
      type: "string",
      value: "FILE",
      help: "who may log in: lines of ROLE:SECRET, with secrets as in pg_authid.rolpassword; else everybody",
    },
    "tls-cert": {
      type: "string",
      value: "FILE",
      help: "the certificate, and those that signed it",
      requires: ["tls-key"],
    },
    "tls-key": { type: "string", value: "FILE", help: "its private key", requires: ["tls-cert"] },
    "max-connections": {
      type: "integer",
      value: "N",
      min: 1,
      max: 1000,
      default: "10",
      help: "the most clients at a time, as of max_wal_senders",
    },
    insecure: { type: "boolean", help: "listen beyond this machine without --users and --tls-cert" },
  },
});
