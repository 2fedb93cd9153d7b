// error.stack: what the error says, as Error.prototype.toString has it, then the frames. No specification says so; it is what
// V8 does, and with it Node, Deno and workerd, and what all who log nothing but the stack rely on.

const made = (make) => {
  try {
    return make();
  } catch (error) {
    return error;
  }
};
/** What comes before the frames; the whole stack where there is none. */
const headOf = ({ stack }) => stack.slice(0, stack.search(/\n {4}at |$(?!\n)/));
const said = (make) => headOf(made(make));

test("stack: name and message, then the frames, a line each", async () => {
  const error = (function maker() { return new Error("x"); })();
  const [first, second, ...rest] = error.stack.split("\n");
  equal(first, "Error: x");
  ok(/^ {4}at maker \(test\.js:\d+:\d+\)$/.test(second), second);
  for (const line of rest) ok(/^ {4}at /.test(line), line);
  equal(`${error}\n`, error.stack.slice(0, error.stack.indexOf("    at")));
});

test("stack: of all kinds of errors that are made", async () => {
  class Sub extends TypeError {}
  equal([() => new Error(), () => Error("x"), () => new Error(""), () => new Error(5)].map(said), ["Error", "Error: x", "Error", "Error: 5"]);
  equal(said(() => new Sub("x")), "TypeError: x");
  equal(said(() => new AggregateError([new Error("inner")], "all")), "AggregateError: all");
  equal(said(() => new SuppressedError(1, 2, "both")), "SuppressedError: both");
  equal(said(() => new Error("a\nb\n\n  at c")), "Error: a\nb\n\n  at c");
  equal(said(() => new Error("\ud800 \u4e00 \ud83d\ude00")), "Error: \ud800 \u4e00 \ud83d\ude00");
  equal(said(() => Reflect.construct(Error, ["x"], Sub)), "TypeError: x");
});

test("stack: of those that the engine throws", async () => {
  const used = () => used() + 1;
  for (const [Type, make] of [
    [TypeError, () => null.x], [ReferenceError, () => missing], [RangeError, used], [RangeError, () => new Array(-1)],
    [SyntaxError, () => JSON.parse("{")], [SyntaxError, () => eval("(")], [SyntaxError, () => new Function("}")],
    [SyntaxError, () => new RegExp("(")], [SyntaxError, () => eval("/(/")], [URIError, () => decodeURIComponent("%")],
    [TypeError, () => { "use strict"; Object.freeze([]).push(1); }], [TypeError, () => Symbol() + ""], [TypeError, () => new URL("/")],
  ]) {
    const error = made(make);
    equal(Object.getPrototypeOf(error), Type.prototype);
    equal(headOf(error), `${Type.name}: ${error.message}`);
    ok(/\n {4}at /.test(error.stack), error.stack);
  }
  await Promise.reject(new Error("x")).catch((error) => equal(headOf(error), "Error: x"));
});

test("stack: names that errors give themselves are told, also behind super()", async () => {
  class Assigned extends Error {
    constructor(message) {
      super(message);
      this.name = "Assigned";
    }
  }
  class Field extends Error {
    name = "Field";
  }
  class Inherited extends Error {
    static { this.prototype.name = "Inherited"; }
  }
  class Asked extends Error {
    get name() {
      return this.constructor.name;
    }
  }
  for (const Type of [Assigned, Field, Inherited, Asked]) equal(said(() => { throw new Type("x"); }), `${Type.name}: x`);
});

test("stack: it tells what the error said when it was first read", async () => {
  const error = new Error("x");
  error.message = "of y";
  const { stack } = error;
  equal(headOf(error), "Error: of y");
  error.message = "of z";
  error.name = "Other";
  equal(error.stack, stack);
});

test("stack: none of the app's code runs before somebody reads it", async () => {
  let calls = 0;
  const count = () => (calls++, "counted");
  class Getters extends Error {
    get name() { return count(); }
    get message() { return count(); }
    get stack() { return count(); }
  }
  class Proxied extends Error {}
  Object.setPrototypeOf(Proxied.prototype, new Proxy(Error.prototype, { get: count, getOwnPropertyDescriptor: count, has: count }));
  for (const Type of [Getters, Proxied]) {
    const error = made(() => { throw new Type(); });
    equal(calls, 0);
    ok(error instanceof Type);
    equal(headOf(error), "counted: counted");
    equal(calls, 2);
    calls = 0;
  }
  class Throws extends Error {
    get message() { throw new RangeError("told"); }
  }
  const error = made(() => { throw new Throws(); });
  ok(error instanceof Throws);
  throws(RangeError, () => error.stack);
  Object.defineProperty(error, "message", { value: "mended" });
  equal(headOf(error), "Error: mended");
});

test("stack: a message that asks for the stack gets the frames", async () => {
  class Circular extends Error {
    get message() { return `seen ${this.stack.trim().slice(0, 3)}`; }
  }
  equal(headOf(new Circular()), "Error: seen at ");
});

test("stack: it is the error's own, and can be assigned, defined, deleted and frozen", async () => {
  const error = new Error("x");
  equal([Object.hasOwn(error, "stack"), Object.keys(error), "stack" in error], [true, [], true]);
  const parsed = JSON.parse(JSON.stringify(error, Object.getOwnPropertyNames(error)));
  equal([parsed.stack, parsed.message], [error.stack, "x"]);
  error.stack += "\nmore";
  ok(error.stack.endsWith("\nmore"));
  equal(Object.getOwnPropertyDescriptor(error, "stack").writable, true);
  for (const value of ["mine", undefined, 7]) {
    const other = new Error("x");
    other.stack = value;
    equal([other.stack, Object.keys(other)], [value, []]);
  }
  const defined = Object.defineProperty(new Error("x"), "stack", { value: "mine" });
  equal(defined.stack, "mine");
  equal(delete error.stack, true);
  equal(error.stack, undefined);
  const frozen = Object.freeze(new Error("x"));
  equal(headOf(frozen), "Error: x");
  throws(TypeError, () => { "use strict"; frozen.stack = "mine"; });
  equal(headOf(frozen), "Error: x");
});

test("stack: what inherits it, a proxy and a copy have it", async () => {
  const error = new Error("x");
  const heir = Object.create(error);
  heir.message = "heir's";
  equal(headOf(heir), "Error: x");
  heir.stack = "mine";
  equal([heir.stack, headOf(error)], ["mine", "Error: x"]);
  equal(headOf(new Proxy(new TypeError("y"), {})), "TypeError: y");
  equal(headOf(Object.create(new DOMException("z", "AbortError"))), "AbortError: z");
  const copy = Object.defineProperties(new Error("copy"), { stack: Object.getOwnPropertyDescriptor(new Error("of it"), "stack") });
  ok(/^Error: /.test(copy.stack));
  equal(structuredClone(error).stack, error.stack);
  const { get } = Object.getOwnPropertyDescriptor(new Error("x"), "stack");
  for (const value of [undefined, null, 1, "text"]) equal(get.call(value), undefined);
  equal(get.call({ name: "N", message: "m" }).slice(0, 5), "N: m\n");
});

test("stack: an error whose stack was deleted gets one where it is thrown", async () => {
  const error = new Error("x");
  delete error.stack;
  function thrower() { throw error; }
  equal(said(thrower), "Error: x");
  ok(/^ {4}at thrower /m.test(error.stack));
});
