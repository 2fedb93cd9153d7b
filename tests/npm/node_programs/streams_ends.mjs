// How streams end: in which order, and what of a transform whose two sides end apart. And hashes and signatures as streams.
import { createHash, createHmac, createSign, createVerify, generateKeyPair } from "node:crypto";
import { PassThrough, Readable, Transform, Writable, finished, pipeline as piped } from "node:stream";
import { pipeline } from "node:stream/promises";

const closed = (stream) => new Promise((resolve) => stream.once("close", resolve));
const from = (...parts) => Readable.from(parts);

// -- final() is called by end(), where nothing is being written ---------------------------------------------------------
for (const write of [(chunk, encoding, callback) => callback(), (chunk, encoding, callback) => setTimeout(callback, 1)]) {
  const told = [];
  const stream = new Writable({ write, final: (callback) => (told.push("final"), callback()) });
  for (const name of ["prefinish", "finish", "close"]) stream.on(name, () => told.push(name));
  stream.end("x", () => told.push("ended"));
  told.push("after");
  await closed(stream);
  console.log(told.join());
}
const flushed = new Transform({ transform: (chunk, encoding, callback) => callback(null, chunk), flush: (callback) => callback(null, "Z") });
flushed.write("a");
flushed.end("b");
console.log(String(flushed.read()), flushed.readableEnded);
const failing = new Writable({ write: (chunk, encoding, callback) => callback(), final: () => { throw new Error("in final"); } });
failing.on("error", (error) => console.log(error.message));
failing.end("x");
console.log("after");
await closed(failing);

// -- a transform is written before it is read ---------------------------------------------------------------------------
const through = new PassThrough();
const events = [];
finished(through, { readable: false }, () => events.push("written"));
finished(through, { writable: false }, () => events.push("read"));
finished(through, () => events.push("over"));
await pipeline(from("x"), through);
console.log(events.join());
console.log(await through.toArray().then(String));
await new Promise((resolve) => setTimeout(resolve, 1));
console.log(events.join());
const upper = new Transform({ transform: (chunk, encoding, callback) => callback(null, `${chunk}`.toUpperCase()) });
const last = piped(from("a", "b"), new PassThrough(), upper, (error) => console.log("called", error?.code));
console.log(last === upper, String(Buffer.concat(await last.toArray())));
const broken = new Transform({ transform: (chunk, encoding, callback) => callback(new Error("in it")) });
await pipeline(from("x"), broken).catch((error) => console.log(error.message, broken.destroyed));
const early = new PassThrough();
const left = pipeline(from("x", "y"), early);
early.destroy();
await left.catch((error) => console.log(error.code));

// -- hashes, HMACs and signatures are streams ---------------------------------------------------------------------------
const hash = createHash("sha256");
hash.write("ab");
hash.end("c");
console.log(hash.read().toString("hex"), hash instanceof Transform);
let text = "";
for await (const part of from("a", "b").pipe(createHash("md5").setEncoding("hex"))) text += part;
console.log(text);
const hmac = createHmac("sha1", "k");
await pipeline(from(Buffer.from("x")), hmac);
console.log(hmac.read().toString("hex"));
const events2 = [];
const told = createHash("sha256");
told.on("readable", () => events2.push(told.read()?.length ?? "none")).on("finish", () => events2.push("finish"));
told.update("a");
told.end();
await new Promise((resolve) => told.on("end", resolve));
console.log(events2[0], events2[1]);
const { privateKey, publicKey } = await new Promise((resolve, reject) =>
  generateKeyPair("ec", { namedCurve: "P-256" }, (error, publicKey, privateKey) => (error ? reject(error) : resolve({ publicKey, privateKey }))),
);
const sign = createSign("sha256");
sign.write("some ");
sign.end("data");
const signature = sign.sign(privateKey);
const verify = createVerify("sha256");
verify.update("some data");
verify.end();
console.log(verify.verify(publicKey, signature), verify instanceof Writable);
const piecewise = createVerify("sha256");
await pipeline(from("some ", "data"), piecewise);
console.log(piecewise.verify(publicKey, signature));
const other = createVerify("sha256").update("other");
console.log(other.verify(publicKey, signature));
