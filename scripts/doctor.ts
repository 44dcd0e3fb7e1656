/** The table of findings in docs/doctor.md, from the list of codes. */
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { doctorCodes } from "../src/node/doctor/codes.ts";

const PAGE = "docs/doctor.md";
const [BEGIN, END] = ["<!-- findings -->\n", "<!-- end -->"];

export function generatedDoctor(): [path: string, text: string] {
  const page = readFileSync(fileURLToPath(new URL(`../${PAGE}`, import.meta.url)), "utf8");
  const start = page.indexOf(BEGIN) + BEGIN.length;
  const end = page.indexOf(END, start);
  if (start < BEGIN.length || end < 0) throw new Error(`${PAGE} has no ${BEGIN.trim()} and ${END}`);
  const rows = Object.entries(doctorCodes).map(
    ([code, { severity, area, finding, advice }]) =>
      `| ${area} | \`${code}\` | ${severity} | ${finding} | ${advice} |\n`,
  );
  const table = `| about | code | severity | finding | what to do |\n|---|---|---|---|---|\n${rows.join("")}`;
  return [PAGE, page.slice(0, start) + table + page.slice(end)];
}
