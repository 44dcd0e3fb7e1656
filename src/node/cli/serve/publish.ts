/** `walwire serve --publish`: a file of changes as a publication. */
import { setTimeout as sleep } from "node:timers/promises";
import { ArgumentError } from "../../../kernel/errors.ts";
import { DirectoryStore, Publisher, publisherHandlers } from "../../publisher/index.ts";
import { UsageError } from "../shared/usage.ts";
import type { ServeCall } from "./declaration.ts";
import { PublishedFile } from "./published-file.ts";
import { markOf, PublishedLines } from "./published-lines.ts";
import type { Source } from "./source.ts";

/** Milliseconds between two looks whether the file has grown. */
const INTERVAL = 100;

/** Publish what the file has, and go on with what comes. */
export async function publishSource(path: string, options: ServeCall["options"]): Promise<Source> {
  const { state = `${path}.publisher`, publication, noCopy, server } = options;
  const store = new DirectoryStore(state);
  const publisher = await Publisher.open({ store, keepRows: !noCopy }).catch((error: unknown) => {
    if (!(error instanceof ArgumentError)) throw error;
    throw new UsageError(`--state: ${state} was used with --no-copy: add it, or choose another directory`);
  });
  let file: PublishedFile | undefined;
  try {
    publisher.publication(publication, { tables: "all" });
    file = await PublishedFile.open(path, markOf(publisher));
    const lines = new PublishedLines(publisher);
    const publishAll = async (from: PublishedFile): Promise<void> => {
      for (let next = await from.next(); next.length > 0; next = await from.next()) await lines.publish(next);
    };
    await publishAll(file);
    const ending = new AbortController();
    const following = follow(() => publishAll(file!), ending.signal);
    // It may end before anyone waits for it.
    following.catch(() => {});
    const { tables } = publisher;
    return {
      server,
      systemid: publisher.systemid,
      handlers: publisherHandlers(publisher),
      says: `publication ${publication}: ${tables.length} ${tables.length === 1 ? "table" : "tables"}, ${file.lines} lines of ${path}, state in ${state}`,
      contents: "changes",
      ended: following,
      async close() {
        ending.abort();
        await following.catch(() => {});
        await file!.close();
        await publisher.close();
      },
    };
  } catch (error) {
    await file?.close();
    await publisher.close();
    throw error;
  }
}

/** Publish whenever the file may have grown, until `signal` is aborted. */
async function follow(publish: () => Promise<void>, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await publish();
    await sleep(INTERVAL, undefined, { signal }).catch(() => {});
  }
}
