// What the conformance cases beside this file assert with. Only what every engine has is used, so that the cases run in
// other engines too.
const describe = (value) =>
  typeof value === "string" ? JSON.stringify(value) : Array.isArray(value) ? `[${value.map(show)}]` : String(value);
const show = (value) => {
  let shown;
  try { shown = describe(value); } catch { shown = Object.prototype.toString.call(value); }
  return shown.length > 400 ? `${shown.slice(0, 400)}… (${shown.length})` : shown;
};
const fail = (message) => { throw new Error(message); };
const same = (a, b) => Object.is(a, b) ||
  (Array.isArray(a) && Array.isArray(b) && a.length === b.length && a.every((item, i) => same(item, b[i])));
const equal = (actual, expected, what = "") =>
  same(actual, expected) || fail(`${what} expected ${show(expected)}, got ${show(actual)}`);
const ok = (value, what = "it") => value || fail(`${what} does not hold`);
const isKind = (error, kind) =>
  typeof kind === "string" ? error instanceof DOMException && error.name === kind
  : typeof kind === "function" ? error != null && error.constructor === kind : error === kind;
const kindName = (kind) => typeof kind === "function" ? kind.name : show(kind);
const throws = (kind, run, what = "") => {
  let result;
  try { result = run(); } catch (error) {
    return isKind(error, kind) ? error : fail(`${what} expected ${kindName(kind)}, was thrown ${show(error)}`);
  }
  fail(`${what} expected ${kindName(kind)}, nothing was thrown but ${show(result)} returned`);
};
const rejects = async (kind, promise, what = "") => {
  let result;
  try { ok(promise instanceof Promise, "a promise is returned"); result = await promise; } catch (error) {
    return isKind(error, kind) ? error : fail(`${what} expected ${kindName(kind)}, was rejected with ${show(error)}`);
  }
  fail(`${what} expected ${kindName(kind)}, but it was fulfilled with ${show(result)}`);
};
const pairs = (iterable) => Array.from(iterable, ([key, value]) => [key, value]);
const bytes = (...list) => new Uint8Array(list);
const latin1 = (buffer) => Array.from(new Uint8Array(buffer), (byte) => String.fromCharCode(byte)).join("");
const streamOf = (...chunks) => new ReadableStream({ start(c) { for (const x of chunks) c.enqueue(x); c.close(); } });
const readAll = async (stream) => {
  const chunks = [], reader = stream.getReader();
  for (let step; !(step = await reader.read()).done; ) chunks.push(step.value);
  return chunks;
};
const readBytes = async (stream) => (await readAll(stream)).flatMap((chunk) => Array.from(chunk));
const text = (list) => new TextDecoder().decode(new Uint8Array(list));
/** The property attributes that WebIDL gives an interface's members. */
const isInterface = (name, attributes, operations, statics = [], length = 0) => {
  const own = Object.getOwnPropertyDescriptor(globalThis, name);
  ok(typeof globalThis[name] === "function", `${name} is a function`);
  const C = globalThis[name], descriptor = Object.getOwnPropertyDescriptor(globalThis, name);
  equal([descriptor.writable, descriptor.enumerable, descriptor.configurable], [true, false, true], `${name} attributes`);
  equal(C.name, name);
  equal(C.length, length, `${name}.length`);
  throws(TypeError, () => C(), `${name} called without new`);
  const P = C.prototype, prototype = Object.getOwnPropertyDescriptor(C, "prototype");
  equal([prototype.writable, prototype.enumerable, prototype.configurable], [false, false, false], `${name}.prototype`);
  equal(P.constructor, C);
  equal(Object.prototype.toString.call(P), `[object ${name}]`);
  const tag = Object.getOwnPropertyDescriptor(P, Symbol.toStringTag);
  equal([tag.value, tag.writable, tag.enumerable, tag.configurable], [name, false, false, true], "toStringTag");
  for (const key of attributes) {
    const d = Object.getOwnPropertyDescriptor(P, key) ?? fail(`no attribute ${key}`);
    equal([typeof d.get, d.enumerable, d.configurable], ["function", true, true], `attribute ${key}`);
    equal([d.get.name, d.get.length], [`get ${key}`, 0], `getter of ${key}`);
    throws(TypeError, () => d.get.call({}), `getter of ${key} on another object`);
    throws(TypeError, () => d.get.call(P), `getter of ${key} on the prototype`);
  }
  for (const [where, list] of [[P, operations], [C, statics]]) {
    for (const [key, length] of Object.entries(Array.isArray(list) ? {} : list)) {
      const d = Object.getOwnPropertyDescriptor(where, key) ?? fail(`no operation ${key}`);
      equal([typeof d.value, d.writable, d.enumerable, d.configurable], ["function", true, true, true], `operation ${key}`);
      equal([d.value.name, d.value.length], [key, length], `operation ${key}: name and length`);
    }
  }
};
