// node:stream: in what order streams tell of what happens to them.
import * as stream from "node:stream";
import { Duplex, PassThrough, Readable, Transform, Writable, finished, pipeline } from "node:stream";

const told = (error) => (error ? `${error.code ?? error.message}` : `${error}`);
// Timers of one length fire in their order, however late they are.
async function rest(count = 20) {
  while (count-- > 0) await new Promise((resolve) => setTimeout(resolve, 1));
}
function watch(name, each, events = ["end", "finish", "prefinish", "drain", "close", "pipe", "unpipe"]) {
  for (const event of events) each.on(event, () => console.log(name, event));
  each.on("error", (error) => console.log(name, "error", told(error)));
  return each;
}
const state = (each) =>
  console.log(each.readable, each.writable, each.destroyed, each.readableLength, each.readableFlowing, stream.isErrored(each), stream.isDisturbed(each), stream.isReadable(each));
const deferred = { sync: (f) => f(), tick: (f) => process.nextTick(f), microtask: (f) => queueMicrotask(f), timer: (f) => setTimeout(f, 1) };

for (const [when, defer] of Object.entries(deferred)) {
  console.log(`-- ${when}`);
  const target = () =>
    watch("writable", new Writable({ highWaterMark: 3, write(chunk, encoding, callback) {
      console.log("write", `${chunk}`, encoding);
      defer(callback);
    } }));
  const written = target();
  for (const text of ["a", "bcd", "e"]) console.log(written.write(text, (error) => console.log(text, told(error))));
  process.nextTick(() => written.end("f", (error) => console.log("ended", told(error))));
  await rest();
  const corked = target();
  corked.cork();
  corked.write("a", (error) => console.log("a", told(error)));
  corked.write("b", (error) => console.log("b", told(error)));
  finished(corked, (error) => console.log("finished", told(error)));
  corked.destroy(new Error("destroyed"));
  console.log(corked.write("c", (error) => console.log("c", told(error))));
  await rest();

  let count = 0;
  const source = () => {
    count = 0;
    return watch("readable", new Readable({ read() {
      defer(() => this.push(count++ < 3 ? `${count}` : null));
    } }));
  };
  const read = source();
  read.on("readable", () => {
    for (let chunk; (chunk = read.read()) !== null; ) console.log("read", `${chunk}`);
  });
  await rest();
  source().pipe(target());
  await rest();
  pipeline(source(), new PassThrough(), target(), (error) => console.log("pipeline", told(error)));
  await rest();
  pipeline(source(), async function* (chunks) {
    for await (const chunk of chunks) {
      if (`${chunk}` === "2") throw new Error("at 2");
      yield chunk;
    }
  }, target(), (error) => console.log("pipeline", told(error)));
  await rest();
  const left = source();
  for await (const chunk of left) {
    console.log("iterated", `${chunk}`);
    break;
  }
  await rest();
  state(left);
  const constructed = watch("duplex", new Duplex({
    construct: (callback) => defer(callback),
    read() {
      this.push(null);
    },
    write: (chunk, encoding, callback) => defer(callback),
    final: (callback) => defer(callback),
    destroy: (error, callback) => defer(() => callback(error)),
  }));
  constructed.end("a", () => console.log("ended"));
  constructed.resume();
  await rest();
  const failing = watch("transform", new Transform({ transform: (chunk, encoding, callback) => defer(() => callback(new Error("failed"))) }));
  failing.write("a", (error) => console.log("a", told(error)));
  failing.write("b", (error) => console.log("b", told(error)));
  await rest();
  state(failing);
}

// What comes to the front while something is being read changes nothing about that.
const late = new Readable({ read() {
  if (this.asked) return;
  this.asked = true;
  rest(5).then(() => {
    this.push("b");
    this.push(null);
  });
} });
late.on("data", (chunk) => console.log("late", `${chunk}`));
setTimeout(() => console.log(late.unshift("a")), 1);
await rest();
await rest();
// An iterable that has its values at once is read at once.
const array = Readable.from(["a", "b"]);
console.log(array.read(), array.read(), array.read());
console.log(await Readable.from([1, 2, 3]).take(2).toArray());
const unread = watch("unread", new Readable({ read() {} }));
await unread[Symbol.asyncDispose]();
state(unread);
