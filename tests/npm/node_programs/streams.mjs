import Stream, { Duplex, PassThrough, Readable, Transform, Writable, addAbortSignal, finished, pipeline } from "node:stream";
import { inherits, promisify } from "node:util";
import * as promises from "node:stream/promises";
import { arrayBuffer, buffer, json, text } from "node:stream/consumers";

const told = (label, ...values) => console.log(label, ...values.map((value) => (value instanceof Error ? `${value.name} ${value.code}` : value)));
const over = (stream) => new Promise((resolve) => stream.once("close", resolve));
const upper = () => new Transform({ transform: (chunk, encoding, callback) => callback(null, String(chunk).toUpperCase()) });
const into = (all, options) => new Writable({ write: (chunk, encoding, callback) => (all.push(String(chunk)), callback()), ...options });

// -- what they are ------------------------------------------------------------------------------------------------------
told("classes", Stream === Stream.Stream, new PassThrough() instanceof Transform, new Duplex() instanceof Writable, new Duplex() instanceof Readable);
told("no writable", new Readable() instanceof Writable, Readable({ read() {} }) instanceof Readable, new Readable() instanceof Stream);
function Old() {
  Readable.call(this, { objectMode: true });
  this.left = 3;
}
inherits(Old, Readable);
Old.prototype._read = function () {
  this.push(this.left > 0 ? { left: this.left-- } : null);
};
told("inherited", await new Old().toArray());

// -- reading ------------------------------------------------------------------------------------------------------------
const events = [];
const counted = new Readable({
  highWaterMark: 4,
  read(size) {
    events.push(`read ${size}`);
    this.push(events.length < 4 ? "abc" : null);
  },
});
for (const name of ["data", "end", "close", "resume", "pause"]) counted.on(name, (chunk) => events.push(`${name} ${chunk}`));
await over(counted);
told("flowing", events.join());
const paused = new Readable({ read() {} });
paused.push("hello ");
paused.push("world");
told("state", paused.readableLength, paused.readableFlowing, paused.readableHighWaterMark === Stream.getDefaultHighWaterMark(false), paused.readableObjectMode);
paused.once("readable", () => {
  told("read", String(paused.read(3)), String(paused.read()), paused.read());
  paused.unshift("back");
  told("unshifted", String(paused.read()));
  paused.push(null);
  paused.resume();
});
await over(paused);
told("ended", paused.readableEnded, paused.destroyed, paused.readable, paused.closed);
const encoded = Readable.from([Buffer.from("h\u00e9").subarray(0, 2), Buffer.from("h\u00e9").subarray(2)], { objectMode: false });
encoded.setEncoding("utf8");
told("encoded", await encoded.toArray());
told("from text", await Readable.from("text").toArray(), await Readable.from(new Set([1, 2])).toArray());
let isClosed = false;
const source = (async function* () {
  try {
    yield "a";
    yield "b";
  } finally {
    isClosed = true;
  }
})();
for await (const chunk of Readable.from(source)) {
  told("chunk", chunk);
  break;
}
await new Promise(setImmediate);
told("closed", isClosed);
const failing = new Readable({ read() { this.destroy(new RangeError("no")); } });
try {
  for await (const chunk of failing) told("never", chunk);
} catch (error) {
  told("iterated", error);
}
const late = new Readable({ read() {} });
late.push(null);
late.on("error", (error) => told("late", error)).push("x");
await over(late);
const bad = new Readable({ read() { this.push(5); } });
bad.on("error", (error) => told("bad chunk", error)).resume();
await over(bad);
told("helpers", await Readable.from([1, 2, 3, 4]).filter((x) => x % 2).map((x) => x * 10).toArray(), await Readable.from([1, 2, 3]).reduce((a, b) => a + b),
  await Readable.from([1, 2, 3]).take(2).toArray(), await Readable.from([1, 2, 3]).drop(2).toArray(), await Readable.from([1]).some((x) => x > 1));

// -- writing ------------------------------------------------------------------------------------------------------------
const steps = [];
const slow = new Writable({
  highWaterMark: 5,
  write(chunk, encoding, callback) {
    steps.push(`write ${chunk} ${encoding}`);
    setTimeout(callback, 1);
  },
  final(callback) {
    steps.push("final");
    callback();
  },
});
for (const name of ["drain", "finish", "close", "prefinish"]) slow.on(name, () => steps.push(name));
steps.push(slow.write("abc"), slow.write("def", () => steps.push("written")), slow.writableLength, slow.writableNeedDrain);
await new Promise((resolve) => slow.once("drain", resolve));
slow.end("g", () => steps.push("end"));
await over(slow);
told("slow", steps.join());
told("states", slow.writableEnded, slow.writableFinished, slow.writable, slow.destroyed);
const gathered = [];
const corked = new Writable({
  writev(chunks, callback) {
    gathered.push(chunks.map(({ chunk }) => String(chunk)).join("+"));
    callback();
  },
});
corked.cork();
for (const part of "abc") corked.write(part);
corked.uncork();
corked.end("d");
await over(corked);
told("corked", gathered.join());
const ended = into([]);
ended.end();
ended.on("error", (error) => told("ended", error));
ended.write("x", (error) => told("callback", error));
await over(ended);
for (const value of [null, 5, {}]) {
  try {
    into([]).write(value);
  } catch (error) {
    told("refused", error);
  }
}
const broken = new Writable({ write: (chunk, encoding, callback) => callback(new Error("broken")) });
broken.on("error", (error) => told("broken", error.message));
broken.write("x", (error) => told("of write", error.message));
await over(broken);
const objects = [];
await promises.pipeline(Readable.from([{ a: 1 }, null ?? 2]), new Writable({ objectMode: true, write: (each, _, callback) => (objects.push(each), callback()) }));
told("objects", objects);
const begun = [];
const constructed = new Writable({
  construct: (callback) => setTimeout(() => (begun.push("constructed"), callback()), 1),
  write: (chunk, encoding, callback) => (begun.push(String(chunk)), callback()),
});
constructed.write("a");
constructed.end("b");
await over(constructed);
told("construct", begun.join());

