/** The options of test_decoding, the output plugin of PostgreSQL's tests. */
import type { StartReplicationCmd } from "../command/ast.ts";
import { parseBool } from "../command/check/defget.ts";
import { logicalCapabilities } from "../logical/capabilities.ts";
import { errorOf } from "../session/server/words.ts";
import { modelCapabilities } from "./capabilities.ts";

/** Those of a version. */
export function testDecodingOptions(server: number): readonly string[] {
  return [
    ...["include-xids", "include-timestamp", "force-binary", "skip-empty-xacts", "only-local"],
    ...(modelCapabilities.supports(server, "includeRewrites") ? ["include-rewrites"] : []),
    ...(logicalCapabilities.supports(server, "streamingOfTransactions") ? ["stream-changes"] : []),
  ];
}

/**
 * Refuse what the plugin refuses.
 *
 * @throws ServerError
 * @source test_decoding.c: pg_decode_startup
 */
export function checkTestDecoding({ options }: StartReplicationCmd, server: number): void {
  const known = testDecodingOptions(server);
  for (const { defname, arg } of options) {
    const value = arg?.type === "String" ? arg.sval : undefined;
    if (!known.includes(defname)) {
      throw errorOf("INVALID_PARAMETER_VALUE", `option "${defname}" = "${value ?? "(null)"}" is unknown`);
    }
    if (value !== undefined && parseBool(value) === undefined) {
      throw errorOf("INVALID_PARAMETER_VALUE", `could not parse value "${value}" for parameter "${defname}"`);
    }
  }
}
