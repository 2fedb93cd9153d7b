// In one go, at once and with a callback, and as streams: what comes back, what options do, and what is said of wrong ones and wrong data.
import zlib, { brotliCompressSync, brotliDecompressSync, constants, crc32, deflateRawSync, deflateSync, gunzipSync, gzipSync, inflateRawSync, inflateSync, unzipSync } from "node:zlib";
import { buffer } from "node:stream/consumers";
import { promisify } from "node:util";

const tell = (what, result) => console.log(what, ...(Array.isArray(result) ? result : [result]));
const wrong = (error) => [error.name, error.code, error.errno, error.message, Object.keys(error).join()];
function attempt(what, call) {
  try {
    const result = call();
    tell(what, result instanceof Buffer ? [result.length, crc32(result), Object.prototype.toString.call(result)] : result);
  } catch (error) {
    tell(what, wrong(error));
  }
}
const later = (name, ...args) => promisify(zlib[name])(...args).then((result) => [result.length, crc32(result)], wrong);
async function streamed(name, options, ...chunks) {
  const stream = zlib[`create${name[0].toUpperCase()}${name.slice(1)}`](options);
  const result = buffer(stream).then((result) => [result.length, crc32(result)], wrong);
  for (const chunk of chunks) stream.write(chunk);
  stream.end();
  return result;
}

// -- there and back ---------------------------------------------------------------------------------------------------
const text = Buffer.from("some text, again and again. ".repeat(20_000));
const noise = Buffer.from(Array.from({ length: 70_000 }, (_, i) => (Math.imul(i * i + 7, 2654435761) >>> 13) & 255));
const DATA = { nothing: Buffer.alloc(0), letter: "a", words: "hello, hello, hello", text, noise, mixed: Buffer.concat([text, noise, text]) };
const PAIRS = [["gzip", "gunzip"], ["gzip", "unzip"], ["deflate", "inflate"], ["deflate", "unzip"], ["deflateRaw", "inflateRaw"], ["brotliCompress", "brotliDecompress"]];
for (const [there, back] of PAIRS) {
  for (const name in DATA) {
    const data = Buffer.from(DATA[name]);
    const options = there === "brotliCompress" ? { params: { [constants.BROTLI_PARAM_QUALITY]: 5 } } : undefined;
    const packed = zlib[`${there}Sync`](DATA[name], options);
    const same = await promisify(zlib[there])(DATA[name], options);
    tell(`${there} ${back} ${name}`, [packed.equals(same), zlib[`${back}Sync`](packed).equals(data), await later(back, packed), await streamed(back, {}, packed)]);
  }
}
for (const view of [new Uint16Array([1, 2, 3]), new DataView(new ArrayBuffer(9), 3, 4), new Uint8Array([1, 2, 3]).buffer, new SharedArrayBuffer(3), text.subarray(5, 99)]) {
  attempt("view", () => inflateSync(deflateSync(view)));
}

// -- options ----------------------------------------------------------------------------------------------------------
const size = (options) => deflateRawSync(text.subarray(0, 5000), options).length;
tell("levels", [size({ level: 0 }) > 5000, size({ level: 9 }) <= size({ level: 1 }), size({ strategy: constants.Z_HUFFMAN_ONLY }) > size({}) * 2]);
tell("windows", [size({ windowBits: 9 }) > 0, deflateSync("a", { windowBits: 9 })[0], deflateSync("a")[0], deflateRawSync("a", { windowBits: 8 }).toString("hex")]);
tell("levels in headers", [0, 1, 6, 9].map((level) => [deflateSync("a", { level })[1], gzipSync("a", { level })[8]].join()));
const quality = (value) => brotliCompressSync(text.subarray(0, 5000), { params: { [constants.BROTLI_PARAM_QUALITY]: value } }).length;
tell("qualities", [quality(0) > quality(4), quality(4) >= quality(11), quality(99) === quality(11), quality(-1) === quality(11), quality(true) === quality(1)]);
for (const params of [{ [constants.BROTLI_PARAM_LGWIN]: 10 }, { [constants.BROTLI_PARAM_LGWIN]: 99 }, { 0: 70, 3: 16, 4: 1, 5: 9, 7: 1, 8: 1 }, 5, null]) {
  attempt(`parameters ${JSON.stringify(params)}`, () => brotliDecompressSync(brotliCompressSync(text, { params: { 1: 4, ...params } }), { params: { 0: 1, 1: 0 } }));
}
const dictionary = Buffer.from("hello, hello, ");
const small = deflateSync("hello, hello, world", { dictionary });
tell("dictionary", [small.length < deflateSync("hello, hello, world").length, gzipSync("abc", { dictionary }).equals(gzipSync("abc"))]);
for (const given of [{ dictionary }, { dictionary: new Uint8Array(dictionary).buffer }, {}, { dictionary: Buffer.from("hell") }, { dictionary: Buffer.alloc(0) }, { dictionary: "hello, hello, " }]) {
  attempt("dictionary", () => String(inflateSync(small, given)));
  attempt("dictionary", () => String(unzipSync(small, given)));
  if (typeof given.dictionary !== "string") tell("dictionary", [await later("inflate", small, given), await streamed("inflate", given, small)]);
}
const raw = deflateRawSync("hello, hello, world", { dictionary });
attempt("raw dictionary", () => String(inflateRawSync(raw, { dictionary })));
attempt("raw dictionary", () => inflateRawSync(raw));
for (const finishFlush of [0, 1, 2, 3, 5]) attempt(`flush ${finishFlush}`, () => deflateRawSync("abc", { finishFlush }).toString("hex"));
for (const finishFlush of [0, 1]) attempt(`brotli's flush ${finishFlush}`, () => brotliDecompressSync(brotliCompressSync("abcdefg", { finishFlush }), { finishFlush: 1 }));
for (const [there, back] of PAIRS) {
  const { buffer: packed, engine } = zlib[`${there}Sync`]("some data", { info: true });
  const told = zlib[`${back}Sync`](packed, { info: true });
  tell("info", [packed instanceof Buffer, engine.bytesWritten, engine.constructor.name, engine instanceof zlib[engine.constructor.name], String(told.buffer), told.engine.bytesWritten === packed.length, told.engine.constructor.name]);
}
const { buffer: packed, engine } = await promisify(zlib.gzip)("some data", { info: true });
tell("info", [String(gunzipSync(packed)), engine.bytesWritten, engine.constructor.name]);