// -- from one to the other ----------------------------------------------------------------------------------------------
const piped = [];
const target = into(piped, { highWaterMark: 1 });
target.on("pipe", () => piped.push("[pipe]")).on("unpipe", () => piped.push("[unpipe]"));
Readable.from(["a", "b", "c"]).pipe(upper()).pipe(target);
await over(target);
told("piped", piped.join());
const flushed = new Transform({
  transform(chunk, encoding, callback) {
    this.push(chunk);
    this.push("-");
    callback();
  },
  flush(callback) {
    callback(null, "!");
  },
});
flushed.write("x");
flushed.end("y");
told("flushed", await text(flushed));
const all = [];
await promises.pipeline(Readable.from(["a", "b"]), upper(), async function* (chunks) {
  for await (const chunk of chunks) yield `${chunk}`.toLowerCase();
}, into(all));
told("pipeline", all.join(""));
told("value", await promises.pipeline(Readable.from(["a", "b"]), async (chunks) => {
  let joined = "";
  for await (const chunk of chunks) joined += chunk;
  return joined;
}));
await new Promise((resolve) => pipeline(Readable.from(["a"]), new Transform({ transform: (chunk, _, callback) => callback(new TypeError("in the midst")) }), into([]), (error) => resolve(told("fails", error.message))));
const lost = new PassThrough();
const gone = promises.pipeline(lost, into([])).catch((error) => told("premature", error));
lost.destroy();
await gone;
const controller = new AbortController();
const waiting = promises.pipeline(new Readable({ read() {} }), into([]), { signal: controller.signal }).catch((error) => told("aborted", error));
controller.abort();
await waiting;
const signalled = addAbortSignal(AbortSignal.abort(), new Readable({ read() {} }));
signalled.on("error", (error) => told("signalled", error));
await over(signalled);
await new Promise((resolve) => finished(Readable.from(["x"]).resume(), (error) => resolve(told("finished", error))));
const early = new Readable({ read() {} });
const end = promisify(finished)(early).catch((error) => told("early", error));
early.destroy();
await end;
const half = new Duplex({ read() { this.push("r"); this.push(null); }, write: (chunk, _, callback) => callback() });
half.on("data", (chunk) => told("duplex", String(chunk)));
await new Promise((resolve) => half.once("end", resolve));
told("half", half.writable, half.readableEnded, half.destroyed);
half.end();
await over(half);
told("both over", half.destroyed, half.writableFinished);

// -- the Web's ----------------------------------------------------------------------------------------------------------
told("to web", await new Response(Readable.toWeb(Readable.from([Buffer.from("we"), Buffer.from("b")]))).text());
told("from web", await text(Readable.fromWeb(new Blob(["node"]).stream())));
const written = [];
const writer = Writable.toWeb(into(written)).getWriter();
await writer.write("one");
await writer.close();
const webbed = Writable.fromWeb(new WritableStream({ write: (chunk) => void written.push(String(chunk)) }));
webbed.end("two");
await over(webbed);
told("written", written.join());
told("consumed", await json(Readable.from(['{"a":', "1}"])), (await buffer(Readable.from([Buffer.from("b")]))).toString(), (await arrayBuffer(Readable.from([Buffer.from("b")]))).byteLength);

// -- transforms that write and finish by themselves ------------------------------------------------------------------------
const own = (options) => new Transform({ read() {}, write(chunk, encoding, callback) { this.push(chunk), callback(); }, final: (callback) => callback(), ...options });
told("own final", await text(Readable.from(["a", "b"]).pipe(own())));
told("own final and flush", await text(Readable.from(["a"]).pipe(own({ flush(callback) { callback(null, "z"); } }))));
told("own final fails to flush", await new Promise((resolve) => own({ flush: (callback) => callback(new Error("no")) }).on("error", (error) => resolve(error.message)).end("a")));
class Finishing extends Transform {
  _transform(chunk, encoding, callback) {
    callback(null, chunk);
  }
  _final(callback) {
    setTimeout(callback, 1);
  }
}
told("a method", await text(Readable.from(["c"]).pipe(new Finishing())));
