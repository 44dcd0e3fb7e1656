/**
 * PgoutputDecoder: pgoutput's messages with what they depend on from messages before them.
 *
 * A change names its relation by oid; what that relation looks like came in a Relation message earlier in the same
 * connection. Everything else about a message is in the message.
 */
import { ProtocolError } from "../errors.ts";
import { decodePgoutputMessage, type PgoutputMessage, type Relation, type Type } from "../generated/logical.ts";

export class PgoutputDecoder {
  readonly #relations = new Map<number, Relation>();
  readonly #types = new Map<number, Type>();

  /** The relations announced so far, by oid; each is the newest announcement. */
  get relations(): ReadonlyMap<number, Relation> {
    return this.#relations;
  }

  /** The types announced so far, by oid. */
  get types(): ReadonlyMap<number, Type> {
    return this.#types;
  }

  /**
   * Decode one message: the payload of an XLogData, or what pg_logical_slot_get_binary_changes gives.
   *
   * @param bytes One whole message. Values in the result are views into it.
   * @throws DecodeError for bytes that are no message of protocol version 1.
   * @throws ProtocolError for a change of a relation that was never announced.
   */
  decode(bytes: Uint8Array): PgoutputMessage {
    const message = decodePgoutputMessage(bytes);
    switch (message.type) {
      case "Relation":
        this.#relations.set(message.relationId, message);
        break;
      case "Type":
        this.#types.set(message.typeId, message);
        break;
      case "Insert":
      case "Update":
      case "Delete":
        this.relation(message.relationId);
        break;
      case "Truncate":
        for (const relationId of message.relationIds) this.relation(relationId);
        break;
      default:
    }
    return message;
  }

  /** The relation that a change names. @throws ProtocolError if it was never announced */
  relation(relationId: number): Relation {
    const relation = this.#relations.get(relationId);
    if (relation === undefined) {
      throw new ProtocolError(`a change names relation ${relationId}, which no Relation message has announced`);
    }
    return relation;
  }

  /** Forget everything, as a server does when a connection ends. */
  reset(): void {
    this.#relations.clear();
    this.#types.clear();
  }
}
