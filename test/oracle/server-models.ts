/** A live server as the peer of a model: histories run side by side, and what happens to the server happens to all of them. */
import { readFileSync } from "node:fs";
import { setTimeout as sleep } from "node:timers/promises";
import fc from "fast-check";
import {
  type ModelSession,
  type ServerCommand,
  type ServerEvent,
  ServerModel,
  type ServerPeer,
  serverCommands,
} from "../../src/arbitraries/index.ts";
import { type Lsn, parseLsn } from "../../src/kernel/lsn.ts";
import {
  type BackendMessage,
  decodeBackendMessage,
  encodeFrontendMessage,
  type FrontendMessage,
} from "../../src/session/messages.ts";
import { type OwnServer, type RawConnection, ServerError } from "../servers/index.ts";

/** The sessions of the histories: the last one is in another database. */
const sessions: readonly ModelSession[] = [
  { replication: "database", database: "postgres" },
  { replication: "true", database: "" },
  { replication: "false", database: "postgres" },
  { replication: "database", database: "models_other" },
];

/** Settings of a server for these histories. */
export const settings = {
  max_replication_slots: "400",
  max_wal_senders: "300",
  max_connections: "400",
  wal_sender_timeout: "0",
  checkpoint_timeout: "1d",
  bgwriter_delay: "10s",
  log_min_messages: "panic",
};

/** Milliseconds that an answer may take. */
const LIMIT = 20_000;

/** A history that has not ended. */
interface Running {
  readonly peer: ConnectionPeer;
  readonly model: ServerModel;
}

/** What can happen to a server of a major version. */
export function eventsOf(major: number): ServerEvent[] {
  const slots = [...(major < 13 ? [] : ["remove WAL" as const]), ...(major < 18 ? [] : ["idle timeout" as const])];
  return ["crash", "restart", "checkpoint", ...slots];
}

