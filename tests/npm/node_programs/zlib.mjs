import zlib from "node:zlib";
import { pipeline } from "node:stream/promises";
import { PassThrough, Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import { inherits, promisify } from "node:util";

const data = Buffer.from("some text, again and again. ".repeat(1000));
for (const [there, back] of [["gzip", "gunzip"], ["deflate", "inflate"], ["deflateRaw", "inflateRaw"], ["brotliCompress", "brotliDecompress"], ["gzip", "unzip"], ["deflate", "unzip"]]) {
  const packed = await promisify(zlib[there])(data);
  console.log(there, back, packed instanceof Buffer, packed.length < data.length / 20, (await promisify(zlib[back])(packed)).equals(data));
}
console.log(String(await promisify(zlib.gunzip)(await promisify(zlib.gzip)("text"))));
await promisify(zlib.gunzip)(Buffer.from("no gzip")).catch((error) => console.log(error.code, error.errno));
try {
  zlib.gzip(5, () => {});
} catch (error) {
  console.log(error.code);
}
for (const kind of ["Gzip Gunzip", "Deflate Inflate", "DeflateRaw InflateRaw", "BrotliCompress BrotliDecompress"]) {
  const [there, back] = kind.split(" ");
  const end = new PassThrough();
  const [result] = await Promise.all([buffer(end), pipeline(Readable.from([data.subarray(0, 9999), data.subarray(9999)]), zlib[`create${there}`](), zlib[`create${back}`](), end)]);
  console.log(kind, result.equals(data));
}
const broken = zlib.createGunzip();
broken.on("error", (error) => console.log(error.code));
broken.end("no gzip");
await new Promise((resolve) => broken.once("close", resolve));
console.log(zlib.constants.Z_BEST_COMPRESSION, zlib.constants.BROTLI_PARAM_QUALITY);

// -- classes: as functions, and inherited from as before there were classes ------------------------------------------------
console.log(zlib.createInflate() instanceof zlib.Inflate, zlib.Gzip() instanceof zlib.Gzip, zlib.createGzip().constructor.name);
class Counted extends zlib.Deflate {}
const counted = new Counted();
counted.end(data);
console.log((await promisify(zlib.inflate)(await buffer(counted))).equals(data), counted instanceof zlib.Deflate, counted.bytesWritten);
function Old(options) {
  zlib.Inflate.call(this, options);
}
inherits(Old, zlib.Inflate);
console.log(typeof Old.prototype.end, zlib.Z_BEST_SPEED, zlib.Z_MIN_CHUNK, typeof zlib.inflateSync);
