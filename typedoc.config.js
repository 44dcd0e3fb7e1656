/**
 * `npm run docs:api`: the API reference of what package.json exports, written to docs/api. It fails if a public name or a member of it has no sentence, if a public signature uses a type that is not exported beside it, or if a link leads nowhere.
 */
import { Comment, Converter } from "typedoc";
import ts from "typescript";
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
    ...["WalCapabilities", "Described", "Now", "Shape"],
  ],
  validation: { notExported: true, invalidLink: true, notDocumented: true, rewrittenLink: true },
  treatWarningsAsErrors: true,
  treatValidationWarningsAsErrors: true,
};

/**
 * Members that say what they are without a comment: one whose type is a value, such as the name of a kind in its union; and one of a
 * constant that holds a sentence, such as the `doc` of a result set and of each of its columns.
 */
function literals(app) {
  app.converter.on(Converter.EVENT_RESOLVE, (context, reflection) => {
    if (reflection.comment !== undefined) return;
    const [declaration] = context.getSymbolFromReflection(reflection)?.declarations ?? [];
    const text = valuesOf(reflection) ?? sentenceOf(declaration);
    if (text !== undefined) reflection.comment = new Comment([{ kind: "text", text }]);
  });
}

/** The one value of a member, or the kinds that a `type` can be. */
function valuesOf({ name, type }) {
  const values = name === "type" && type?.type === "union" ? type.types : [type];
  const isValue = (each) => each?.type === "literal" || (each?.type === "intrinsic" && each.name === "undefined");
  return values.every(isValue) ? values.map((each) => String(each.value)).join(", ") : undefined;
}

/** The first sentence in the value of a member of a constant. */
function sentenceOf(node) {
  if (node === undefined || !ts.isPropertyAssignment(node)) return undefined;
  const search = (each) =>
    ts.isStringLiteralLike(each) && each.text.includes(" ") ? each.text : ts.forEachChild(each, search);
  return search(node.initializer);
}
