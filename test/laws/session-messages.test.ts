/** The messages around a stream: what is encoded is decoded, pg-protocol reads the same, and anything else is a typed error. */
import fc from "fast-check";
import { type DatabaseError, serialize } from "pg-protocol";
import type { NoticeMessage } from "pg-protocol/dist/messages.js";
import { Parser } from "pg-protocol/dist/parser.js";
import { describe, expect, test } from "vitest";
import { damaged } from "../../src/arbitraries/damage.ts";
import { backendMessage, frontendMessage, startupPacket } from "../../src/arbitraries/session.ts";
import { ArgumentError, DecodeError, EncodeError } from "../../src/kernel/errors.ts";
import {
  type BackendMessage,
  decodeBackendMessage,
  decodeFrontendMessage,
  decodeStartupPacket,
  encodeBackendMessage,
  encodeFrontendMessage,
  encodeStartupPacket,
  type FrontendMessage,
  type SessionFrame,
  type StartupPacket,
} from "../../src/session/messages.ts";
import { encodeFrame, Framer, framesOf } from "../../src/wire/framer.ts";
import { hex, toHex } from "../hex.ts";
import { law } from "./law.ts";

const frameOf = (bytes: Uint8Array): SessionFrame => {
  const [frame, ...rest] = framesOf(new Framer(), bytes);
  expect(rest).toEqual([]);
  return frame!;
};

/** What pg-protocol makes of a frame, with values and names as ours. */
function peer(bytes: Uint8Array): unknown {
  let message: Record<string, unknown> | undefined;
  new Parser().parse(Buffer.from(bytes), (each) => {
    message = each as unknown as Record<string, unknown>;
  });
  return message;
}

/** Our message as pg-protocol says it; undefined for what it drops or does not know. */
function asPeer(message: BackendMessage): object | undefined {
  switch (message.type) {
    case "ParameterStatus":
      return { name: "parameterStatus", parameterName: message.name, parameterValue: message.value };
    case "NotificationResponse":
      return {
        name: "notification",
        processId: message.processId | 0,
        channel: message.channel,
        payload: message.payload,
      };
    case "ReadyForQuery":
      return { name: "readyForQuery", status: message.status };
    case "CommandComplete":
      return { name: "commandComplete", text: message.tag };
    case "EmptyQueryResponse":
      return { name: "emptyQuery" };
    case "CopyDone":
      return { name: "copyDone" };
    case "CopyData":
      return { name: "copyData", chunk: Buffer.from(message.data) };
    case "CopyBothResponse":
      return { name: "replicationStart" };
    case "CopyInResponse":
    case "CopyOutResponse":
      return {
        name: message.type === "CopyInResponse" ? "copyInResponse" : "copyOutResponse",
        binary: message.format === "binary",
        columnTypes: message.columnFormats.map((each) => (each === "binary" ? 1 : 0)),
      };
    case "RowDescription":
      return {
        name: "rowDescription",
        fields: message.columns.map((column) => ({
          name: column.name,
          tableID: column.tableId,
          columnID: column.columnNumber,
          dataTypeID: column.typeId,
          dataTypeSize: column.typeSize,
          dataTypeModifier: column.typeModifier,
          format: column.format,
        })),
      };
    case "DataRow":
      return { name: "dataRow", fields: message.values };
    case "ErrorResponse":
    case "NoticeResponse": {
      const { S, C, M, D, H, P, p, q, W, s, t, c, d, n, F, L, R } = message.fields;
      const fields: Partial<Record<keyof DatabaseError | keyof NoticeMessage, string | undefined>> = {
        ...{ severity: S, code: C, message: M, detail: D, hint: H, position: P, internalPosition: p, internalQuery: q },
        ...{ where: W, schema: s, table: t, column: c, dataType: d, constraint: n, file: F, line: L, routine: R },
      };
      // An Error makes text of what it is given.
      if (message.type === "ErrorResponse") fields.message = M ?? "";
      return { name: message.type === "ErrorResponse" ? "error" : "notice", ...fields };
    }
    case "Authentication":
      if (message.method === "MD5Password")
        return { name: "authenticationMD5Password", salt: Buffer.from(message.data) };
      if (message.method === "SASL") return { name: "authenticationSASL", mechanisms: message.mechanisms };
      return { Ok: { name: "authenticationOk" }, CleartextPassword: { name: "authenticationCleartextPassword" } }[
        message.method as string
      ];
    default:
      return undefined;
  }
}

/** pg-protocol puts U+FFFD where bytes are not UTF-8; ours loses none of them. */
const isUtf8 = (message: BackendMessage): boolean => !/\\ud[89a-f]/.test(JSON.stringify(message));

