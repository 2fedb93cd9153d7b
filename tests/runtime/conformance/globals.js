// The shape of the global object and of every interface on it: Web IDL, section 3.7, and the list of the Minimum Common
// Web API (Ecma TC55).

const INTERFACES = ("AbortController AbortSignal Blob BroadcastChannel ByteLengthQueuingStrategy Cache CacheStorage CloseEvent CompressionStream " +
  "CountQueuingStrategy Crypto CustomEvent DOMException DecompressionStream ErrorEvent Event EventSource EventTarget File FormData Headers " +
  "MessageChannel MessageEvent MessagePort Navigator Performance PerformanceEntry PerformanceMark PerformanceMeasure " +
  "PerformanceObserver PerformanceObserverEntryList PromiseRejectionEvent ReadableByteStreamController ReadableStream " +
  "ReadableStreamBYOBReader ReadableStreamBYOBRequest ReadableStreamDefaultController ReadableStreamDefaultReader Request " +
  "Response TextDecoder TextDecoderStream TextEncoder TextEncoderStream TransformStream TransformStreamDefaultController URL " +
  "URLPattern URLSearchParams WebSocket WritableStream WritableStreamDefaultController WritableStreamDefaultWriter").split(" ");
const FUNCTIONS = ("atob btoa clearInterval clearTimeout queueMicrotask reportError setInterval setTimeout structuredClone " +
  "addEventListener removeEventListener dispatchEvent").split(" ");
const PARENTS = { AbortSignal: "EventTarget", BroadcastChannel: "EventTarget", EventSource: "EventTarget", WebSocket: "EventTarget", CloseEvent: "Event", MessagePort: "EventTarget", Performance: "EventTarget",
  CustomEvent: "Event", ErrorEvent: "Event", MessageEvent: "Event", PromiseRejectionEvent: "Event", File: "Blob",
  PerformanceMark: "PerformanceEntry", PerformanceMeasure: "PerformanceEntry" };

const membersOf = (object) => Reflect.ownKeys(object).map((key) => [key, Object.getOwnPropertyDescriptor(object, key)]);
const each = (check) => { for (const name of INTERFACES) check(globalThis[name], name, globalThis[name].prototype); };

test("all are there", () => {
  for (const name of INTERFACES) equal(typeof globalThis[name], "function", name);
  for (const name of FUNCTIONS) equal(typeof globalThis[name], "function", name);
  for (const name of ["caches", "console", "crypto", "navigator", "performance"]) equal(typeof globalThis[name], "object", name);
  equal(self, globalThis);
});

test("interface objects: attributes, name, constructor without new", () => {
  each((C, name) => {
    const d = Object.getOwnPropertyDescriptor(globalThis, name);
    equal([d.writable, d.enumerable, d.configurable], [true, false, true], name);
    equal(C.name, name);
    for (const key of ["name", "length"]) {
      const own = Object.getOwnPropertyDescriptor(C, key);
      equal([own.writable, own.enumerable, own.configurable], [false, false, true], `${name}.${key}`);
    }
    throws(TypeError, () => C(), name);
  });
});

test("prototypes: attributes, constructor, tag", () => {
  each((C, name, P) => {
    const d = Object.getOwnPropertyDescriptor(C, "prototype");
    equal([d.writable, d.enumerable, d.configurable], [false, false, false], name);
    const constructor = Object.getOwnPropertyDescriptor(P, "constructor");
    equal([constructor.value, constructor.writable, constructor.enumerable, constructor.configurable], [C, true, false, true], name);
    const tag = Object.getOwnPropertyDescriptor(P, Symbol.toStringTag);
    equal([tag.value, tag.writable, tag.enumerable, tag.configurable], [name, false, false, true], name);
  });
});

test("inheritance", () => {
  each((C, name, P) => {
    const parent = PARENTS[name];
    if (name === "DOMException") return equal(Object.getPrototypeOf(P), Error.prototype);
    equal(Object.getPrototypeOf(C), parent ? globalThis[parent] : Function.prototype, name);
    equal(Object.getPrototypeOf(P), parent ? globalThis[parent].prototype : Object.prototype, name);
  });
});

