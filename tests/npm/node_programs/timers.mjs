import timers, { clearImmediate, promises, setImmediate, setTimeout } from "timers";
import { scheduler, setImmediate as immediately, setInterval as every, setTimeout as later } from "timers/promises";
console.log(promises.setTimeout === later, timers.promises === promises, typeof timers.clearInterval);
console.log(await later(1, "value"), await immediately("now"), await scheduler.wait(1), await scheduler.yield());
await new Promise((resolve) => setImmediate((a, b) => resolve(console.log(a, b)), 1, 2));
clearImmediate(setImmediate(() => console.log("never")));
setTimeout((text) => console.log(text), 1, "later");
let count = 0;
for await (const value of every(1, "tick")) {
  console.log(value);
  if (++count === 3) break;
}
const controller = new AbortController();
const waiting = later(100_000, null, { signal: controller.signal });
controller.abort("why");
for (const promise of [waiting, later(1, null, { signal: AbortSignal.abort("before") }), immediately(1, { signal: AbortSignal.abort() })]) {
  await promise.catch((error) => console.log(error.name, error.code, error.message, typeof error.cause));
}
