/** What test files of the "live" project use: the servers that vitest-setup.ts has started for the run. */
import { inject } from "vitest";
import { seed, times } from "../seed.ts";
import { attach, type Server } from "./index.ts";
import type {} from "./vitest-setup.ts"; // it declares what inject() gives

/** The majors that are up: all of this platform's, or those that WALWIRE_MAJORS names. */
export const liveMajors: readonly number[] = inject("servers").map(({ major }) => major);

/**
 * Those of them that long tests take: with servers of their own, each of which takes seconds, or with much that is random. With
 * WALWIRE_RUNS below 1, as CI has it, these are the oldest, the newest, and one that the seed chooses.
 */
export const longTestMajors: readonly number[] = times < 1 ? someOf(liveMajors) : liveMajors;

function someOf(all: readonly number[]): readonly number[] {
  const between = all.slice(1, -1);
  const chosen = [all[0], between[seed % between.length], all.at(-1)];
  return all.filter((major) => chosen.includes(major));
}

/** The run's server of a major. It is everybody's: make databases, slots and publications under names of your own. */
export function liveServer(major: number): Server {
  const address = inject("servers").find((server) => server.major === major);
  if (address === undefined) throw new Error(`No PostgreSQL ${major} is up, only ${liveMajors.join(", ")}.`);
  return attach(address);
}