/** Histories of a server: `width` of them side by side. */
export class Histories {
  readonly #server: OwnServer;
  readonly #events: readonly ServerEvent[];
  #lsn: Lsn = 0n as Lsn;
  /** Connections that are as new, by the session's kind. */
  readonly #idle = new Map<string, RawConnection[]>();
  readonly #running = new Set<Running>();
  #waiting: {
    event: ServerEvent;
    resolve: (events: readonly ServerEvent[]) => void;
    reject: (error: Error) => void;
  }[] = [];

  constructor(server: OwnServer, events: readonly ServerEvent[]) {
    this.#server = server;
    this.#events = events;
  }

  async prepare(): Promise<void> {
    await this.#server.sql(`CREATE DATABASE models_other`);
    await this.#look();
  }

  /** The histories of one run. Some events happen in it, others do not: they are what takes time. */
  arbitrary(width: number): fc.Arbitrary<Iterable<ServerCommand>[]> {
    const { versionNum: server } = this.#server;
    return fc.subarray([...this.#events]).chain((events) => {
      const one = serverCommands({ server, sessions: sessions.length, events, maxCommands: 16 });
      return fc.array(one, { minLength: width, maxLength: width, size: "max" });
    });
  }

  /** Run them. @throws what the first that fails throws, when all have ended */
  async run(histories: readonly Iterable<ServerCommand>[]): Promise<void> {
    const all = histories.map((_, i) => this.#begin(`h${i}_`));
    const results = await Promise.allSettled(histories.map((commands, i) => this.#history(commands, all[i]!)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) {
      await this.#dropAll();
      throw failed.reason;
    }
  }

  #begin(prefix: string): Running {
    const peer = new ConnectionPeer({
      connect: (session) => this.#connect(session),
      position: () => this.#lsn,
      happen: (event) => this.#happen(event),
    });
    const running = { peer, model: new ServerModel({ server: this.#server.versionNum, sessions, prefix }) };
    this.#running.add(running);
    return running;
  }

  async #history(commands: Iterable<ServerCommand>, running: Running): Promise<void> {
    const { peer, model } = running;
    let failed = true;
    try {
      await fc.asyncModelRun(() => ({ model, real: peer }), commands);
      failed = false;
    } finally {
      // The model of a history that failed does not know which connections live.
      const ended = failed ? Promise.all(peer.open.map((each) => each?.close())) : this.#end(running);
      await ended.finally(() => this.#running.delete(running));
      await this.#happenIfAllWait();
    }
  }

  async #connect(session: ModelSession): Promise<RawConnection> {
    const kept = this.#idle.get(JSON.stringify(session))?.pop();
    if (kept !== undefined && !kept.ended) return kept;
    const { replication, database } = session;
    const parameters = {
      ...(database === "" ? {} : { database }),
      ...(replication === "false" ? {} : { replication }),
    };
    return this.#server.connect(parameters);
  }

  /** Make the connections of a history as new, or close them, and drop its slots. */
  async #end({ peer, model }: Running): Promise<void> {
    for (const [session, connection] of peer.open.entries()) {
      if (connection === undefined) continue;
      if (connection.ended || !model.isOpen(session) || model.isStreaming(session)) {
        await connection.close();
        continue;
      }
      await connection.query("ROLLBACK");
      await connection.query("nonsense"); // an error drops temporary slots
      const name = JSON.stringify(sessions[session]);
      this.#idle.set(name, [...(this.#idle.get(name) ?? []), connection]);
    }
    if (model.slots.every(({ temporary }) => temporary)) return;
    const ours = `substr(slot_name::text, 1, ${model.prefix.length}) = '${model.prefix}'`;
    await this.#server.sql(`SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE ${ours}`);
  }

  /** It happens when every history waits for something. */
  #happen(event: ServerEvent): Promise<readonly ServerEvent[]> {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ event, resolve, reject });
      void this.#happenIfAllWait();
    });
  }

  async #happenIfAllWait(): Promise<void> {
    if (this.#waiting.length === 0 || this.#waiting.length < this.#running.size) return;
    const waiting = this.#waiting;
    this.#waiting = [];
    const events = [...new Set(waiting.map(({ event }) => event))].sort();
    try {
      for (const event of events) await this.#make(event);
      await this.#look();
      for (const { resolve } of waiting) resolve(events);
    } catch (error) {
      for (const { reject } of waiting) reject(error as Error);
    }
  }

  async #make(event: ServerEvent): Promise<void> {
    const server = this.#server;
    switch (event) {
      case "checkpoint":
        await this.#checkpoint();
        return;
      case "crash": {
        const [victim, witness] = [await server.connect(), await server.connect()];
        process.kill(victim.processId!, "SIGKILL");
        // The postmaster has noticed when it has ended another one.
        await victim.close();
        await witness.until("nothing").catch(() => {});
        await this.#recovered();
        return;
      }
      case "restart": {
        const witness = await server.connect();
        const [postmaster] = readFileSync(`${server.dataDirectory}/postmaster.pid`, "utf8").split("\n");
        process.kill(Number(postmaster), "SIGINT");
        // A walsender waits until its client has all WAL, for which nothing here looks.
        for (const { peer, model } of this.#running) {
          for (const [session, connection] of peer.open.entries()) {
            if (connection !== undefined && model.isOpen(session) && model.isStreaming(session))
              await connection.close();
          }
        }
        await witness.until("nothing").catch(() => {});
        await this.#recovered();
        return;
      }
      case "remove WAL": {
        await this.#set("max_slot_wal_keep_size", "0");
        const { rows } = await server.sql("SELECT pg_current_wal_insert_lsn()");
        const old = `restart_lsn <= '${rows[0]![0]}' AND wal_status <> 'lost'`;
        do {
          await server.sql("SELECT pg_switch_wal()");
          await this.#checkpoint();
        } while ((await server.sql(`SELECT FROM pg_replication_slots WHERE ${old}`)).rows.length > 0);
        await this.#set("max_slot_wal_keep_size", "-1");
        return;
      }
      case "idle timeout": {
        await sleep(1010);
        await this.#set("idle_replication_slot_timeout", "1s");
        await this.#checkpoint();
        await this.#set("idle_replication_slot_timeout", "0");
        return;
      }
    }
  }

  /** Set a parameter. The next checkpoint knows it. */
  async #set(name: string, value: string): Promise<void> {
    await this.#server.sql(`ALTER SYSTEM SET ${name} = '${value}'`);
    await this.#server.sql("SELECT pg_reload_conf()");
    // The postmaster would say so in its own time.
    const { rows } = await this.#server.sql("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'");
    process.kill(Number(rows[0]![0]), "SIGHUP");
  }

  /**
   * Wait until the server is there again. A new connection says so: one that is kept, as by `sql`, may still answer when the postmaster
   * has ended others.
   */
  async #recovered(): Promise<void> {
    await this.#closeIdle();
    for (;;) {
      try {
        const connection = await this.#server.connect();
        await connection.query("SELECT 1");
        await connection.close();
        return;
      } catch {
        await sleep(5);
      }
    }
  }

  async #closeIdle(): Promise<void> {
    for (const kept of this.#idle.values()) for (const connection of kept) await connection.close();
    this.#idle.clear();
  }

  /**
   * PostgreSQL 16 may fail in it with "trying to drop stats entry already dropped" if a session that had a logical slot was just
   * terminated. Not in the next one.
   */
  async #checkpoint(): Promise<void> {
    try {
      await this.#server.sql("CHECKPOINT");
    } catch (error) {
      if (!(error instanceof ServerError) || error.fields.M !== "checkpoint request failed") throw error;
      await this.#server.sql("CHECKPOINT");
    }
  }

  async #look(): Promise<void> {
    const { rows } = await this.#server.sql("SELECT pg_current_wal_flush_lsn()");
    this.#lsn = parseLsn(rows[0]![0]!);
  }

  async #dropAll(): Promise<void> {
    await this.#closeIdle();
    await this.#server.sql(
      "SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots WHERE NOT active AND NOT temporary",
    );
  }
}

