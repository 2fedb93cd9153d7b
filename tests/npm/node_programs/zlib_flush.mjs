// What a stream of node:zlib is told besides its data: flush(), params(), reset(), close() and the option flush.
import zlib from "node:zlib";
import { randomBytes } from "node:crypto";
const { constants } = zlib;
const text = "some text, again and again, and other text. ".repeat(40);
const lines = Array.from({ length: 3000 }, (_, at) => `${at * 7919} ${at % 13}`).join("\n");
const noise = randomBytes(70000);
const later = () => new Promise((resolve) => setTimeout(resolve, 1));
const call = (object, method, ...given) => new Promise((resolve) => object[method](...given, resolve));
const collect = (stream) => {
  const chunks = [];
  stream.on("data", (chunk) => chunks.push(chunk));
  return () => Buffer.concat(chunks);
};
const end = (stream, data) =>
  new Promise((resolve, reject) => {
    stream.on("end", resolve).on("error", reject);
    stream.end(data);
  });
const PAIRS = [["Gzip", "Gunzip"], ["Deflate", "Inflate"], ["DeflateRaw", "InflateRaw"], ["BrotliCompress", "BrotliDecompress"]];

// -- flush(): what was written before can be decompressed at the callback -----------------------------------------------------
for (const [there, back] of PAIRS) {
  const undo = zlib[back[0].toLowerCase() + back.slice(1) + "Sync"];
  const isBrotli = back.startsWith("Brotli");
  const part = isBrotli ? { finishFlush: constants.BROTLI_OPERATION_FLUSH } : { finishFlush: constants.Z_SYNC_FLUSH };
  for (const kind of isBrotli ? [undefined, constants.BROTLI_OPERATION_FLUSH] : [undefined, constants.Z_SYNC_FLUSH, constants.Z_FULL_FLUSH, constants.Z_PARTIAL_FLUSH]) {
    const packer = zlib[`create${there}`]();
    const packed = collect(packer);
    packer.write(text);
    const before = packed().length;
    const error = await (kind === undefined ? call(packer, "flush") : call(packer, "flush", kind));
    const first = kind === constants.Z_PARTIAL_FLUSH ? "" : String(undo(packed(), part));
    packer.write(noise);
    await call(packer, "flush");
    await end(packer, lines);
    const whole = Buffer.concat([Buffer.from(text), noise, Buffer.from(lines)]);
    console.log(there, kind, before < 20, error ?? null, first === text || first === "", undo(packed()).equals(whole), packer.bytesWritten);
  }
  // A small reading side: the callback waits until there is room.
  const packer = zlib[`create${there}`]({ readableHighWaterMark: 10 });
  let isFlushed = false;
  packer.write(noise);
  packer.flush(() => (isFlushed = true));
  await later();
  console.log(there, "waits", isFlushed);
  const packed = collect(packer);
  await end(packer);
  console.log(there, "goes on", isFlushed, undo(packed()).equals(noise));
  // Of what decompresses
  const unpacker = zlib[`create${back}`]();
  const unpacked = collect(unpacker);
  const data = zlib[there[0].toLowerCase() + there.slice(1) + "Sync"](text);
  unpacker.write(data.subarray(0, 20));
  await call(unpacker, "flush");
  await end(unpacker, data.subarray(20));
  console.log(back, String(unpacked()) === text);
  // Each chunk is flushed where the option says so.
  const each = zlib[`create${there}`]({ flush: isBrotli ? constants.BROTLI_OPERATION_FLUSH : constants.Z_SYNC_FLUSH });
  const flushed = collect(each);
  await call(each, "write", "one ");
  await later();
  console.log(there, "option", String(undo(flushed(), part)));
  await end(each, "two");
  console.log(there, "option", String(undo(flushed())));
}
{
  const order = [];
  const packer = zlib.createDeflate();
  packer.on("data", () => order.push("data"));
  packer.write("a", () => order.push("a"));
  packer.flush(() => order.push("flush"));
  packer.write("b", () => order.push("b"));
  packer.flush(constants.Z_SYNC_FLUSH, () => order.push("sync"));
  packer.flush();
  await end(packer);
  packer.flush(() => order.push("after the end"));
  await later();
  console.log(order.filter((what) => what !== "data").join());
  const ended = zlib.createGzip();
  ended.resume().end("x");
  await call(ended, "flush");
  console.log("ended", ended.readableEnded);
  try {
    zlib.createGzip().flush(77, () => {});
  } catch (error) {
    console.log(error.code);
  }
}

