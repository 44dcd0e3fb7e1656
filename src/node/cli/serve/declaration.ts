import { type CallOf, defineSubcommand, serverOption } from "../shared/declare.ts";

export type ServeCall = CallOf<typeof serve>;

export const serve = defineSubcommand({
  name: "serve",
  summary: "Serve WAL from a directory, or changes from a file",
  description: `\
Until Ctrl-C, serves one of two things while it grows: with --wal the WAL in a directory of segments, such as
an archive or what receive-wal writes, to standbys and pg_receivewal, with version, system identifier and
timelines of that WAL; with --publish the lines of a file, in the form of tail --jsonl, to subscriptions
and everything else that speaks logical replication. What has been published is published once, also across restarts.
For example: walwire serve --wal /archive --listen 127.0.0.1:5433
             walwire serve --publish changes.jsonl
then, in a database: CREATE SUBSCRIPTION s CONNECTION 'host=127.0.0.1 port=5433' PUBLICATION walwire`,
  options: {
    wal: { type: "string", value: "DIRECTORY", help: "the directory of segments", conflicts: ["publish"] },
    slots: {
      type: "string",
      value: "DIRECTORY",
      help: "keep replication slots there, in files as those of pg_replslot; else they are gone at the end",
      requires: ["wal"],
    },
    "base-backup": {
      type: "string",
      value: "DIRECTORY",
      help: "what pg_basebackup gets: a base backup in the plain format; else there is none",
      requires: ["wal"],
    },
    publish: { type: "string", value: "FILE", help: "the file of lines, to which other programs append" },
    state: {
      type: "string",
      value: "DIRECTORY",
      help: "keep slots there, and what subscribers have not confirmed; without it, FILE.publisher",
      requires: ["publish"],
    },
    publication: {
      type: "string",
      value: "NAME",
      default: "walwire",
      help: "the name of the publication, which has all tables",
    },
    "no-copy": {
      type: "boolean",
      help: "keep no rows in memory; create subscriptions with copy_data = false",
      requires: ["publish"],
    },
    server: { ...serverOption, help: "with --publish: the version to play, from 10 on", requires: ["publish"] },
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