// -- wrong options ----------------------------------------------------------------------------------------------------
const WRONG = { level: [10, -2, 1.5, "1", null, NaN, Infinity, undefined, {}], memLevel: [0, 10, 9], strategy: [-1, 5, true], windowBits: [7, 8, 16, 0, null, "9"], chunkSize: [63, 64, 100.5, "a", -Infinity], flush: [6, -1, 5, ""], finishFlush: [6, "4", () => {}], maxOutputLength: [0, 2 ** 32 + 1, 1e20, "1"], dictionary: ["a", null, 5, [], new Uint16Array(2)], params: [{ a: 1 }], info: [0] };
for (const key in WRONG) {
  for (const value of WRONG[key]) {
    for (const there of ["gzip", "deflate", "deflateRaw"]) attempt(`${there} ${key}`, () => zlib[`${there}Sync`]("a", { [key]: value }).length > 0);
    for (const back of ["gunzip", "inflate", "inflateRaw", "unzip"]) attempt(`${back} ${key}`, () => zlib[`${back}Sync`](back === "inflateRaw" ? deflateRawSync("a", { windowBits: 9 }) : deflateSync("a", { windowBits: 9 }), { [key]: value }).length);
    attempt(`stream ${key}`, () => zlib.createDeflate({ [key]: value }) instanceof zlib.Deflate);
  }
}
for (const params of [{ a: 1 }, { 9: 1 }, { "-1": 1 }, { 1.5: 1 }, { "": 1 }, { 1: 3, "01": 4 }, { 1: "5" }, { 1: null }, { 4: 2 }, "ab"]) {
  attempt(`brotli ${JSON.stringify(params)}`, () => brotliCompressSync("a", { params }).length > 0);
}
for (const params of [{ 2: 1 }, { 8: -1 }, { 0: 1, 1: 1 }]) attempt(`brotli ${JSON.stringify(params)}`, () => brotliDecompressSync(brotliCompressSync("a"), { params }));
for (const options of [null, undefined, 5, "x", []]) attempt("no options", () => gunzipSync(gzipSync("a", options), options));
for (const finishFlush of [4, -1]) attempt("brotli's flush", () => brotliCompressSync("a", { finishFlush }));
for (const data of [5, null, undefined, {}, [], true, () => {}, new (class Own {})()]) {
  attempt("data", () => gzipSync(data));
  attempt("crc32", () => crc32(data));
  if (data !== null && data !== undefined && typeof data !== "function") attempt("data", () => zlib.gzip(data, () => {}));
}
attempt("order", () => gzipSync(5, { level: 99 }));
attempt("order", () => zlib.gzip(5, { level: 99 }));
attempt("order", () => zlib.gzip(5));
attempt("order", () => zlib.gzip(5, {}, {}));
tell("nothing", [await later("gzip", undefined), await later("deflate", null)]);

