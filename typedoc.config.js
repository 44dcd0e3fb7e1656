/**
 * `npm run docs:api`: the API reference of what package.json exports, written to docs/api. It fails if a public name has no sentence, if a public signature uses a type that is not exported beside it, or if a link leads nowhere.
 */
import { Comment, Converter } from "typedoc";
import manifest from "./package.json" with { type: "json" };

const files = Object.values(manifest.exports).filter((file) => file.endsWith(".js"));

/** @type {Partial<import("typedoc").TypeDocOptions>} */
export default {
  name: "walwire",
  entryPoints: files.map((file) => file.replace(/^\.\/dist\/(.*)\.js$/, "src/$1.ts")),
  out: "docs/api",
  readme: "none",
  disableSources: true,
  excludePrivate: true,
  excludeInternal: true,
  blockTags: ["@source", "@param", "@returns", "@throws", "@example", "@typeParam", "@deprecated"],
  sort: ["source-order"],
  plugin: [literals],
  // What these exported types are derived from: their expansions say it all. Others are for walwire itself.
  intentionallyNotExported: [
    ...["capabilities", "RowOf", "Occurs", "columns", "decoders", "authenticationMethods", "STREAMING_SINCE"],
    ...["WalCapabilities", "Described", "Now", "ChangeLog"],
  ],
  requiredToBeDocumented: ["Class", "Interface", "TypeAlias", "Function", "Variable", "Enum"],
  validation: { notExported: true, invalidLink: true, notDocumented: true, rewrittenLink: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};

/** A member whose type is one value needs no sentence: the value is the name of a kind in its union, or the sentence itself. */
function literals(app) {
  app.converter.on(Converter.EVENT_RESOLVE, (_context, reflection) => {
    if (reflection.type?.type !== "literal" || reflection.comment !== undefined) return;
    reflection.comment = new Comment([{ kind: "text", text: String(reflection.type.value) }]);
  });
}
