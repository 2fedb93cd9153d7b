import EventEmitter, { once, on, EventEmitter as Named, errorMonitor, getEventListeners, listenerCount } from "events";
import { inherits } from "util";
console.log(EventEmitter === Named, EventEmitter.EventEmitter === EventEmitter, EventEmitter.defaultMaxListeners, typeof EventEmitter.once);
const e = new EventEmitter();
const log = (name) => Object.assign((...args) => console.log(name, ...args), { tag: name });
const first = log("first");
console.log(e.on("x", first) === e, e.emit("x", 1, 2), e.emit("y"), e.listenerCount("x"));
e.prependListener("x", log("zeroth"));
e.once("x", log("once"));
e.prependOnceListener("x", log("before all, once"));
console.log(e.rawListeners("x").length, e.listeners("x").map((f) => f.tag));
e.emit("x", "a");
e.emit("x", "b");
e.off("x", first);
e.emit("x", "c");
e.removeListener("x", () => {});
const symbol = Symbol("s");
e.on(symbol, log("symbol"));
console.log(e.eventNames(), e.emit(symbol, 5), e.removeAllListeners("x").eventNames());
e.on("newListener", (name, f) => console.log("new", name, typeof f));
e.on("removeListener", (name, f) => console.log("removed", name, typeof f));
e.once("q", log("q"));
e.emit("q", 1);
e.on("q", first);
e.removeAllListeners();
console.log(e.eventNames());
for (const thrown of [new Error("mine"), "text", undefined, { a: 1 }]) {
  try {
    new EventEmitter().emit("error", thrown);
  } catch (error) {
    console.log(error.name, error.code, thrown instanceof Error ? error === thrown : error.context === thrown);
  }
}
try {
  e.on("x", "no function");
} catch (error) {
  console.log(error.name, error.code);
}
const during = new EventEmitter();
during.on("x", function listener() {
  console.log("during", this === during);
  during.on("x", log("added while emitting"));
  during.off("x", listener);
});
during.emit("x");
during.emit("x");
console.log(during.setMaxListeners(1).getMaxListeners(), listenerCount(during, "x"), getEventListeners(during, "x").length);
class Mine extends EventEmitter {
  constructor() {
    super();
    this.own = 1;
  }
}
const mine = new Mine();
mine.on("z", log("subclass"));
console.log(mine.emit("z"), mine instanceof EventEmitter, mine.own);
function Old() {
  EventEmitter.call(this);
}
inherits(Old, EventEmitter);
const old = new Old();
old.on("o", log("inherits"));
console.log(old.emit("o", 1), old instanceof EventEmitter, Object.keys(new Old()).length > 0);
const later = new EventEmitter();
queueMicrotask(() => later.emit("ready", 1, 2));
console.log(await once(later, "ready"));
queueMicrotask(() => later.emit("error", new Error("failed")));
console.log((await once(later, "ready").catch((error) => error)).message, later.eventNames());
const controller = new AbortController();
queueMicrotask(() => controller.abort());
console.log((await once(later, "ready", { signal: controller.signal }).catch((error) => error)).name);
const target = new EventTarget();
queueMicrotask(() => target.dispatchEvent(new Event("go")));
console.log((await once(target, "go"))[0].type);
queueMicrotask(() => [1, 2, 3].forEach((n) => later.emit("n", n)));
for await (const [n] of on(later, "n")) {
  console.log("on", n);
  if (n === 3) break;
}
console.log(later.eventNames());
const monitored = new EventEmitter();
monitored.on(errorMonitor, (error) => console.log("monitor", error.message));
monitored.on("error", (error) => console.log("handler", error.message));
monitored.emit("error", new Error("seen"));
const kept = new EventEmitter().on("a", () => {}).on(undefined, () => {});
console.log(kept.removeAllListeners(undefined).eventNames(), kept.removeAllListeners().eventNames());