// -- wrong data -------------------------------------------------------------------------------------------------------
const FLIPPED = [0, 2, 3, 10, -1, -6];
for (const [there, back] of PAIRS) {
  const whole = zlib[`${there}Sync`](text.subarray(0, 50_000));
  const garbage = Buffer.from("garbage, and more of it");
  const given = { whole, garbage, nothing: Buffer.alloc(0), letter: Buffer.from([31]), short: whole.subarray(0, -1), shorter: whole.subarray(0, 12), tail: Buffer.concat([whole, garbage]), "long tail": Buffer.concat([whole, noise]), zeros: Buffer.concat([whole, Buffer.alloc(70_000)]), twice: Buffer.concat([whole, whole]), apart: Buffer.concat([whole, Buffer.alloc(2), whole]), "begins again": Buffer.concat([whole, Buffer.from([31, 139, 7])]) };
  for (const at of FLIPPED) given[`flipped ${at}`] = Buffer.from(whole.map((byte, i) => (i === (at + whole.length) % whole.length ? byte ^ 32 : byte)));
  for (const name in given) {
    attempt(`${back} ${name}`, () => zlib[`${back}Sync`](given[name]));
    const half = given[name].length >> 1;
    tell(`${back} ${name} later`, [await later(back, given[name]), await streamed(back, undefined, given[name].subarray(0, half), given[name].subarray(half))]);
  }
  const flush = there === "brotliCompress" ? constants.BROTLI_OPERATION_FLUSH : constants.Z_SYNC_FLUSH;
  for (const end of [-1, 12, 0]) attempt(`${back} unfinished`, () => zlib[`${back}Sync`](whole.subarray(0, end), { finishFlush: flush }).equals(text.subarray(0, 50_000)));
  for (const maxOutputLength of [1, 49_999, 50_000, 50_001]) {
    attempt(`${back} most`, () => zlib[`${back}Sync`](whole, { maxOutputLength }));
    tell(`${back} most`, await later(back, whole, { maxOutputLength }));
    attempt(`${back} most`, () => zlib[`${back}Sync`](whole, { maxOutputLength, chunkSize: 64 }));
    attempt(`${there} most`, () => zlib[`${there}Sync`](text.subarray(0, 50_000), { maxOutputLength }).length > 1);
  }
  attempt(`${back} most of what is wrong`, () => zlib[`${back}Sync`](whole.subarray(0, -1), { maxOutputLength: 100, chunkSize: 64 }));
  attempt(`${back} most of what is wrong`, () => zlib[`${back}Sync`](whole.subarray(0, -1), { maxOutputLength: 49_999, chunkSize: 100_000 }));
}
try {
  brotliDecompressSync("garbage");
} catch (error) {
  tell("brotli", [error.name, error.message, Object.keys(error).join()]);
}
const members = Buffer.concat(Array.from({ length: 3000 }, (_, i) => gzipSync(`${i},`)));
attempt("members", () => gunzipSync(members));
attempt("members", () => unzipSync(members));
tell("members", [await later("gunzip", members), await streamed("gunzip", {}, members.subarray(0, 10), members.subarray(10, 11), members.subarray(11))]);
tell("byte by byte", await streamed("unzip", {}, ...Array.from(members.subarray(0, 100), (byte) => Buffer.from([byte]))));

// -- crc32, constants, what is at once --------------------------------------------------------------------------------
tell("crc32", [crc32("hello"), crc32("world", crc32("hello ")), crc32(noise), crc32(text), crc32(new Uint16Array([1, 2])), crc32("", 5), crc32(Buffer.alloc(0))]);
for (const value of [-1, 2 ** 32, 1.5, "x", null, NaN]) attempt("crc32", () => crc32("a", value));
const { ZLIB_VERNUM, ...others } = constants;
console.log(JSON.stringify(others), JSON.stringify(zlib.codes), Object.isFrozen(zlib.codes));
const log = [];
setTimeout(() => log.push("timer"), 0);
Promise.resolve().then(() => log.push("microtask"));
log.push(gunzipSync(gzipSync(Buffer.concat([text, noise]))).length);
// One behind the other: Node has threads for them, of which any may be the first.
await new Promise((resolve) => {
  zlib.gunzip(gzipSync("a"), function (error, result) {
    resolve(log.push(error, String(result), arguments.length));
  });
});
await new Promise((resolve) => zlib.gunzip("a", (...args) => resolve(log.push(args.length, args[0].code))));
console.log(log.filter((each) => each !== "timer"), [3, 1, 2].sort((a, b) => gunzipSync(gzipSync(text)).length * 0 + a - b));

// -- each way in which Brotli's data can be wrong --------------------------------------------------------------------------
const brotlied = Buffer.from("GysDKJ0JdqyVgWm4dYZSeG54YLuxbyQG5pnyCP4uWa+TptXt1o38yRNCGzIQYcptoBChqhEhKAZh/Q004gCgAAV7+BYAQjCCYjhBUjTDcrwgSrKiarphWrbjen4QRnGSZnlRVnXTdv0wTvOybvtxXq63++P5ehsLzoeYcsFKrY/Jax+573++vz8ACAJDoDA4AolCY7A4PIFIIlOoNDqDyWJzuDy+QCgSS6QyuUKpUmu0Or3BaDJbrDa7w+lye7w+/8Dg0PDI6Ng4", "base64");
const reasons = [];
for (let bit = 0; bit < brotlied.length * 8; bit++) {
  const data = Buffer.from(brotlied);
  data[bit >> 3] ^= 1 << (bit & 7);
  try {
    reasons.push(brotliDecompressSync(data).length);
  } catch (error) {
    reasons.push(`${error.code} ${error.errno}`);
  }
}
console.log(new Set(reasons).size > 10, reasons.join());
