/** Logins that a server rejects: the server's words, and advice that fits the cause. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { majors, type OwnServer, type RawConnection, startServer } from "../servers/index.ts";
import { runWalwire } from "../walwire.ts";

/** The oldest has the old words, the newest the new ones. */
describe.each([majors[0]!, majors.at(-1)!])("PostgreSQL %i", (major) => {
  let server: OwnServer;
  const connections: RawConnection[] = [];

  beforeAll(async () => {
    const limits = { max_connections: "12", superuser_reserved_connections: "2", max_replication_slots: "1" };
    const password = { password_encryption: "scram-sha-256" };
    server = await startServer({ major, settings: { ...limits, ...password, max_wal_senders: "1" } });
    for (const role of [
      ...["secret LOGIN PASSWORD 'x'", "other_name LOGIN", "guest LOGIN", "rejected LOGIN", "unlisted LOGIN"],
      ...["no_login", "limited LOGIN CONNECTION LIMIT 0"],
    ]) {
      await server.sql(`CREATE ROLE ${role}`);
    }
    for (const text of [
      "CREATE PUBLICATION p FOR ALL TABLES",
      "CREATE DATABASE full_up CONNECTION LIMIT 0",
      "CREATE DATABASE closed",
      "REVOKE CONNECT ON DATABASE closed FROM public",
    ]) {
      await server.sql(text);
    }
    const rules = [
      ...["local all secret scram-sha-256", "local all other_name peer", "local all rejected reject"],
      ...["local all guest,no_login,limited,missing,postgres trust", "local replication postgres trust"],
    ];
    writeFileSync(join(server.dataDirectory, "pg_hba.conf"), `${rules.join("\n")}\n`);
    await server.sql("SELECT pg_reload_conf()");
    // The postmaster has read it once this user is rejected.
    await vi.waitFor(() => expect(server.connect({ user: "unlisted" })).rejects.toThrow("28000"), 10_000);
  }, 60_000);

  afterAll(async () => {
    for (const connection of connections) await connection.close().catch(() => {});
    await server?.stop();
  });

  async function said(command: readonly string[], user: string, database = "postgres"): Promise<string> {
    const url = `postgres://${user}@/${database}?host=${encodeURIComponent(server.host)}&port=${server.port}`;
    const { status, stderr } = await runWalwire([...command, url]);
    expect([status, stderr]).toEqual([3, expect.stringMatching(/^walwire: the server .*[^.]\n$/)]);
    return stderr;
  }

  const sync = ["sync", "check", "--from"];
  const closed = "User does not have CONNECT privilege. GRANT CONNECT ON DATABASE name TO role allows it";
  const peer = "the operating system's user needs the role's name, or a line in pg_ident.conf";
  test.each([
    ["missing", "postgres", 'role "missing" does not exist. Is the user in the URL right?'],
    ["no_login", "postgres", 'role "no_login" is not permitted to log in. ALTER ROLE name LOGIN allows it'],
    ["unlisted", "postgres", ". pg_hba.conf needs a line for this host, user, database and encryption"],
    ["rejected", "postgres", ". The first matching line of pg_hba.conf says reject"],
    [
      "other_name",
      "postgres",
      `Peer authentication failed for user "other_name". pg_hba.conf says peer or ident: ${peer}`,
    ],
    ["secret:wrong", "postgres", 'authentication failed for user "secret". Are the user and the password right,'],
    ["secret", "postgres", "the server asks for a password: set PGPASSWORD, or write postgres://user:password@"],
    ["guest", "missing", 'database "missing" does not exist. Is the database in the URL right?'],
    ["guest", "closed", `permission denied for database "closed". ${closed}`],
    [
      "limited",
      "postgres",
      'too many connections for role "limited". ALTER ROLE name CONNECTION LIMIT raises the limit',
    ],
    ["guest", "full_up", 'for database "full_up". ALTER DATABASE name CONNECTION LIMIT raises the limit'],
  ])("%s to %s: %s", async (user, database, expected) => {
    expect(await said(sync, user, database)).toContain(expected);
  });

  test("what advice says works", async () => {
    const status = async (user: string, database = "postgres") => {
      const url = `postgres://${user}@/${database}?host=${encodeURIComponent(server.host)}&port=${server.port}`;
      return (await runWalwire([...sync, url])).status;
    };
    await server.sql("ALTER ROLE no_login LOGIN");
    await server.sql("ALTER ROLE limited CONNECTION LIMIT 1");
    await server.sql("GRANT CONNECT ON DATABASE closed TO guest");
    await server.sql("ALTER DATABASE full_up CONNECTION LIMIT 1");
    expect(await status("no_login")).toBe(0);
    expect(await status("limited")).toBe(0);
    expect(await status("secret:x")).toBe(0);
    expect(await status("guest", "closed")).toBe(0);
    expect(await status("guest", "full_up")).toBe(0);
  });

  test("tail needs REPLICATION, a walsender and a slot", async () => {
    expect(await said(["tail"], "guest")).toMatch(/(process|walsender)\. ALTER ROLE name REPLICATION allows it\n$/);
    const walsender = await server.connect({ replication: "true" });
    expect(await said(["tail"], "postgres")).toMatch(/max_wal_senders"? \(currently 1\)\n$/);
    await walsender.close();
    await server.sql("SELECT pg_create_physical_replication_slot('only')");
    await expect
      .poll(() => said(["tail"], "postgres"))
      .toMatch(/all replication slots are in use\. Free one or increase "?max_replication_slots"?\n$/);
  });

  test("max_connections is reached, but for the reserved ones, and altogether", async () => {
    const open = async (user: string) => {
      for (let i = 0; i < 12; i++) {
        const connection = await server.connect({ user }).catch(() => undefined);
        if (connection === undefined) return;
        connections.push(connection);
      }
    };
    await open("guest");
    expect(await said(sync, "guest")).toMatch(/slots are reserved for .*\. max_connections is reached\n$/);
    await open("postgres");
    expect(await said(sync, "postgres")).toContain("sorry, too many clients already. max_connections is reached\n");
  });
});
