// Fetch Standard, section 5.1 (Headers class) and 2.2.2 (headers), sentence by sentence.

test("the interface has the shape that WebIDL gives it", async () => {
  isInterface("Headers", [], { append: 2, delete: 1, get: 1, getSetCookie: 0, has: 1, set: 2,
                               entries: 0, forEach: 1, keys: 0, values: 0 });
  const d = Object.getOwnPropertyDescriptor(Headers.prototype, Symbol.iterator);
  equal(d.value, Headers.prototype.entries);
  equal([d.writable, d.enumerable, d.configurable], [true, false, true]);
});

test("operations on another receiver throw", async () => {
  for (const name of ["append", "delete", "get", "getSetCookie", "has", "set", "entries", "keys", "values", "forEach"]) {
    throws(TypeError, () => Headers.prototype[name].call({}, "a", "b"), name);
    throws(TypeError, () => Headers.prototype[name].call(Headers.prototype, "a", "b"), name);
  }
});

test("each operation requires its arguments", async () => {
  const h = new Headers();
  throws(TypeError, () => h.append());
  throws(TypeError, () => h.append("a"));
  throws(TypeError, () => h.set("a"));
  throws(TypeError, () => h.get());
  throws(TypeError, () => h.has());
  throws(TypeError, () => h.delete());
  throws(TypeError, () => h.forEach());
});

test("init is optional", async () => {
  equal(pairs(new Headers()), []);
  equal(pairs(new Headers(undefined)), []);
  equal(pairs(new Headers({})), []);
  equal(pairs(new Headers([])), []);
});

test("init is a sequence or a record: other values throw", async () => {
  for (const init of [null, 1, 0, "", "string", true, false, Symbol("x"), 1n]) {
    throws(TypeError, () => new Headers(init), show(init));
  }
});

test("a function is an object, hence a record", async () => {
  const f = () => {};
  f.key = "value";
  equal(pairs(new Headers(f)), [["key", "value"]]);
});

test("a sequence's items are pairs", async () => {
  equal(pairs(new Headers([["b", "2"], ["a", "1"]])), [["a", "1"], ["b", "2"]]);
  throws(TypeError, () => new Headers([["a"]]));
  throws(TypeError, () => new Headers([[]]));
  throws(TypeError, () => new Headers([["a", "b", "c"]]));
  throws(TypeError, () => new Headers(["ab"]), "a string is no sequence");
  throws(TypeError, () => new Headers([{}]));
  throws(TypeError, () => new Headers([null]));
});

test("any iterable of iterables is a sequence", async () => {
  equal(pairs(new Headers(new Map([["a", "1"], ["b", "2"]]))), [["a", "1"], ["b", "2"]]);
  const init = { *[Symbol.iterator]() { yield new Set(["x", "y"]); } };
  equal(pairs(new Headers(init)), [["x", "y"]]);
  throws(TypeError, () => new Headers({ [Symbol.iterator]: 1 }));
  const record = Object.defineProperty({ a: "b" }, Symbol.iterator, { value: undefined });
  equal(pairs(new Headers(record)), [["a", "b"]], "an undefined @@iterator is none");
  throws(TypeError, () => new Headers({ [Symbol.iterator]: undefined, a: "b" }), "but an enumerable symbol is a key");
});

test("a sequence's later pair of the same name is combined", async () => {
  equal(pairs(new Headers([["a", "1"], ["A", "2"]])), [["a", "1, 2"]]);
  equal(pairs(new Headers({ a: "1", A: "2" })), [["a", "1, 2"]]);
});

test("record keys and values become byte strings", async () => {
  equal(pairs(new Headers({ a: 1, b: null, c: undefined, d: [1, 2], e: { toString: () => "x" } })),
        [["a", "1"], ["b", "null"], ["c", "undefined"], ["d", "1,2"], ["e", "x"]]);
  equal(new Headers({ a: "\xff" }).get("a"), "\xff");
  throws(TypeError, () => new Headers({ a: "\u0100" }));
  throws(TypeError, () => new Headers({ "\u0100": "a" }));
  throws(TypeError, () => new Headers({ a: Symbol("x") }));
  throws(TypeError, () => new Headers({ [Symbol("x")]: "a" }), "an enumerable symbol key");
});

test("record: own enumerable properties only, in their order", async () => {
  const log = [];
  const target = Object.create({ inherited: "no" }, {
    b: { value: "1", enumerable: true }, hidden: { value: "2", enumerable: false }, a: { value: "3", enumerable: true },
    [Symbol("s")]: { value: "4", enumerable: false },
  });
  const proxy = new Proxy(target, {
    ownKeys(t) { log.push("ownKeys"); return Reflect.ownKeys(t); },
    getOwnPropertyDescriptor(t, k) { log.push("desc " + String(k)); return Reflect.getOwnPropertyDescriptor(t, k); },
    get(t, k) { log.push("get " + String(k)); return t[k]; },
  });
  equal(pairs(new Headers(proxy)), [["a", "3"], ["b", "1"]]);
  equal(log, ["get Symbol(Symbol.iterator)", "ownKeys", "desc b", "get b", "desc hidden", "desc a", "get a",
              "desc Symbol(s)"]);
});

