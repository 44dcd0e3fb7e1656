/**
 * Puts the configuration of a standby among the members of the main archive: at the end of postgresql.auto.conf, with an empty
 * standby.signal; for servers before 12 into recovery.conf.
 *
 * Portions Copyright (c) 1996-2026, PostgreSQL Global Development Group
 *
 * @source astreamer_inject.c: astreamer_recovery_injector_content, astreamer_inject_file
 */
import { type TarMember, type TarVisitor, tarNumber } from "../verify-backup/tar.ts";
import { tarHeader } from "./tar-header.ts";

/** What is put in. */
export interface RecoveryConfig {
  /** The lines for postgresql.auto.conf or recovery.conf. */
  readonly contents: Uint8Array;
  /** Are they parameters, and is there a standby.signal? */
  readonly isInParameters: boolean;
  /** Permissions of files that are made. */
  readonly fileMode: number;
}

const AUTO_CONF = "postgresql.auto.conf";

export class RecoveryInjector implements TarVisitor {
  readonly #next: TarVisitor;
  readonly #config: RecoveryConfig;
  #state: "pass" | "skip" | "append" = "pass";
  #found = false;

  constructor(next: TarVisitor, config: RecoveryConfig) {
    this.#next = next;
    this.#config = config;
  }

  header(member: TarMember, block: Uint8Array): void {
    const { isInParameters, contents } = this.#config;
    const { path } = member;
    this.#state = "pass";
    if (path === (isInParameters ? "standby.signal" : "recovery.conf")) {
      this.#state = "skip";
    } else if (isInParameters && path === AUTO_CONF) {
      this.#state = "append";
      this.#found = true;
      const [uid, gid] = [tarNumber(block, 108, 8), tarNumber(block, 116, 8)];
      this.#begin({ ...member, size: member.size + BigInt(contents.length) }, uid, gid);
    } else {
      this.#next.header(member, block);
    }
  }

  contents(bytes: Uint8Array): void {
    if (this.#state !== "skip") this.#next.contents(bytes);
  }

  end(): void {
    if (this.#state === "skip") return;
    if (this.#state === "append") this.#next.contents(this.#config.contents);
    this.#next.end();
  }

  /** The archive has ended. */
  finish(): void {
    const { isInParameters, contents } = this.#config;
    if (!isInParameters) return this.#inject("recovery.conf", contents);
    if (!this.#found) this.#inject(AUTO_CONF, contents);
    this.#inject("standby.signal", new Uint8Array(0));
  }

  #inject(path: string, contents: Uint8Array): void {
    const { fileMode: mode } = this.#config;
    const member = { path, size: BigInt(contents.length), offset: 0, isFile: true, type: "0", mode, target: "" };
    // The owner that PostgreSQL writes for files that it puts into archives.
    this.#begin(member, 0o4000n, 0o2000n);
    if (contents.length > 0) this.#next.contents(contents);
    this.#next.end();
  }

  #begin(member: TarMember, uid: bigint, gid: bigint): void {
    const mtime = Math.floor(Date.now() / 1000);
    this.#next.header(member, tarHeader({ ...member, uid, gid, mtime }));
  }
}
