// process.nextTick beside microtasks and timers: what comes before what.
import { AsyncLocalStorage } from "node:async_hooks";

const say = (text) => () => console.log(text);
const { nextTick } = process;
const turn = () => new Promise((resolve) => setTimeout(resolve, 1));

// While a module is evaluated.
nextTick(say("tick"));
Promise.resolve().then(say("promise")).then(say("promise 2"));
queueMicrotask(() => {
  console.log("microtask");
  nextTick(say("tick of a microtask"));
});
console.log("module");
await null;
console.log("behind await");
await turn();

// In a callback: all ticks, all microtasks, and so on.
setTimeout(() => {
  Promise.resolve().then(() => {
    console.log("promise");
    nextTick(() => {
      console.log("tick of a promise");
      Promise.resolve().then(say("promise of a tick of a promise"));
      nextTick(say("tick of a tick of a promise"));
    });
    return Promise.resolve().then(say("promise of a promise"));
  });
  nextTick(() => {
    console.log("tick 1");
    Promise.resolve().then(say("promise of a tick"));
    nextTick(say("tick of a tick"));
  });
  nextTick((...args) => console.log("tick 2", args), 1, "two");
});
setTimeout(say("next timer"));
await turn();
await turn();

// Each timer's ticks come before the next timer.
for (const n of [1, 2]) setTimeout(() => nextTick(() => Promise.resolve().then(say(`timer ${n}`))));
await turn();

// A rejection is told of when neither is left.
process.on("unhandledRejection", () => {});
const rejected = Promise.reject(new Error("no"));
nextTick(() => Promise.resolve().then(() => nextTick(() => rejected.catch(say("handled in time")))));
await turn();

// A store goes along.
const storage = new AsyncLocalStorage();
storage.run("store", () => nextTick(async () => {
  console.log(storage.getStore());
  nextTick(() => console.log(storage.getStore()));
  await null;
  console.log(storage.getStore());
}));
nextTick(() => console.log(storage.getStore()));
await turn();

let count = 0;
await new Promise((resolve) => nextTick(function again() {
  if (++count === 20_000) resolve();
  else nextTick(again);
}));
console.log(count);
nextTick(function () { console.log(this); });
for (const wrong of [undefined, null, 5, "f", {}]) {
  try {
    nextTick(wrong);
  } catch (error) {
    console.log(error.name, error.code, error.message);
  }
}
await turn();
