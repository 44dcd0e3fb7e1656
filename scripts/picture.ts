/**
 * `npm run picture`: makes docs/tail.svg, the picture in the README: a part of the demo's output, in terminal colours.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { majors, startServer } from "@walwire/test-servers";
import { Conversation } from "../src/node/conversation.ts";
import { demo } from "./demo/demo.ts";

/** The headings at which the picture begins and ends. */
const from = "An update of the key";
const to = "A table with replica identity full";

/** Terminal codes of styles, as util.styleText writes them, and the SVG style of each. */
const styles: Readonly<Record<string, string>> = {
  "1": "font-weight:bold",
  "2": "fill-opacity:.55",
  "31": "fill:#ff7b72",
  "32": "fill:#7ee787",
  "33": "fill:#e3b341",
  "34": "fill:#79c0ff",
  "35": "fill:#d2a8ff",
  "36": "fill:#56d4dd",
};

const columns = 118;
const [width, height] = [7.8, 18];

function xml(text: string): string {
  return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}

/** A line with terminal codes as the spans of a <text>. */
function spans(line: string): string {
  let shown = 0;
  // Text, then codes and text alternately.
  return line
    .split(/\u001b\[(\d+)m/)
    .map((part, i, parts) => {
      if (i % 2 === 1) return "";
      const text = part.slice(0, columns - shown);
      shown += text.length;
      const style = i > 0 ? styles[parts[i - 1]!] : undefined;
      return style === undefined ? xml(text) : `<tspan style="${style}">${xml(text)}</tspan>`;
    })
    .join("");
}

let printed = "";
const server = await startServer({ major: Math.max(...majors) });
try {
  const { host, port, user, database } = server;
  const output = { write: (text: string) => (printed += text), hasColors: () => true };
  await demo({ server: { host, port, user, database }, conversation: new Conversation({ output }) });
} finally {
  await server.stop();
}

const lines = printed.split("\n");
const begin = lines.findIndex((line) => line.includes(from));
const end = lines.findIndex((line) => line.includes(to));
const part = lines.slice(begin, end - 1);
const rows = part.map((line, i) => `<text x="14" y="${24 + i * height}" xml:space="preserve">${spans(line)}</text>`);
const [w, h] = [columns * width + 28, part.length * height + 24];
mkdirSync("docs", { recursive: true });
writeFileSync(
  "docs/tail.svg",
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" font-family="ui-monospace,Menlo,Consolas,DejaVu Sans Mono,monospace" font-size="13" fill="#e6edf3">
<title>A part of what npm start prints</title>
<rect width="100%" height="100%" rx="8" fill="#0d1117"/>
${rows.join("\n")}
</svg>
`,
);
