/**
 * The built-in types, one row each: oid, oid of the array type, codec. These oids are the same in every server.
 *
 * @source pg_type.dat
 */

import { defaultServer, type Server } from "../kernel/version.ts";
import { arrayOf, vectorOf } from "./array.ts";
import { type Codec, opaque } from "./codec.ts";
import { float4, float8 } from "./float.ts";
import { bool, cid, int2, int4, int8, oid, oid8, pgLsnOf, xid, xid8 } from "./number.ts";
import { numeric } from "./numeric.ts";
import * as packed from "./packed.ts";
import { multirangeOf, rangeOf } from "./range.ts";
import { bytea, charOf, json, jsonb, jsonpath, named, textCodec } from "./text.ts";
import { date, interval, time, timestamp, timestamptz, timetz } from "./time.ts";

type Row = readonly [oid: number, arrayOid: number, codec: Codec];

/** A function, not a constant, so that bundles that do not use it leave the table out. */
export function builtinTypes(server: Server = defaultServer): readonly Row[] {
  return [
    [16, 1000, bool],
    [17, 1001, bytea],
    [18, 1002, charOf(server)],
    [19, 1003, textCodec("name")],
    [20, 1016, int8],
    [21, 1005, int2],
    [22, 1006, vectorOf("int2vector", int2, 21)],
    [23, 1007, int4],
    // The text format is the object's name, the binary format its oid.
    [24, 1008, named("regproc", oid)],
    [25, 1009, textCodec("text")],
    [26, 1028, oid],
    [27, 1010, packed.tid],
    [28, 1011, xid],
    [29, 1012, cid],
    [30, 1013, vectorOf("oidvector", oid, 26)],
    [114, 199, json],
    [142, 143, textCodec("xml")],
    [600, 1017, packed.point],
    [601, 1018, packed.lseg],
    [602, 1019, packed.path],
    [603, 1020, packed.box],
    [604, 1027, packed.polygon],
    [628, 629, packed.line],
    [650, 651, packed.cidr],
    [700, 1021, float4],
    [701, 1022, float8],
    [718, 719, packed.circle],
    [774, 775, packed.macaddr8],
    // The text format depends on lc_monetary; the binary format counts the smallest unit of the currency.
    [790, 791, named("money", int8)],
    [829, 1040, packed.macaddr],
    [869, 1041, packed.inet],
    [1033, 1034, opaque("aclitem")],
    [1042, 1014, textCodec("bpchar")],
    [1043, 1015, textCodec("varchar")],
    [1082, 1182, date],
    [1083, 1183, time],
    [1114, 1115, timestamp],
    [1184, 1185, timestamptz],
    [1186, 1187, interval],
    [1266, 1270, timetz],
    [1560, 1561, packed.bit],
    [1562, 1563, packed.varbit],
    [1700, 1231, numeric],
    [1790, 2201, textCodec("refcursor")],
    [2202, 2207, named("regprocedure", oid)],
    [2203, 2208, named("regoper", oid)],
    [2204, 2209, named("regoperator", oid)],
    [2205, 2210, named("regclass", oid)],
    [2206, 2211, named("regtype", oid)],
    [2950, 2951, packed.uuid],
    [2970, 2949, packed.snapshot("txid_snapshot")],
    [3220, 3221, pgLsnOf(server)],
    [3614, 3643, packed.tsvector],
    [3615, 3645, opaque("tsquery")],
    [3734, 3735, named("regconfig", oid)],
    [3769, 3770, named("regdictionary", oid)],
    [3802, 3807, jsonb],
    [3904, 3905, rangeOf("int4range", int4)],
    [3906, 3907, rangeOf("numrange", numeric)],
    [3908, 3909, rangeOf("tsrange", timestamp)],
    [3910, 3911, rangeOf("tstzrange", timestamptz)],
    [3912, 3913, rangeOf("daterange", date)],
    [3926, 3927, rangeOf("int8range", int8)],
    [4072, 4073, jsonpath],
    [4089, 4090, named("regnamespace", oid)],
    [4096, 4097, named("regrole", oid)],
    [4191, 4192, named("regcollation", oid)],
    [4451, 6150, multirangeOf("int4multirange", int4)],
    [4532, 6151, multirangeOf("nummultirange", numeric)],
    [4533, 6152, multirangeOf("tsmultirange", timestamp)],
    [4534, 6153, multirangeOf("tstzmultirange", timestamptz)],
    [4535, 6155, multirangeOf("datemultirange", date)],
    [4536, 6157, multirangeOf("int8multirange", int8)],
    [5038, 5039, packed.snapshot("pg_snapshot")],
    [5069, 271, xid8],
    [6437, 6442, oid8],
    [6490, 6491, named("regdatabase", oid)],
  ];
}

/** The codecs of the built-in types and their arrays by oid, and the oids by name. */
export interface Builtins {
  readonly byOid: ReadonlyMap<number, Codec>;
  readonly oids: ReadonlyMap<string, number>;
}

function builtinsOf(server: Server): Builtins {
  const byOid = new Map<number, Codec>();
  for (const [oid, arrayOid, codec] of builtinTypes(server)) {
    byOid.set(oid, codec);
    byOid.set(arrayOid, arrayOf(`_${codec.name}`, codec, oid, codec === packed.box ? ";" : ","));
  }
  return { byOid, oids: new Map(Array.from(byOid, ([oid, { name }]) => [name, oid])) };
}

let ofDefault: Builtins | undefined;

/** The built-in types as this server version writes them. The table of the default version is made once. */
export function builtins(server: Server = defaultServer): Builtins {
  if (server !== defaultServer) return builtinsOf(server);
  ofDefault ??= builtinsOf(server);
  return ofDefault;
}
