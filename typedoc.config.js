/**
 * `npm run docs:api`: the API reference of what package.json exports, written to docs/api. It fails if a public name or member has no
 * sentence, if a public signature uses a type that is not exported beside it, or if a link leads nowhere.
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
  disableGit: true,
  sourceLinkTemplate: "",
  excludePrivate: true,
  excludeInternal: true,
  blockTags: ["@source", "@param", "@returns", "@throws", "@example", "@typeParam", "@deprecated"],
  sort: ["source-order"],
  plugin: [literals],
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
