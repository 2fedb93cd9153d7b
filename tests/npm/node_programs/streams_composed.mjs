// What node:stream composes: of parts that are read, written or both; and what is written with encodings.
import { PassThrough, Readable, Transform, Writable, Duplex, compose } from "node:stream";
import { finished } from "node:stream/promises";

const attempt = async (label, act) => {
  try {
    console.log(label, await act());
  } catch (error) {
    console.log(label, error.name, error.code);
  }
};
const from = (...chunks) => Readable.from(chunks);
const text = async (stream) => (await stream.toArray()).map(String).join("");
const sink = () => {
  const parts = [];
  return Object.assign(new Writable({ write(chunk, encoding, callback) { parts.push(String(chunk)); callback(); } }), { parts });
};
const upper = () => new Transform({ transform(chunk, encoding, callback) { callback(null, String(chunk).toUpperCase()); } });
async function* doubled(source) {
  for await (const chunk of source) yield `${chunk}${chunk}`;
}

await attempt("readable, function", () => text(from("a", "b").compose(doubled)));
await attempt("readable, transform", () => text(from("a", "b").compose(upper())));
await attempt("readable, web transform", () => text(from("a", "b").compose(new TransformStream())));
await attempt("readable, twice", () => text(from("a", "b").compose(doubled).compose(upper())));
await attempt("readable, writable", async () => {
  const end = sink();
  from("a", "b").compose(end);
  await finished(end);
  return end.parts.join("");
});
await attempt("readable, readable", () => from("a").compose(new Readable({ read() {} })));
await attempt("nothing", () => from("a").compose());
await attempt("all of a source", () => text(compose(from("a", "b"), doubled, upper())));
await attempt("both sides", async () => {
  const both = compose(new PassThrough(), doubled, upper());
  both.end("x");
  return text(both);
});
await attempt("written only", async () => {
  const end = sink();
  const way = compose(upper(), end);
  way.end("x");
  await finished(end);
  return [end.parts.join(""), way.readable];
});
await attempt("duplex of a writable", async () => {
  const end = sink();
  const duplex = Duplex.from(end);
  duplex.end("x");
  await finished(end);
  return end.parts.join("");
});
for (const objectMode of [false, true]) {
  for (const encoding of ["nowhere", {}, "buffer", "latin1"]) {
    await attempt(`write, ${objectMode}, ${typeof encoding}`, () => {
      const told = [];
      const writable = new Writable({ objectMode, write(chunk, how, callback) { told.push(typeof chunk, how); callback(); } });
      writable.on("error", () => {}).write(objectMode ? "x" : Buffer.from("x"), encoding);
      return told;
    });
  }
}
