// DOM section 2: events; HTML 8.1.8.1: event handlers.

const tick = () => new Promise((resolve) => setTimeout(resolve, 0));

test("Event: the interface has the shape that WebIDL gives it", async () => {
  isInterface("Event",
    ["type", "target", "srcElement", "currentTarget", "eventPhase", "cancelBubble", "bubbles", "cancelable",
     "returnValue", "defaultPrevented", "composed", "timeStamp"],
    { composedPath: 0, stopPropagation: 0, stopImmediatePropagation: 0, preventDefault: 0, initEvent: 1 }, [], 1);
  equal([Event.NONE, Event.CAPTURING_PHASE, Event.AT_TARGET, new Event("").BUBBLING_PHASE], [0, 1, 2, 3]);
});

test("EventTarget: the interface has the shape that WebIDL gives it", async () => {
  isInterface("EventTarget", [], { addEventListener: 2, removeEventListener: 2, dispatchEvent: 1 });
});

test("Event: isTrusted is each event's own, unforgeable, with one getter for all", async () => {
  const [a, b] = [new Event("x"), new Event("x")].map((e) => Object.getOwnPropertyDescriptor(e, "isTrusted"));
  equal([a.get, a.set, a.enumerable, a.configurable], [b.get, undefined, true, false]);
  equal(new Event("x").isTrusted, false);
});

test("Event: the constructor reads its dictionary", async () => {
  const e = new Event("t", { bubbles: 1, cancelable: "x", composed: {} });
  equal([e.type, e.bubbles, e.cancelable, e.composed], ["t", true, true, true]);
  const d = new Event(undefined, null);
  equal([d.type, d.bubbles, d.cancelable, d.composed, d.eventPhase], ["undefined", false, false, false, 0]);
  equal([d.target, d.currentTarget, d.srcElement, d.returnValue, d.defaultPrevented], [null, null, null, true, false]);
  throws(TypeError, () => new Event());
  throws(TypeError, () => new Event("t", 1));
  const order = [];
  const get = (key) => ({ get: () => void order.push(key) });
  new Event({ toString: () => (order.push("type"), "") }, Object.create({}, {
    composed: get("composed"), cancelable: get("cancelable"), bubbles: get("bubbles") }));
  equal(order, ["type", "bubbles", "cancelable", "composed"]);
});

test("Event: timeStamp is the time of creation on performance's clock", async () => {
  const before = performance.now();
  const e = new Event("t");
  ok(e.timeStamp >= before && e.timeStamp <= performance.now());
  await tick();
  equal(e.timeStamp, e.timeStamp);
});

test("Event: only a cancelable event is prevented, and returnValue can only cancel", async () => {
  const e = new Event("t", { cancelable: true });
  e.returnValue = true;
  equal(e.defaultPrevented, false);
  e.returnValue = false;
  e.returnValue = true;
  equal([e.defaultPrevented, e.returnValue], [true, false]);
  const fixed = new Event("t");
  fixed.preventDefault();
  fixed.returnValue = false;
  equal(fixed.defaultPrevented, false);
});

test("Event: initEvent starts the event afresh, but not while it is dispatched", async () => {
  const e = new Event("a", { cancelable: true, composed: true });
  e.preventDefault();
  e.stopPropagation();
  equal(e.cancelBubble, true);
  e.initEvent("b", true);
  equal([e.type, e.bubbles, e.cancelable, e.composed, e.defaultPrevented, e.cancelBubble],
    ["b", true, false, true, false, false]);
  const target = new EventTarget();
  target.addEventListener("b", (event) => event.initEvent("c"));
  target.dispatchEvent(e);
  equal(e.type, "b");
  throws(TypeError, () => e.initEvent());
});

test("dispatch: a listener sees target, phase and path, which end with the dispatch", async () => {
  const target = new EventTarget();
  const e = new Event("t");
  let seen;
  target.addEventListener("t", function (event) {
    seen = [this, event, event.target, event.currentTarget, event.srcElement, event.eventPhase, ...event.composedPath()];
  });
  equal(target.dispatchEvent(e), true);
  equal(seen, [target, e, target, target, target, 2, target]);
  equal([e.target, e.currentTarget, e.eventPhase, e.composedPath().length], [target, null, 0, 0]);
});