// -- params(): other settings from then on -----------------------------------------------------------------------------------
for (const [there, back] of PAIRS.slice(0, 3)) {
  for (const options of [{}, { level: 1, windowBits: 9 }, { windowBits: 11, memLevel: 2 }, ...(there === "Gzip" ? [] : [{ dictionary: Buffer.from(text) }])]) {
    const packer = zlib[`create${there}`](options);
    const packed = collect(packer);
    packer.write(lines);
    await call(packer, "params", 0, constants.Z_DEFAULT_STRATEGY);
    packer.write(text);
    packer.write(noise);
    const stored = packed().length;
    await call(packer, "params", 9, constants.Z_FILTERED);
    console.log(there, "stored", packed().length - stored >= noise.length);
    packer.write(lines);
    packer.params(9, constants.Z_FILTERED, () => console.log("the same"));
    await call(packer, "params", 3, constants.Z_HUFFMAN_ONLY);
    await end(packer, text);
    const undo = zlib[back[0].toLowerCase() + back.slice(1) + "Sync"];
    const whole = Buffer.concat([Buffer.from(lines + text), noise, Buffer.from(lines + text)]);
    console.log(there, Object.keys(options).join(), undo(packed(), { dictionary: options.dictionary }).equals(whole));
  }
}
{
  const packer = zlib.createGzip();
  for (const given of [[10, 0], [-2, 0], [1, 5], [1, -1], ["1", 0], [1, "x"], [Infinity, 0]]) {
    try {
      packer.params(...given, () => {});
      console.log("taken");
    } catch (error) {
      console.log(error.name, error.code, error.message);
    }
  }
  console.log(typeof zlib.BrotliCompress.prototype.params, typeof zlib.BrotliCompress.prototype.reset, typeof zlib.Inflate.prototype.params);
}

// -- reset(): as if it were new --------------------------------------------------------------------------------------------------
for (const [there, back] of PAIRS) {
  const packer = zlib[`create${there}`]();
  const packed = collect(packer);
  await call(packer, "write", "forgotten");
  await later();
  const head = packed().length;
  packer.reset();
  await end(packer, "kept");
  console.log(there, String(zlib[back[0].toLowerCase() + back.slice(1) + "Sync"](packed().subarray(head))));
  const unpacker = zlib[`create${back}`]();
  const data = zlib[there[0].toLowerCase() + there.slice(1) + "Sync"](noise);
  await call(unpacker, "write", data.subarray(0, 2));
  unpacker.reset();
  const unpacked = collect(unpacker);
  await end(unpacker, data);
  console.log(back, unpacked().equals(noise));
  unpacker.destroy();
  try {
    unpacker.reset();
  } catch (error) {
    console.log(error.code);
  }
}

// -- close() ---------------------------------------------------------------------------------------------------------------------------
for (const kind of ["Gzip", "BrotliDecompress"]) {
  const open = zlib[`create${kind}`]();
  const error = await call(open, "close");
  console.log(kind, error?.code, open.destroyed);
  const twice = zlib[`create${kind}`]();
  twice.close();
  console.log((await call(twice, "close"))?.code);
}
const over = zlib.createGzip();
over.resume();
await end(over, "x");
console.log((await call(over, "close"))?.code);
