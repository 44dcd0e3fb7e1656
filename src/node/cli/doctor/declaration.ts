import { type CallOf, defineSubcommand, jsonOption } from "../shared/declare.ts";

export type DoctorCall = CallOf<typeof doctor>;

export const doctor = defineSubcommand({
  name: "doctor",
  summary: "Check whether a server is ready for replication",
  description: `\
Says what is wrong with replication on a running server, or soon will be, and what to run. It reads
settings and views, and changes nothing. Example: walwire doctor postgres://me@host/database`,
  argument: { name: "URL", count: "one", help: "the server and database, such as postgres://user@host/database" },
  options: {
    publication: { type: "string", value: "NAME", many: true, help: "check this publication only; it must exist" },
    slot: { type: "string", value: "NAME", many: true, help: "this slot must exist" },
    strict: { type: "boolean", help: "treat warnings as errors" },
    json: jsonOption,
  },
});