test("dispatch: capturing listeners first, then the others, each in order", async () => {
  const target = new EventTarget();
  const order = [];
  for (const [name, capture] of [["a", false], ["b", true], ["c", false], ["d", true]]) {
    target.addEventListener("t", () => order.push(name), capture);
  }
  target.dispatchEvent(new Event("t"));
  equal(order, ["b", "d", "a", "c"]);
});

test("dispatch: returns whether nobody canceled", async () => {
  const target = new EventTarget();
  target.addEventListener("t", (e) => e.preventDefault());
  equal(target.dispatchEvent(new Event("t", { cancelable: true })), false);
  equal(target.dispatchEvent(new Event("t")), true);
});

test("dispatch: a passive listener cannot cancel", async () => {
  const target = new EventTarget();
  target.addEventListener("t", (e) => { e.preventDefault(); e.returnValue = false; }, { passive: true });
  equal(target.dispatchEvent(new Event("t", { cancelable: true })), true);
});

test("dispatch: an event under way, or no event, is refused", async () => {
  const target = new EventTarget();
  let error;
  target.addEventListener("t", (e) => { error = throws("InvalidStateError", () => target.dispatchEvent(e)); });
  target.dispatchEvent(new Event("t"));
  equal(error.code, 11);
  throws(TypeError, () => target.dispatchEvent());
  throws(TypeError, () => target.dispatchEvent(null));
  throws(TypeError, () => target.dispatchEvent({ type: "t" }));
});

test("dispatch: stopImmediatePropagation ends it, stopPropagation lets the same pass finish", async () => {
  const run = (stop) => {
    const target = new EventTarget();
    const order = [];
    target.addEventListener("t", (e) => { order.push(1); e[stop](); }, true);
    target.addEventListener("t", () => order.push(2), true);
    target.addEventListener("t", () => order.push(3));
    const e = new Event("t");
    target.dispatchEvent(e);
    equal(e.cancelBubble, false);
    return order;
  };
  equal(run("stopImmediatePropagation"), [1]);
  equal(run("stopPropagation"), [1, 2]);
});

test("dispatch: listeners removed meanwhile are skipped, added ones wait", async () => {
  const target = new EventTarget();
  const order = [];
  const second = () => order.push("second");
  target.addEventListener("t", () => {
    order.push("first");
    target.removeEventListener("t", second);
    target.addEventListener("t", () => order.push("late"));
  }, { once: true });
  target.addEventListener("t", second);
  target.dispatchEvent(new Event("t"));
  equal(order, ["first"]);
  target.dispatchEvent(new Event("t"));
  equal(order, ["first", "late"]);
});

test("listeners: the same type, callback and capture count once", async () => {
  const target = new EventTarget();
  let count = 0;
  const listener = () => count++;
  target.addEventListener("t", listener);
  target.addEventListener("t", listener, { passive: true, once: true });
  target.addEventListener("t", listener, true);
  target.dispatchEvent(new Event("t"));
  equal(count, 2);
  target.removeEventListener("t", listener, { capture: true });
  target.dispatchEvent(new Event("t"));
  equal(count, 3);
  target.removeEventListener("t", listener);
  target.removeEventListener("t", listener);
  target.dispatchEvent(new Event("t"));
  equal(count, 3);
});

test("listeners: once removes before the call", async () => {
  const target = new EventTarget();
  let count = 0;
  target.addEventListener("t", () => { if (++count === 1) target.dispatchEvent(new Event("t")); }, { once: true });
  target.dispatchEvent(new Event("t"));
  equal(count, 1);
});

test("listeners: handleEvent is looked up at each call, with the object as receiver", async () => {
  const target = new EventTarget();
  const seen = [];
  const listener = { handleEvent(e) { seen.push(this === listener, e.type); } };
  target.addEventListener("t", listener);
  target.dispatchEvent(new Event("t"));
  listener.handleEvent = () => seen.push("new");
  target.dispatchEvent(new Event("t"));
  equal(seen, [true, "t", "new"]);
});

test("listeners: null is ignored, other primitives and missing arguments are refused", async () => {
  const target = new EventTarget();
  equal([target.addEventListener("t", null), target.removeEventListener("t", undefined)], [undefined, undefined]);
  throws(TypeError, () => target.addEventListener("t", 1));
  throws(TypeError, () => target.addEventListener("t"));
  throws(TypeError, () => target.removeEventListener("t", "x"));
});

