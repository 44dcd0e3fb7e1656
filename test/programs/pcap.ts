/** Capture files (pcap) of one TCP connection, written from what each side sent. */

/** Some bytes of a connection, and who sent them. */
export interface Sent {
  readonly from: "server" | "client";
  readonly bytes: Uint8Array;
}

const SERVER_PORT = 5432;
const CLIENT_PORT = 50000;
/** As on Ethernet. */
const SEGMENT = 1400;

/** A capture file in which a connection sends these bytes, in packets of at most 1400, each after all before it. */
export function pcapOf(sent: readonly Sent[]): Uint8Array {
  const header = Buffer.alloc(24);
  header.writeUInt32LE(0xa1b2c3d4, 0);
  header.writeUInt16LE(2, 4);
  header.writeUInt16LE(4, 6);
  header.writeUInt32LE(0x40000, 16);
  header.writeUInt32LE(101, 20); // raw IP
  const parts: Buffer[] = [header];
  const next = { server: 1, client: 1 };
  for (const { from, bytes } of sent) {
    for (let at = 0; at < bytes.length; at += SEGMENT) {
      const part = bytes.subarray(at, at + SEGMENT);
      parts.push(...packet(from, next, part));
      next[from] += part.length;
    }
  }
  return Buffer.concat(parts);
}

function packet(from: Sent["from"], next: Readonly<Record<Sent["from"], number>>, bytes: Uint8Array): Buffer[] {
  const ip = Buffer.alloc(20);
  ip[0] = 0x45;
  ip.writeUInt16BE(40 + bytes.length, 2);
  ip[8] = 64;
  ip[9] = 6;
  const [server, client] = [Buffer.from([127, 0, 0, 1]), Buffer.from([127, 0, 0, 2])];
  (from === "server" ? server : client).copy(ip, 12);
  (from === "server" ? client : server).copy(ip, 16);
  const tcp = Buffer.alloc(20);
  tcp.writeUInt16BE(from === "server" ? SERVER_PORT : CLIENT_PORT, 0);
  tcp.writeUInt16BE(from === "server" ? CLIENT_PORT : SERVER_PORT, 2);
  tcp.writeUInt32BE(next[from], 4);
  tcp.writeUInt32BE(next[from === "server" ? "client" : "server"], 8);
  tcp[12] = 0x50;
  tcp[13] = 0x18; // PSH, ACK
  tcp.writeUInt16BE(0xffff, 14);
  const head = Buffer.alloc(16);
  head.writeUInt32LE(40 + bytes.length, 8);
  head.writeUInt32LE(40 + bytes.length, 12);
  return [head, ip, tcp, Buffer.from(bytes)];
}
