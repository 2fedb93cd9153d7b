// The global object as an event target: DOM 2.7, HTML 8.1.4.6 (reporting exceptions) and 8.1.8.1 (event handlers).

const tick = () => new Promise((resolve) => setTimeout(resolve, 0));

test("global: it is an event target, with and without a receiver", async () => {
  const seen = [];
  const listener = function (e) { seen.push(this === globalThis, e.target === globalThis); };
  addEventListener("t", listener);
  globalThis.dispatchEvent(new Event("t"));
  EventTarget.prototype.dispatchEvent.call(undefined, new Event("t"));
  removeEventListener("t", listener);
  dispatchEvent(new Event("t"));
  equal(seen, [true, true, true, true]);
  equal(addEventListener, EventTarget.prototype.addEventListener);
});

test("global: what a timer, a microtask and a listener throw comes as an ErrorEvent", async () => {
  const seen = [];
  const listener = (e) => { seen.push(e.error, e instanceof ErrorEvent, e.isTrusted, e.cancelable); e.preventDefault(); };
  addEventListener("error", listener);
  setTimeout(() => { throw 1; }, 0);
  await tick();
  queueMicrotask(() => { throw 2; });
  await tick();
  const target = new EventTarget();
  let reached = false;
  target.addEventListener("t", () => { throw 3; });
  target.addEventListener("t", () => { reached = true; });
  target.addEventListener("t", {});
  target.dispatchEvent(new Event("t"));
  removeEventListener("error", listener);
  equal(seen.slice(0, 12), [1, true, true, true, 2, true, true, true, 3, true, true, true]);
  ok(seen[12] instanceof TypeError && reached);
});

test("global: reportError names message, file, line and column", async () => {
  let seen;
  const error = new RangeError("too far");
  onerror = (...args) => { seen = args; return true; };
  reportError(error);
  onerror = null;
  equal(seen.length, 5);
  ok(seen[0].includes("too far") && seen[1].length > 0 && seen[2] > 0 && seen[3] > 0);
  equal(seen[4], error);
  throws(TypeError, () => reportError());
});

test("global: onerror is an accessor that keeps only objects", async () => {
  equal(onerror, null);
  onerror = 5;
  equal(onerror, null);
  const handler = {};
  onerror = handler;
  equal(globalThis.onerror, handler);
  onerror = null;
  const d = Object.getOwnPropertyDescriptor(globalThis, "onerror");
  equal([typeof d.get, typeof d.set], ["function", "function"]);
});

test("global: an event handler keeps its place among the listeners while it is replaced", async () => {
  const order = [];
  const before = () => order.push("before"), after = () => order.push("after");
  addEventListener("error", before);
  onerror = () => order.push("old");
  addEventListener("error", after);
  onerror = () => { order.push("new"); return true; };
  reportError(1);
  equal(order, ["before", "new", "after"]);
  onerror = null;
  removeEventListener("error", before);
  removeEventListener("error", after);
});
