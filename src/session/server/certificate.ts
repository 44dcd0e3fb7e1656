/**
 * Which hash the signature of a certificate uses: what channel binding hashes the certificate by.
 *
 * @source be-secure-openssl.c: be_tls_get_certificate_hash; RFC 5929, section 4.1
 */

/** The contents of object identifiers in hexadecimal digits, and the hashes by their names in OpenSSL. */
const RSA = "2a864886f70d0101";
const RSA_PSS = `${RSA}0a`;
const ECDSA = "2a8648ce3d0403";
const signatures: Readonly<Record<string, string>> = {
  [`${RSA}04`]: "md5",
  [`${RSA}05`]: "sha1",
  [`${RSA}0b`]: "sha256",
  [`${RSA}0c`]: "sha384",
  [`${RSA}0d`]: "sha512",
  [`${RSA}0e`]: "sha224",
  "2a8648ce3d0401": "sha1",
  [`${ECDSA}01`]: "sha224",
  [`${ECDSA}02`]: "sha256",
  [`${ECDSA}03`]: "sha384",
  [`${ECDSA}04`]: "sha512",
  "2a8648ce380403": "sha1",
};
const hashes: Readonly<Record<string, string>> = {
  "2b0e03021a": "sha1",
  "608648016503040201": "sha256",
  "608648016503040202": "sha384",
  "608648016503040203": "sha512",
  "608648016503040204": "sha224",
};

/** A value in DER. */
interface Element {
  readonly tag: number;
  readonly contents: Uint8Array;
  /** What follows it. */
  readonly rest: Uint8Array;
}

/**
 * The hash for channel binding.
 *
 * @param certificate In DER.
 * @returns its name, such as "sha256"; undefined for a signature without one that is known, such as Ed25519.
 */
export function certificateHashName(certificate: Uint8Array): string | undefined {
  const outer = element(certificate);
  const signed = outer && element(outer.contents);
  const algorithm = signed && element(signed.rest);
  const id = algorithm && element(algorithm.contents);
  if (id === undefined || id.tag !== 0x06) return undefined;
  const name = hexOf(id.contents);
  const hash = name === RSA_PSS ? hashOfPss(id.rest) : signatures[name];
  return hash === "md5" || hash === "sha1" ? "sha256" : hash;
}

/** RSASSA-PSS has the hash among its parameters; SHA-1 is the default. @source RFC 4055, section 3.1 */
function hashOfPss(parameters: Uint8Array): string | undefined {
  const list = element(parameters);
  const first = list && element(list.contents);
  if (first?.tag !== 0xa0) return "sha1";
  const algorithm = element(first.contents);
  const id = algorithm && element(algorithm.contents);
  return id && hashes[hexOf(id.contents)];
}

/** The value at the start of bytes; undefined if they do not hold one. */
function element(bytes: Uint8Array): Element | undefined {
  const [tag, first] = bytes;
  if (tag === undefined || first === undefined) return undefined;
  let [length, at] = [first, 2];
  if (first >= 0x80) {
    const count = first - 0x80;
    if (count === 0 || count > 3 || bytes.length < at + count) return undefined;
    length = 0;
    for (; at < 2 + count; at++) length = length * 256 + bytes[at]!;
  }
  const end = at + length;
  if (end > bytes.length) return undefined;
  return { tag, contents: bytes.subarray(at, end), rest: bytes.subarray(end) };
}

function hexOf(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