/** Where the sessions of a peer come from. */
interface PeerOptions {
  connect(session: ModelSession): Promise<RawConnection>;
  position(): Lsn;
  happen?: ServerPeer["happen"];
}

/** The sessions of one history, over connections. */
export class ConnectionPeer implements ServerPeer {
  readonly #options: PeerOptions;
  readonly happen: NonNullable<ServerPeer["happen"]>;
  /** Those that are open, by number. */
  readonly open: (RawConnection | undefined)[] = [];
  /** Messages that got an answer. */
  answered = 0;

  constructor(options: PeerOptions) {
    this.#options = options;
    this.happen = options.happen ?? (async () => []);
  }

  async connect(session: number, kind: ModelSession): Promise<readonly BackendMessage[]> {
    const connection = await this.#options.connect(kind);
    this.open[session] = connection;
    const { processId } = connection;
    return [
      { type: "BackendKeyData", processId, secretKey: new Uint8Array(4) },
      { type: "ReadyForQuery", status: "I" },
    ];
  }

  async talk(
    session: number,
    message: FrontendMessage | undefined,
    isLast: (message: BackendMessage) => boolean,
  ): Promise<readonly BackendMessage[]> {
    const connection = this.open[session]!;
    const messages: BackendMessage[] = [];
    const timer = setTimeout(() => void connection.close(), LIMIT);
    if (message !== undefined) connection.write(encodeFrontendMessage(message));
    try {
      for (;;) {
        const { type, body } = await connection.next();
        const got = decodeBackendMessage({ tag: type.charCodeAt(0), bytes: body });
        messages.push(got);
        if (!isLast(got)) continue;
        this.answered++;
        return messages;
      }
    } catch (error) {
      if (!connection.ended) throw error;
      this.open[session] = undefined;
      return messages;
    } finally {
      clearTimeout(timer);
    }
  }

  async close(session: number): Promise<void> {
    await this.open[session]!.close();
    this.open[session] = undefined;
  }

  async position(): Promise<Lsn> {
    return this.#options.position();
  }
}