test("operations and attributes: enumerable, configurable, named", () => {
  each((C, name, P) => {
    for (const [where, object] of [["", C], [".prototype", P]]) {
      for (const [key, d] of membersOf(object)) {
        if (typeof key === "symbol" || ["constructor", "prototype", "name", "length"].includes(key)) continue;
        const label = `${name}${where}.${key}`;
        if (typeof d.value === "function") {
          equal([d.writable, d.enumerable, d.configurable, d.value.name], [true, true, true, key], label);
          ok(!Object.hasOwn(d.value, "prototype"), `${label} is no constructor`);
          throws(TypeError, () => Reflect.construct(d.value, []), label);
        } else if (d.get) {
          equal([d.enumerable, d.configurable, d.get.name, d.get.length], [true, key !== "isTrusted", `get ${key}`, 0], label);
          if (d.set) equal([d.set.name, d.set.length], [`set ${key}`, 1], label);
        } else {
          equal([typeof d.value, d.writable, d.enumerable, d.configurable], ["number", false, true, false], `${label}, a constant`);
        }
      }
    }
  });
});

test("members refuse other receivers: attributes throw, promises reject", async () => {
  const pending = [];
  each((C, name, P) => {
    for (const [key, d] of membersOf(P)) {
      if (key === "constructor" || typeof key === "symbol") continue;
      const label = `${name}.prototype.${key}`;
      // An EventTarget's operations take the global object where there is no other receiver.
      for (const receiver of name === "EventTarget" ? [{}, P] : [{}, P, undefined, null, 1]) {
        const call = d.get ?? d.value;
        if (typeof call !== "function") continue;
        let result;
        try { result = call.call(receiver, "x", "y", "z"); } catch (error) {
          ok(error instanceof TypeError, `${label}: ${error}`);
          continue;
        }
        ok(result instanceof Promise, `${label} on ${show(receiver)} returned ${show(result)}`);
        pending.push(rejects(TypeError, result, label));
      }
    }
  });
  await Promise.all(pending);
});

test("functions of the global object take it for a missing receiver", () => {
  const { atob, btoa, queueMicrotask, structuredClone, setTimeout, clearTimeout } = globalThis;
  equal(atob(btoa("x")), "x");
  equal(structuredClone(1), 1);
  queueMicrotask(() => {});
  clearTimeout(setTimeout(() => {}, 1));
  equal((0, btoa)("a"), "YQ==");
  equal(btoa.call(undefined, "a"), "YQ==");
});

test("interfaces without a constructor throw", () => {
  for (const name of ["AbortSignal", "Cache", "CacheStorage", "Crypto", "MessagePort", "Navigator", "Performance", "PerformanceEntry", "PerformanceMeasure",
                      "PerformanceObserverEntryList", "ReadableByteStreamController", "ReadableStreamBYOBRequest",
                      "ReadableStreamDefaultController", "TransformStreamDefaultController", "WritableStreamDefaultController"]) {
    throws(TypeError, () => new globalThis[name](), name);
    throws(TypeError, () => new globalThis[name]({}, {}, {}), name);
  }
});

test("subclassing works", () => {
  for (const [name, ...args] of [["EventTarget"], ["Event", "x"], ["Headers"], ["Response"], ["Request", "https://e.com"], ["URL", "https://e.com"],
                                 ["URLSearchParams"], ["Blob"], ["File", [], "n"], ["FormData"], ["ReadableStream"], ["WritableStream"],
                                 ["TransformStream"], ["TextDecoder"], ["TextEncoder"], ["AbortController"], ["DOMException"]]) {
    const Mine = class extends globalThis[name] { get mine() { return 1; } };
    const object = new Mine(...args);
    equal([object instanceof Mine, object instanceof globalThis[name], object.mine, object.constructor], [true, true, 1, Mine], name);
  }
});

test("singletons are instances", () => {
  for (const [object, C] of [[crypto, Crypto], [navigator, Navigator], [performance, Performance]]) {
    equal(Object.getPrototypeOf(object), C.prototype);
    equal(Object.keys(object), []);
  }
});

test("a global can be replaced and deleted", () => {
  globalThis.Headers = 5;
  equal(Headers, 5);
  const Own = class Own {};
  globalThis.CompressionStream = Own;
  equal(CompressionStream, Own, "also one that nothing has touched");
  ok(delete globalThis.DecompressionStream);
  equal(typeof DecompressionStream, "undefined");
  let TextEncoderStream = 1;
  equal(TextEncoderStream, 1, "a declaration in a scope of its own");
});
