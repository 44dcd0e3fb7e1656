/**
 * Vitest's globalSetup for tests against live servers: one server of every major for the whole run. Tests take them from live.ts.
 *
 * WALWIRE_MAJORS="12,18" starts only those.
 */
import type { TestProject } from "vitest/node";
import { majors, type OwnServer, type ServerAddress, startServer } from "./index.ts";
import { requireMajors } from "./locate.ts";

declare module "vitest" {
  interface ProvidedContext {
    /** Lowest major first. */
    servers: readonly ServerAddress[];
  }
}

export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const waiting = [...wantedMajors()];
  const servers: OwnServer[] = [];
  const stop = async () => {
    await Promise.all(servers.map((server) => server.stop()));
  };
  const startSome = async () => {
    for (let major = waiting.shift(); major !== undefined; major = waiting.shift()) {
      servers.push(await startServer({ major, settings: kept(major) }));
    }
  };
  try {
    const starting = await Promise.allSettled([startSome(), startSome()]); // two at once: initdb keeps a core busy
    for (const result of starting) if (result.status === "rejected") throw result.reason;
  } catch (error) {
    await stop();
    throw error;
  }
  servers.sort((a, b) => a.major - b.major);
  project.provide(
    "servers",
    servers.map(({ address }) => address),
  );
  const versions = servers.map(({ versionNum }) => `${Math.trunc(versionNum / 10000)}.${versionNum % 10000}`);
  console.log(`PostgreSQL ${versions.join(", ")} ${versions.length === 1 ? "is" : "are"} up.`);
  return stop;
}

/** 512 MB of WAL are kept: some tests stream without a slot while others switch segments and make checkpoints. */
function kept(major: number): Readonly<Record<string, string>> {
  return major < 13 ? { wal_keep_segments: "32" } : { wal_keep_size: "512MB" };
}

function wantedMajors(): readonly number[] {
  requireMajors();
  const wanted = process.env.WALWIRE_MAJORS;
  if (!wanted) return majors;
  const numbers = wanted.split(",").map(Number);
  const unknown = numbers.find((major) => !majors.includes(major));
  if (unknown !== undefined) {
    throw new Error(`WALWIRE_MAJORS is "${wanted}"; it must be a list such as "12,18" of ${majors.join(", ")}.`);
  }
  return [...new Set(numbers)];
}
