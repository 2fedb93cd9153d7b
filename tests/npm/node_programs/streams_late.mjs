// What comes after the end of writing, or after an error: who is told when.
import { Duplex, Readable, Transform, Writable, finished } from "node:stream";

const rest = (time = 20) => new Promise((resolve) => setTimeout(resolve, time));
const told = (error) => error?.message ?? "nothing";

// `finished` waits for what is being written, or for `final`, though nothing more may be written.
const losing = new Transform({ transform: (chunk, encoding, callback) => setTimeout(callback, 5, new Error("lost")) });
losing.on("error", () => {});
losing.end("x");
finished(losing, { readable: false }, (error) => console.log("losing", told(error)));
await rest();
const kept = new Writable({ autoDestroy: false, write: (chunk, encoding, callback) => callback(), final: (callback) => setTimeout(callback, 5) });
kept.end();
finished(kept, (error) => console.log("kept", told(error), kept.writableFinished));
await rest();
const written = new Duplex({ read() {}, write: (chunk, encoding, callback) => setTimeout(callback, 5) });
written.end("x");
finished(written, { readable: false }, (error) => console.log("written", told(error), written.writableFinished));
await rest();
// Who ends a stream that has failed is told so.
const failed = new Writable({ autoDestroy: false, write: (chunk, encoding, callback) => callback(new Error("failed")) });
failed.on("error", (error) => console.log("error", told(error)));
failed.write("a");
await rest();
failed.end((error) => console.log("ended", told(error)));
await rest();
// `finish` comes behind what the writer does when it has written.
for (const objectMode of [false, true]) {
  for (const isTold of [false, true]) {
    const slow = new Writable({
      objectMode,
      write(chunk, encoding, callback) {
        setTimeout(() => {
          callback();
          console.log("behind it");
          process.nextTick(() => console.log("a tick later"));
        }, 1);
      },
    });
    slow.on("finish", () => console.log("finish", objectMode, isTold));
    slow.write("a", ...(isTold ? [() => console.log("called")] : []));
    slow.end();
    await rest();
    const quick = new Writable({ objectMode, write: (chunk, encoding, callback) => callback() });
    quick.on("finish", () => console.log("finish at once", objectMode, isTold));
    quick.write("a", ...(isTold ? [() => console.log("called")] : []));
    quick.end();
    process.nextTick(() => console.log("tick"));
    await rest();
  }
}
// What was constructed is written in the same tick.
const constructed = new Writable({
  construct(callback) {
    callback();
    process.nextTick(() => console.log("a tick of construct"));
  },
  write(chunk, encoding, callback) {
    console.log("write", `${chunk}`);
    callback();
  },
});
constructed.write("a");
await rest();
// What lies there is given and told of until the error is.
const readable = new Readable({ read() {} });
readable.on("error", (error) => console.log("error", told(error)));
readable.push("abc");
readable.on("data", (chunk) => console.log("data", `${chunk}`));
readable.pause();
readable.destroy(new Error("broken"));
console.log("read", String(readable.read()));
await rest();
