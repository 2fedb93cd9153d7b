// Every way on which a store is kept here.
import { AsyncLocalStorage, AsyncResource } from "async_hooks";
const storage = new AsyncLocalStorage();
const other = new AsyncLocalStorage();
const lines = [];
const say = (what) => lines.push(`${what}: ${storage.getStore()} ${other.getStore()}`);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const deep = async (n) => {
  if (n > 0) await deep(n - 1);
  await sleep(1);
};

await Promise.all(
  ["a", "b", "c"].map((name, i) =>
    storage.run(name, async () => {
      say(`${name} begin`);
      await sleep(3 - i);
      say(`${name} slept`);
      await Promise.resolve();
      await deep(3);
      say(`${name} deep`);
      await other.run(name + name, async () => {
        await sleep(1);
        say(`${name} inner`);
      });
      say(`${name} outer`);
      await sleep(1).then(() => say(`${name} then`));
      await Promise.reject(new Error("x")).catch(() => say(`${name} catch`));
      await Promise.resolve().finally(() => say(`${name} finally`));
      try {
        await Promise.reject(new Error("y"));
      } catch {
        say(`${name} caught`);
      }
      await new Promise((resolve) => queueMicrotask(() => (say(`${name} microtask`), resolve())));
      await new Promise((resolve) => {
        let count = 0;
        const timer = setInterval(() => {
          say(`${name} interval`);
          if (++count === 2) resolve(clearInterval(timer));
        }, 1);
      });
      async function* values() {
        yield await sleep(1).then(() => 1);
        say(`${name} generator`);
        yield 2;
      }
      for await (const value of values()) say(`${name} value ${value}`);
      await Promise.all([sleep(1), sleep(2)]);
      say(`${name} all`);
    }),
  ),
);
say("outside");
storage.run("x", () => {
  const bound = AsyncLocalStorage.bind((what) => say(what));
  const snapshot = AsyncLocalStorage.snapshot();
  const resource = new AsyncResource("mine");
  storage.run("y", () => {
    say("y");
    bound("bound");
    snapshot(say, "snapshot");
    resource.runInAsyncScope(say, null, "resource");
    storage.exit(() => say("exit"));
    say("y again");
  });
  try {
    storage.run("z", () => {
      throw new Error("thrown");
    });
  } catch {
    say("after a throw");
  }
});
say("outside");
console.log(lines.sort().join("\n"));
