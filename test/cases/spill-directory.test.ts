/** SpillDirectory: chunks come back, room in the file is used again, and no process leaves rows behind. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { ArgumentError } from "../../src/kernel/errors.ts";
import { SpillDirectory } from "../../src/node/spill-directory.ts";

function folder(): string {
  const path = mkdtempSync(join(tmpdir(), "spill-test-"));
  onTestFinished(() => rmSync(path, { recursive: true, force: true }));
  return path;
}

test("chunks come back as they were given, in whatever order they come and go", async () => {
  const parent = folder();
  const step = fc.record({ key: fc.nat(5), length: fc.nat(3000), deletes: fc.boolean() });
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40 }), async (steps) => {
      const spill = await SpillDirectory.create(parent);
      const kept = new Map<string, Uint8Array>();
      for (const [i, { key, length, deletes }] of steps.entries()) {
        const name = String(key);
        if (deletes) {
          await spill.delete(name);
          kept.delete(name);
        } else {
          const chunk = new Uint8Array(length).fill(i + 1);
          await spill.set(name, chunk);
          kept.set(name, chunk);
        }
        for (const [each, chunk] of kept) expect(await spill.get(each)).toEqual(chunk);
        expect(spill.size).toBe([...kept.values()].reduce((sum, { length: bytes }) => sum + bytes, 0));
      }
      expect(await spill.get("no such key")).toBeUndefined();
      await spill.close();
      await spill.close();
    }),
    { numRuns: 30 },
  );
  expect(readdirSync(parent)).toEqual([]);
});

test("a chunk that is kept while the last other one is deleted comes back", async () => {
  const chunk = (n: number) => new Uint8Array(65536).fill(n);
  for (let i = 0; i < 20; i++) {
    const spill = await SpillDirectory.create(folder());
    await spill.set("a", chunk(1));
    const before =
      i % 2 === 0 ? [spill.delete("a"), spill.set("b", chunk(2))] : [spill.set("b", chunk(2)), spill.delete("a")];
    await Promise.all(before);
    await spill.set("c", chunk(3));
    expect(Buffer.compare((await spill.get("b"))!, chunk(2))).toBe(0);
    await spill.close();
  }
});

test("a process that is killed leaves nothing behind", async () => {
  const parent = folder();
  const module = fileURLToPath(new URL("../../src/node/spill-directory.ts", import.meta.url));
  const program = `
    import { SpillDirectory } from ${JSON.stringify(module)};
    const spill = await SpillDirectory.create(${JSON.stringify(parent)});
    await spill.set("1", new TextEncoder().encode("a row"));
    console.log(new TextDecoder().decode(await spill.get("1")));
    setInterval(() => {}, 1000);
  `;
  const child = spawn(process.execPath, ["--import", "tsx", "--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const [said] = await once(child.stdout, "data");
  expect(String(said).trim()).toBe("a row");
  child.kill("SIGKILL");
  await once(child, "exit");
  expect(readdirSync(parent)).toEqual([]);
}, 30_000);

test("removes directories of dead processes only", async () => {
  const parent = folder();
  const dead = spawn(process.execPath, ["-e", ""]);
  await once(dead, "exit");
  const old = new Date(Date.now() - 3_600_000);
  const names = {
    dead: `walwire-spill-${dead.pid}-old`,
    deadAndYoung: `walwire-spill-${dead.pid}-young`,
    alive: `walwire-spill-${process.pid}-old`,
    other: "walwire-spilled-beans",
  };
  for (const [which, name] of Object.entries(names)) {
    mkdirSync(join(parent, name));
    writeFileSync(join(parent, name, "chunks"), "rows");
    if (which !== "deadAndYoung") utimesSync(join(parent, name), old, old);
  }
  const spill = await SpillDirectory.create(parent);
  await spill.close();
  expect(readdirSync(parent).sort()).toEqual([names.deadAndYoung, names.alive, names.other].sort());
});

test("what is no path and no chunk is rejected", async () => {
  await expect(SpillDirectory.create(5 as never)).rejects.toThrow(ArgumentError);
  await expect(SpillDirectory.create("/no/such/directory")).rejects.toMatchObject({ code: "ENOENT" });
  const spill = await SpillDirectory.create(folder());
  await expect(spill.set("1", "text" as never)).rejects.toThrow(ArgumentError);
  await spill.close();
});
