// DOM section 3: aborting ongoing activities.

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("AbortController and AbortSignal: the interfaces have the shape that WebIDL gives them", async () => {
  isInterface("AbortController", ["signal"], { abort: 0 });
  isInterface("AbortSignal", ["aborted", "reason", "onabort"], { throwIfAborted: 0 }, { abort: 0, timeout: 1, any: 1 });
  equal(Object.getPrototypeOf(AbortSignal), EventTarget);
  throws(TypeError, () => new AbortSignal());
});

test("abort: reason, event, and once only", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  equal([signal, signal.aborted, signal.reason, signal.throwIfAborted()], [controller.signal, false, undefined, undefined]);
  const seen = [];
  signal.onabort = function (e) { seen.push(this === signal, e.type, e.isTrusted, e.bubbles, e.cancelable, signal.aborted); };
  const why = {};
  controller.abort(why);
  controller.abort("again");
  equal(seen, [true, "abort", true, false, false, true]);
  equal([signal.aborted, signal.reason], [true, why]);
  throws(why, () => signal.throwIfAborted());
});

test("abort: the reason defaults to an AbortError; null is a reason", async () => {
  const controller = new AbortController();
  controller.abort();
  ok(controller.signal.reason instanceof DOMException);
  equal([controller.signal.reason.name, controller.signal.reason.code], ["AbortError", 20]);
  const other = new AbortController();
  other.abort(null);
  equal([other.signal.aborted, other.signal.reason], [true, null]);
});

test("AbortSignal.abort: an aborted signal", async () => {
  equal([AbortSignal.abort().aborted, AbortSignal.abort().reason.name, AbortSignal.abort(5).reason], [true, "AbortError", 5]);
});

test("AbortSignal.timeout: aborts with a TimeoutError, in time", async () => {
  const signal = AbortSignal.timeout(5);
  let fired = 0;
  signal.addEventListener("abort", () => fired++);
  equal(signal.aborted, false);
  await wait(40);
  equal([signal.aborted, signal.reason.name, fired], [true, "TimeoutError", 1]);
});

test("AbortSignal.timeout: the time is a range-checked integer", async () => {
  for (const ms of [-1, NaN, Infinity, 2 ** 53, "x"]) throws(TypeError, () => AbortSignal.timeout(ms));
  throws(TypeError, () => AbortSignal.timeout());
});

test("AbortSignal.any: aborts with the first source", async () => {
  const [a, b] = [new AbortController(), new AbortController()];
  const any = AbortSignal.any([a.signal, b.signal]);
  equal(any.aborted, false);
  b.abort("b");
  a.abort("a");
  equal([any.aborted, any.reason], [true, "b"]);
  equal(AbortSignal.any([a.signal, b.signal]).reason, "a");
  equal(AbortSignal.any([]).aborted, false);
});

test("AbortSignal.any: through dependents, sources first, all marked before any event", async () => {
  const controller = new AbortController();
  const inner = AbortSignal.any([controller.signal]);
  const outer = AbortSignal.any([inner]);
  const order = [];
  outer.onabort = () => order.push("outer", inner.aborted);
  inner.onabort = () => order.push("inner", outer.aborted);
  controller.signal.onabort = () => order.push("source", inner.aborted, outer.aborted);
  controller.abort();
  equal(order, ["source", true, true, "inner", true, "outer", true]);
  equal([inner.reason, outer.reason], [controller.signal.reason, controller.signal.reason]);
});

test("AbortSignal.any: a dependent signal with a listener lives as long as its source", async () => {
  const controller = new AbortController();
  let heard = 0;
  const listen = () => AbortSignal.any([AbortSignal.any([controller.signal])]).addEventListener("abort", () => heard++);
  for (let i = 0; i < 50; i++) listen();
  await wait(0);
  controller.abort();
  equal(heard, 50);
});

test("AbortSignal.any: a dependent of a timeout is heard", async () => {
  let heard;
  const listen = () => { AbortSignal.any([AbortSignal.timeout(5)]).onabort = (e) => { heard = e.target.reason.name; }; };
  listen();
  await wait(40);
  equal(heard, "TimeoutError");
});

test("AbortSignal.any: its argument is a sequence of signals", async () => {
  throws(TypeError, () => AbortSignal.any());
  throws(TypeError, () => AbortSignal.any(AbortSignal.abort()));
  throws(TypeError, () => AbortSignal.any([null]));
  throws(TypeError, () => AbortSignal.any([{}]));
});

test("onabort: set, replaced, and removed", async () => {
  const controller = new AbortController();
  const { signal } = controller;
  equal(signal.onabort, null);
  const seen = [];
  signal.onabort = () => seen.push(1);
  signal.onabort = () => seen.push(2);
  signal.addEventListener("abort", () => seen.push(3));
  const removed = () => seen.push(4);
  signal.onabort = removed;
  equal(signal.onabort, removed);
  signal.onabort = null;
  controller.abort();
  equal(seen, [3]);
  throws(TypeError, () => Object.getOwnPropertyDescriptor(AbortSignal.prototype, "onabort").get.call(new EventTarget()));
});