test("a getter that throws: its error passes", async () => {
  const error = new Error("mine");
  equal(throws(error, () => new Headers({ get a() { throw error; } })), error);
});

test("another Headers object is copied through its iterator", async () => {
  const h = new Headers([["b", "2"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]]);
  const copy = new Headers(h);
  equal(pairs(copy), [["b", "2"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]]);
  copy.set("b", "3");
  equal(h.get("b"), "2");
});

test("a Headers object with an own @@iterator is read through it", async () => {
  const h = new Headers({ a: "1" });
  h[Symbol.iterator] = function* () { yield ["b", "2"]; };
  equal(pairs(new Headers(h)).length, 1);
  equal(new Headers(h).get("b"), "2");
});

test("names are byte-case-insensitive and lower-cased in iteration", async () => {
  const h = new Headers({ "Content-TYPE": "x", "X-Unicode": "y" });
  equal(h.get("content-type"), "x");
  equal(h.has("CONTENT-TYPE"), true);
  equal([...h.keys()], ["content-type", "x-unicode"]);
  h.delete("cOnTeNt-TyPe");
  equal(h.has("Content-Type"), false);
});

test("a name that is no token throws", async () => {
  const h = new Headers();
  const bad = ["", " ", "a b", "a\t", "a:", "(", ")", "<", ">", "@", ",", ";", "\\", '"', "/", "[", "]", "?", "=",
               "{", "}", "\x7f", "\x00", "\xe9", "a\n", "\u0100", " a", "a "];
  for (const name of bad) {
    throws(TypeError, () => h.append(name, "v"), show(name));
    throws(TypeError, () => h.set(name, "v"), show(name));
    throws(TypeError, () => h.get(name), show(name));
    throws(TypeError, () => h.has(name), show(name));
    throws(TypeError, () => h.delete(name), show(name));
    throws(TypeError, () => new Headers([[name, "v"]]), show(name));
  }
  const good = "!#$%&'*+-.^_`|~0aZ";
  h.append(good, "v");
  equal(h.get(good), "v");
});

test("a value with NUL, LF or CR inside throws; other bytes are allowed", async () => {
  const h = new Headers();
  for (const value of ["a\x00b", "a\nb", "a\rb", "\x00", "a\r\nb: c", "\u0100"]) {
    throws(TypeError, () => h.append("n", value), show(value));
    throws(TypeError, () => h.set("n", value), show(value));
    throws(TypeError, () => new Headers({ n: value }), show(value));
  }
  equal(h.has("n"), false);
  for (let code = 1; code < 256; code++) {
    if (code === 10 || code === 13) continue;
    const value = "a" + String.fromCharCode(code) + "b";
    h.set("n", value);
    equal(h.get("n"), value, "byte " + code);
  }
});

test("values lose leading and trailing HTTP whitespace", async () => {
  const h = new Headers({ a: " \t\r\n x \t y \r\n\t " });
  equal(h.get("a"), "x \t y");
  h.set("a", "  z  ");
  equal(h.get("a"), "z");
  h.append("a", "\n");
  equal(h.get("a"), "z, ");
  h.set("a", "\x0bq\x0c");
  equal(h.get("a"), "\x0bq\x0c", "other control characters stay");
  h.set("a", "\xa0q\xa0");
  equal(h.get("a"), "\xa0q\xa0", "a no-break space is no HTTP whitespace");
});

test("conversion comes before validation, left to right", async () => {
  const log = [];
  const noisy = (label, value) => ({ toString() { log.push(label); return value; } });
  throws(TypeError, () => new Headers().append(noisy("name", "a b"), noisy("value", "v")));
  equal(log, ["name", "value"]);
  log.length = 0;
  throws(TypeError, () => new Headers().set(noisy("name", "\u0100"), noisy("value", "v")));
  equal(log, ["name"]);
});

test("append combines, set replaces, delete removes all", async () => {
  const h = new Headers();
  equal(h.append("a", "1"), undefined);
  h.append("A", "2");
  equal(h.get("a"), "1, 2");
  equal(h.set("a", "3"), undefined);
  equal(h.get("a"), "3");
  h.append("a", "4");
  equal(h.delete("a"), undefined);
  equal(h.get("a"), null);
  equal(h.has("a"), false);
  equal(h.delete("a"), undefined, "deleting what is not there");
});

test("set keeps the first position and removes the others", async () => {
  const h = new Headers([["set-cookie", "a"], ["set-cookie", "b"]]);
  h.set("Set-Cookie", "c");
  equal(h.getSetCookie(), ["c"]);
});

test("get returns null where absent, the empty string where empty", async () => {
  const h = new Headers({ empty: "" });
  equal(h.get("none"), null);
  equal(h.get("empty"), "");
  equal(h.has("empty"), true);
});

