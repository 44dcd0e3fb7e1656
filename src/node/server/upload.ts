/** The pieces of a manifest that a client uploads. @source walsender.c: UploadManifest, HandleUploadManifestPacket */

import { errorOf, errorResponse, fatal } from "../../session/server/words.ts";
import { decodeText } from "../../wire/text.ts";
import { gone, type Link } from "./link.ts";

export async function* manifestPieces(link: Link): AsyncGenerator<Uint8Array, void, undefined> {
  link.say({ type: "CopyInResponse", format: "text", columnFormats: [] });
  for (;;) {
    const message = await link.peek();
    link.consume();
    if (message === undefined) throw gone;
    switch (message.isUnknown ? "" : String.fromCharCode(message.tag)) {
      case "d":
        yield message.body;
        break;
      case "c":
        return;
      case "H":
      case "S":
        break;
      case "f": {
        const end = message.body.indexOf(0);
        if (end < 0) throw errorOf("PROTOCOL_VIOLATION", "invalid string in message");
        throw errorOf("QUERY_CANCELED", `COPY from stdin failed: ${decodeText(message.body, 0, end)}`);
      }
      default: {
        const digits = message.tag.toString(16).toUpperCase().padStart(2, "0");
        link.say(
          errorResponse(errorOf("PROTOCOL_VIOLATION", `unexpected message type 0x${digits} during COPY from stdin`)),
        );
        throw fatal("PROTOCOL_VIOLATION", "terminating connection because protocol synchronization was lost");
      }
    }
  }
}
