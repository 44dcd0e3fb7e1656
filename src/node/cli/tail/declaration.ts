import { type CallOf, defineSubcommand } from "../shared/declare.ts";

export type TailCall = CallOf<typeof tail>;

export const tail = defineSubcommand({
  name: "tail",
  summary: "Watch a logical replication stream",
  description: `\
Prints the messages of a logical replication stream until Ctrl-C. It creates only a temporary slot on
the server, which is gone when the connection ends.`,
  argument: { name: "URL", count: "one", help: "the server and database, such as postgres://user@host/database" },
  options: {
    publication: {
      type: "string",
      value: "NAME",
      many: true,
      help: "the publication to subscribe to, if there is more than one",
    },
    all: { type: "boolean", help: "print every message, even in long runs of the same kind" },
  },
});