test("listeners: a signal removes the listener when it aborts", async () => {
  const target = new EventTarget();
  const controller = new AbortController();
  let count = 0;
  target.addEventListener("t", () => count++, { signal: controller.signal });
  target.dispatchEvent(new Event("t"));
  controller.abort();
  target.dispatchEvent(new Event("t"));
  target.addEventListener("t", () => count++, { signal: controller.signal });
  target.dispatchEvent(new Event("t"));
  equal(count, 1);
  for (const signal of [null, {}, 1]) throws(TypeError, () => target.addEventListener("t", () => {}, { signal }));
});

test("listeners: one aborted by its own dispatch is not called", async () => {
  const target = new EventTarget();
  const controller = new AbortController();
  const order = [];
  target.addEventListener("t", () => { order.push(1); controller.abort(); }, { signal: controller.signal });
  target.addEventListener("t", () => order.push(2), { signal: controller.signal });
  target.addEventListener("t", () => order.push(3));
  target.dispatchEvent(new Event("t"));
  equal(order, [1, 3]);
});

test("EventTarget: subclasses work, and other receivers are refused", async () => {
  class Target extends EventTarget {}
  const target = new Target();
  let seen;
  target.addEventListener("t", (e) => { seen = e.target; });
  target.dispatchEvent(new Event("t"));
  equal(seen, target);
  throws(TypeError, () => EventTarget.prototype.addEventListener.call({}, "t", null));
});

test("CustomEvent: detail, and initCustomEvent", async () => {
  isInterface("CustomEvent", ["detail"], { initCustomEvent: 1 }, [], 1);
  const detail = {};
  const e = new CustomEvent("t", { detail, bubbles: true });
  equal([e.detail, e.bubbles, e instanceof Event], [detail, true, true]);
  equal(new CustomEvent("t").detail, null);
  e.initCustomEvent("u", false, true, 5);
  equal([e.type, e.bubbles, e.cancelable, e.detail], ["u", false, true, 5]);
  e.initCustomEvent("v");
  equal([e.type, e.cancelable, e.detail], ["v", false, null]);
});

test("ErrorEvent: its members", async () => {
  isInterface("ErrorEvent", ["message", "filename", "lineno", "colno", "error"], {}, [], 1);
  const e = new ErrorEvent("error", { message: 1, filename: "f", lineno: -1, colno: 2.7, error: null });
  equal([e.message, e.filename, e.lineno, e.colno, e.error], ["1", "f", 4294967295, 2, null]);
  const d = new ErrorEvent("error");
  equal([d.message, d.filename, d.lineno, d.colno, d.error], ["", "", 0, 0, undefined]);
});

test("PromiseRejectionEvent: its members", async () => {
  isInterface("PromiseRejectionEvent", ["promise", "reason"], {}, [], 2);
  const promise = Promise.resolve();
  const e = new PromiseRejectionEvent("x", { promise, reason: 3 });
  equal([e.promise, e.reason], [promise, 3]);
  throws(TypeError, () => new PromiseRejectionEvent("x"));
  throws(TypeError, () => new PromiseRejectionEvent("x", {}));
});

test("MessageEvent: its members", async () => {
  isInterface("MessageEvent", ["data", "origin", "lastEventId", "source", "ports"], { initMessageEvent: 1 }, [], 1);
  const { port1 } = new MessageChannel();
  const e = new MessageEvent("message", { data: 1, origin: "o", lastEventId: "l", source: port1, ports: [port1] });
  equal([e.data, e.origin, e.lastEventId, e.source, e.ports[0]], [1, "o", "l", port1, port1]);
  ok(Object.isFrozen(e.ports) && e.ports === e.ports);
  const d = new MessageEvent("message");
  equal([d.data, d.origin, d.lastEventId, d.source, d.ports], [null, "", "", null, []]);
  throws(TypeError, () => new MessageEvent("message", { ports: [1] }));
  throws(TypeError, () => new MessageEvent("message", { source: {} }));
  e.initMessageEvent("m", false, false, 2, "p", "q", null, []);
  equal([e.type, e.data, e.origin, e.lastEventId, e.source, e.ports.length], ["m", 2, "p", "q", null, 0]);
});
