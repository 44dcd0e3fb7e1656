/** The replication commands: text to a Command and back, for each version of the server. */
export type * from "./ast.ts";
export * from "./check.ts";
export { type CommandLocations, locateCommand } from "./locate.ts";
export { type Notice, type ParseCommandOptions, parseCommand } from "./parse.ts";
export { type PrintCommandOptions, printCommand } from "./print.ts";