describe("messages of a server", () => {
  law(
    "decoding gives back what was encoded",
    fc.property(backendMessage(), (message) => {
      const bytes = encodeBackendMessage(message);
      expect(decodeBackendMessage(frameOf(bytes))).toEqual(message);
      expect(toHex(encodeBackendMessage(decodeBackendMessage(frameOf(bytes))))).toBe(toHex(bytes));
    }),
    5000,
  );

  law(
    "pg-protocol reads the same",
    fc.property(backendMessage().filter(isUtf8), (message) => {
      const theirs = asPeer(message);
      if (theirs !== undefined) expect(peer(encodeBackendMessage(message))).toMatchObject(theirs);
    }),
    5000,
  );

  law(
    "any body of any tag is decoded, and encodes to the same bytes, or is a DecodeError",
    fc.property(
      fc.oneof(
        damaged(backendMessage().map(encodeBackendMessage)),
        fc
          .tuple(
            fc.constantFrom(..."RKvSANZTDCIEGHWdc?\0"),
            fc.oneof(
              fc.uint8Array({ maxLength: 40 }),
              fc.array(fc.constantFrom(0, 0, 1, 77, 255)).map((bytes) => Uint8Array.from(bytes)),
            ),
          )
          .map(([tag, body]) => encodeFrame(tag, body)),
      ),
      (bytes) => {
        const frame = { tag: bytes[0] ?? 0, bytes: bytes.subarray(5) };
        let message: BackendMessage;
        try {
          message = decodeBackendMessage(frame);
        } catch (error) {
          if (!(error instanceof DecodeError)) throw error;
          expect(error.offset).toBeLessThanOrEqual(frame.bytes.length);
          return;
        }
        // An object has its digits first.
        if ("fields" in message && /\d/.test(Object.keys(message.fields).join(""))) return;
        expect(toHex(encodeBackendMessage(message))).toBe(
          toHex(encodeFrame(String.fromCharCode(frame.tag), frame.bytes)),
        );
      },
    ),
    10_000,
  );

  test.each([
    ["E", "53 4552524f52 00", "an ErrorResponse without its end"],
    ["E", "4d 61 00 4d 62 00 00", "a field that comes twice"],
    ["D", "0001 00000005 61", "a value that is cut short"],
    ["D", "0001 fffffffe", "a negative length"],
    ["T", "0001 61", "a name without its end"],
    ["T", "0001 00 00000000 0000 00000000 0000 00000000 0002", "a format that there is not"],
    ["T", "0000 00", "a byte too many"],
    ["C", "53", "a tag without its end"],
    ["Z", "", "no status"],
    ["Z", "49 49", "a byte too many"],
    ["Z", "21", "a status that there is not"],
    ["R", "00000001", "a method that there is not"],
    ["R", "00000005 010203", "a salt that is too short"],
    ["R", "0000000a 41", "a mechanism without its end"],
    ["v", "00000000 ffffffff 00", "a count beyond the bytes"],
    ["W", "02 0000", "a format that there is not"],
    ["G", "00 0001 0005", "a column format that there is not"],
    ["c", "00", "a CopyDone with a body"],
    ["B", "", "a message of the extended protocol"],
  ])("%s [%s] is refused: %s", (tag, digits) => {
    expect(() => decodeBackendMessage({ tag: tag.charCodeAt(0), bytes: hex(digits) })).toThrow(DecodeError);
  });

  test("a Buffer gives plain arrays", () => {
    const message = decodeBackendMessage({ tag: 0x64, bytes: Buffer.from("abc") });
    expect(message.type === "CopyData" && message.data.constructor).toBe(Uint8Array);
  });
});