test("iteration: sorted by name in byte order", async () => {
  const h = new Headers({ b: "1", "a-b": "2", a: "3", "a_b": "4", "a.b": "5", "~": "6", "0": "7", "!": "8" });
  equal([...h.keys()], ["!", "0", "a", "a-b", "a.b", "a_b", "b", "~"]);
  equal([...h.values()], ["8", "7", "3", "2", "5", "4", "1", "6"]);
});

test("set-cookie headers are never combined in iteration, and keep their order", async () => {
  const h = new Headers();
  h.append("Set-Cookie", "b=2");
  h.append("x", "1");
  h.append("set-cookie", "a=1");
  h.append("SET-COOKIE", "b=2");
  equal(pairs(h), [["set-cookie", "b=2"], ["set-cookie", "a=1"], ["set-cookie", "b=2"], ["x", "1"]]);
  equal(h.get("set-cookie"), "b=2, a=1, b=2");
  equal(h.getSetCookie(), ["b=2", "a=1", "b=2"]);
  equal(new Headers().getSetCookie(), []);
  ok(h.getSetCookie() !== h.getSetCookie(), "a new array each time");
});

test("set-cookie with an empty value counts", async () => {
  const h = new Headers([["Set-Cookie", ""]]);
  equal(h.getSetCookie(), [""]);
  equal(pairs(h), [["set-cookie", ""]]);
});

test("set-cookie2 is an ordinary header", async () => {
  const h = new Headers([["set-cookie2", "a"], ["set-cookie2", "b"]]);
  equal(h.getSetCookie(), []);
  equal(pairs(h), [["set-cookie2", "a, b"]]);
});

test("entries, keys and values are iterators of one class", async () => {
  const h = new Headers({ a: "1" });
  const prototype = Object.getPrototypeOf(h.entries());
  equal(Object.getPrototypeOf(h.keys()), prototype);
  equal(Object.getPrototypeOf(h.values()), prototype);
  equal(prototype[Symbol.toStringTag], "Headers Iterator");
  equal(Object.getPrototypeOf(prototype), Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]())));
  const d = Object.getOwnPropertyDescriptor(prototype, "next");
  equal([d.writable, d.enumerable, d.configurable, d.value.length], [true, true, true, 0]);
  equal(Object.hasOwn(prototype, "constructor"), false);
  const it = h.entries();
  equal(it[Symbol.iterator](), it);
  throws(TypeError, () => d.value.call({}));
  throws(TypeError, () => d.value.call(new Map().entries()));
  const step = it.next();
  equal(step.value, ["a", "1"]);
  equal([step.done, Object.keys(step).join()], [false, "value,done"]);
  const end = it.next();
  equal([end.value, end.done], [undefined, true]);
  h.append("b", "2");
});

test("iteration is live: it goes by index over the sorted list", async () => {
  const h = new Headers([["a", "1"], ["b", "2"], ["c", "3"]]);
  const seen = [];
  for (const [name] of h) { seen.push(name); h.delete(name); }
  equal(seen, ["a", "c"]);
  const g = new Headers([["b", "1"]]);
  const it = g.keys();
  equal(it.next().value, "b");
  g.append("a", "0");
  equal(it.next().value, "b", "the index moves over what was inserted before");
  g.append("z", "9");
  equal(it.next().value, "z");
  equal(it.next().done, true);
});

test("forEach calls with value, key, object and this", async () => {
  const h = new Headers({ b: "2", a: "1" });
  const seen = [], self = {};
  equal(h.forEach(function (...args) { seen.push([this === self, ...args.slice(0, 2), args[2] === h, args.length]); }, self),
        undefined);
  equal(seen, [[true, "1", "a", true, 3], [true, "2", "b", true, 3]]);
  for (const bad of [undefined, null, {}, 1, "f"]) throws(TypeError, () => h.forEach(bad));
  const error = new Error("mine");
  throws(error, () => h.forEach(() => { throw error; }));
});

test("forEach sees what its callback appends", async () => {
  const h = new Headers({ a: "1" });
  const seen = [];
  h.forEach((value, key) => { seen.push(key); if (key === "a") h.append("b", "2"); });
  equal(seen, ["a", "b"]);
});

test("an immutable guard: error and redirect responses", async () => {
  for (const h of [Response.error().headers, Response.redirect("https://example.com/").headers]) {
    throws(TypeError, () => h.append("a", "b"));
    throws(TypeError, () => h.set("a", "b"));
    throws(TypeError, () => h.delete("a"));
    throws(TypeError, () => h.append("a b", "c"));
    equal(h.get("a"), null);
  }
});

test("a patched platform changes nothing", async () => {
  const h = new Headers({ b: "1", a: "2" });
  Array.prototype.sort = Array.prototype.push = Map.prototype.get = String.prototype.toLowerCase = () => fail("patched");
  h.append("C", "3");
  equal(h.get("c"), "3");
  let keys = "";
  h.forEach((value, key) => { keys += key; });
  equal(keys, "abc");
});
