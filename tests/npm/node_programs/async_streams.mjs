// What an AsyncLocalStorage has in the callbacks of streams. Which of them comes first is another matter: sorted.
import { AsyncLocalStorage } from "node:async_hooks";
const storage = new AsyncLocalStorage();
const lines = [];
const say = (what) => lines.push(`${what} ${storage.getStore()}`);
const later = () => new Promise((resolve) => setTimeout(resolve, 1));
const through = () =>
  new TransformStream({
    transform(chunk, controller) {
      say("transform");
      controller.enqueue(chunk);
    },
    flush() {
      say("flush");
    },
  });

await storage.run("reads", async () => {
  let left = 3;
  const stream = new ReadableStream({
    start() {
      say("start");
    },
    async pull(controller) {
      say("pull");
      await later();
      say("pulled");
      controller.enqueue(1);
      if (--left === 0) controller.close();
    },
  });
  for await (const _ of stream.pipeThrough(through())) say("chunk");
});

const shared = new WritableStream({
  async write(chunk) {
    say(`write ${chunk}`);
    await later();
    say(`wrote ${chunk}`);
  },
});
const writer = shared.getWriter();
await writer.ready;
const write = async (chunk) => {
  await writer.write(chunk);
  say(`done ${chunk}`);
};
await Promise.all(["a", "b", "c"].map((name) => storage.run(name, write, name)));

const controlled = (controller) => {
  say("teed");
  controller.enqueue(1);
  controller.close();
};
const [left, right] = storage.run("tees", () => new ReadableStream({ pull: controlled }, { highWaterMark: 0 }).tee());
const readAll = async (stream) => {
  for await (const _ of stream) say("of a tee");
};
await storage.run("left", readAll, left);
await storage.run("right", readAll, right);

const sink = {
  write() {
    say("sink");
  },
  close() {
    say("closed");
  },
};
await storage.run("pipes", () => ReadableStream.from([1, 2, 3]).pipeTo(new WritableStream(sink)));
await storage.run("text", async () => say(await new Response(new ReadableStream({ pull: (c) => (say("body"), c.close()) })).text()));
// What waits until somebody reads goes on for who arranged it.
const waits = storage.run("arranges", () => new Response("ok").body.pipeThrough(through()).pipeThrough(through()));
await later();
await storage.run("reads later", readAll, waits);
const slow = {
  async write() {
    say("slow sink");
    await later();
  },
  close() {
    say("slow sink closed");
  },
};
await storage.run("slow", () => ReadableStream.from([1, 2]).pipeTo(new WritableStream(slow)));
const middle = storage.run("makes", through);
const written = storage.run("writes", async () => {
  const out = middle.writable.getWriter();
  for (const chunk of [1, 2]) await out.write(chunk);
  await out.close();
});
await later();
await readAll(middle.readable);
await written;
say("outside");
console.log(lines.sort().join("\n"));