describe("messages of a client", () => {
  law(
    "decoding gives back what was encoded",
    fc.property(frontendMessage(), (message) => {
      const bytes = encodeFrontendMessage(message);
      expect(decodeFrontendMessage(frameOf(bytes))).toEqual(message);
    }),
  );

  law(
    "pg-protocol writes the same",
    fc.property(frontendMessage(), (message) => {
      const theirs = written(message);
      if (theirs !== undefined) expect(toHex(encodeFrontendMessage(message))).toBe(toHex(theirs));
    }),
  );

  law(
    "any body of any tag is decoded or a DecodeError",
    fc.property(fc.constantFrom(..."pQdcfHSXPBDECF?"), fc.uint8Array({ maxLength: 20 }), (tag, bytes) => {
      try {
        const message = decodeFrontendMessage({ tag: tag.charCodeAt(0), bytes });
        expect(toHex(encodeFrontendMessage(message))).toBe(toHex(encodeFrame(tag, bytes)));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }),
  );

  law(
    "startup packets too, and pg-protocol writes the same",
    fc.property(startupPacket(), (packet) => {
      const bytes = encodeStartupPacket(packet);
      expect(new DataView(bytes.buffer).getUint32(0)).toBe(bytes.length);
      expect(decodeStartupPacket(bytes.subarray(4))).toEqual(packet);
      if (packet.type === "SSLRequest") expect(toHex(bytes)).toBe(toHex(serialize.requestSsl()));
    }),
  );

  law(
    "any bytes are a startup packet or a DecodeError",
    fc.property(damaged(startupPacket().map((packet) => encodeStartupPacket(packet).subarray(4))), (bytes) => {
      try {
        expect(toHex(encodeStartupPacket(decodeStartupPacket(bytes)).subarray(4))).toBe(toHex(bytes));
      } catch (error) {
        if (!(error instanceof DecodeError)) throw error;
      }
    }),
  );

  test("a startup packet as pg-protocol writes it", () => {
    const theirs = serialize.startup({ user: "u", database: "d" });
    const parameters = [
      ["user", "u"],
      ["database", "d"],
      ["client_encoding", "UTF8"],
    ] as const;
    const packet = { type: "StartupMessage", protocolMajor: 3, protocolMinor: 0, parameters } as const;
    expect(toHex(encodeStartupPacket(packet))).toBe(toHex(theirs));
  });
});

/** The bytes that pg-protocol writes for a message, where it can. */
function written(message: FrontendMessage): Uint8Array | undefined {
  // Of bytes that are not UTF-8 it makes others.
  if (!isUtf8(message as unknown as BackendMessage)) return undefined;
  switch (message.type) {
    case "Query":
      return serialize.query(message.query);
    case "CopyData":
      return serialize.copyData(Buffer.from(message.data));
    case "CopyDone":
      return serialize.copyDone();
    case "CopyFail":
      return serialize.copyFail(message.message);
    case "Terminate":
      return serialize.end();
    case "Flush":
      return serialize.flush();
    case "Sync":
      return serialize.sync();
    case "PasswordMessage":
      return undefined;
  }
}

describe("what cannot be written", () => {
  const column = { name: "a", tableId: 0, columnNumber: 0, typeId: 0, typeSize: 0, typeModifier: 0, format: "text" };
  test.each<[unknown, string]>([
    [null, "BackendMessage"],
    [{}, "BackendMessage.type"],
    [{ type: "constructor" }, "BackendMessage.type"],
    [{ type: "ReadyForQuery", status: "!" }, "ReadyForQuery.status"],
    [{ type: "CommandComplete", tag: "a\0b" }, "CommandComplete.tag"],
    [{ type: "CommandComplete" }, "CommandComplete.tag"],
    [{ type: "DataRow" }, "DataRow.values"],
    [{ type: "DataRow", values: [1] }, "DataRow.values[0]"],
    [{ type: "DataRow", values: ["\ud800"] }, "DataRow.values[0]"],
    [{ type: "RowDescription", columns: [null] }, "RowDescription.columns[0]"],
    [{ type: "RowDescription", columns: [{ ...column, typeSize: 40_000 }] }, "RowDescription.columns[0].typeSize"],
    [{ type: "RowDescription", columns: [{ ...column, format: "json" }] }, "RowDescription.columns[0].format"],
    [{ type: "ErrorResponse" }, "ErrorResponse.fields"],
    [{ type: "ErrorResponse", fields: { code: "x" } }, "ErrorResponse.code"],
    [{ type: "ErrorResponse", fields: { "\0": "x" } }, "ErrorResponse.code"],
    [{ type: "ErrorResponse", fields: { M: "\0" } }, "ErrorResponse.M"],
    [{ type: "CopyData", data: "x" }, "CopyData.data"],
    [{ type: "CopyBothResponse", format: "text", columnFormats: [1] }, "CopyBothResponse.columnFormats[0]"],
    [{ type: "CopyBothResponse", columnFormats: [] }, "CopyBothResponse.format"],
    [{ type: "Authentication", method: "Magic", mechanisms: [], data: hex("") }, "Authentication.method"],
    [{ type: "Authentication", method: "Ok", mechanisms: ["x"], data: hex("") }, "Authentication.mechanisms"],
    [{ type: "Authentication", method: "Ok", mechanisms: [], data: hex("00") }, "Authentication.data"],
    [{ type: "Authentication", method: "MD5Password", mechanisms: [], data: hex("00") }, "Authentication.data"],
    [{ type: "Authentication", method: "SASL", mechanisms: [""], data: hex("") }, "Authentication.mechanisms[0]"],
  ])("%j is an EncodeError", (message, path) => {
    expect(() => encodeBackendMessage(message as BackendMessage)).toThrow(
      expect.objectContaining({ name: "EncodeError", path }),
    );
  });

  test("nor of a client's", () => {
    expect(() => encodeFrontendMessage({ type: "Parse" } as unknown as FrontendMessage)).toThrow(EncodeError);
    expect(() => encodeStartupPacket({ type: "x" } as unknown as StartupPacket)).toThrow(EncodeError);
    const nameless = { type: "StartupMessage", protocolMajor: 3, protocolMinor: 0, parameters: [["", "x"]] } as const;
    expect(() => encodeStartupPacket(nameless)).toThrow(EncodeError);
  });

  test.each([undefined, "abc", [1], new ArrayBuffer(2)])("%j are no bytes to decode", (bytes) => {
    const frame = { tag: 0x5a, bytes: bytes as unknown as Uint8Array };
    expect(() => decodeBackendMessage(frame)).toThrow(ArgumentError);
    expect(() => decodeFrontendMessage(frame)).toThrow(ArgumentError);
    expect(() => decodeStartupPacket(frame.bytes)).toThrow(ArgumentError);
  });
});
