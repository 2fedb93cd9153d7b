// The builtins that the platform uses, by type (add here what a new file needs), and globals that are lazy.
//
// This is evaluated where no app's code has run: as a rule once a process, for engine/builtins.py, which from then on
// makes what is asked for by itself; where it cannot be had in each isolate, before the app's code. Returns
//   uncurry(type, name): the method or getter of the type's prototype, taking its receiver first, as in
//     uncurry("Array", "push")(array, item) and uncurry("Map", "size")(map); some that it makes are no builtins but `ours`;
//   statics: the functions of constructors and namespaces, as in statics.Object.freeze;
//   defineLazy(access, find): each of the globals `lazy` is what access(name) returns, and is assigned by access(name, value);
//     those with a ^ before their name are on the prototype of the global object;
//   defineMembers(target, file): an interface gets the members below that are for that file: each does what the function
//     find(file, name) does, with its receiver;
//   listed, lazy, members: what all that is for, as engine/builtins.py wants it;
//   ours: what the engine can do and JavaScript cannot say, which engine/builtins.c explains, as well as it can be said.
(lazy) => {
  "use strict";
  const methods = {
    __proto__: null,
    Array: "push pop shift unshift slice splice join indexOf filter sort concat values",
    ArrayBuffer: "slice transfer resize byteLength detached resizable maxByteLength",
    BigInt: "valueOf",
    Boolean: "valueOf",
    DataView: "buffer byteOffset byteLength",
    Date: "getTime toISOString",
    Error: "toString",
    FinalizationRegistry: "register",
    Function: "call toString",
    Map: "get set has delete forEach entries size",
    Number: "toString toFixed valueOf",
    Object: "hasOwnProperty isPrototypeOf propertyIsEnumerable toString __defineGetter__ __lookupGetter__",
    Promise: "then",
    RegExp: "exec test [Symbol.replace] source flags",
    Set: "add has delete forEach values size",
    SharedArrayBuffer: "byteLength",
    String:
      "charCodeAt codePointAt concat slice substring indexOf lastIndexOf includes startsWith endsWith split trim toLowerCase " +
      "toUpperCase replaceAll padStart padEnd repeat normalize toWellFormed isWellFormed valueOf",
    Symbol: "toString valueOf",
    TypedArray: "set slice fill buffer byteOffset byteLength [Symbol.toStringTag]",
    Uint8Array: "toBase64",
    WeakMap: "get set has",
    WeakRef: "deref",
    WeakSet: "add has",
  };
  const statics = {
    __proto__: null,
    Array: "isArray",
    ArrayBuffer: "isView",
    BigInt: "asIntN asUintN",
    Date: "now",
    Error: "isError",
    JSON: "stringify parse",
    Math: "floor min max trunc random round fround",
    Number: "isNaN isFinite parseFloat parseInt",
    Object:
      "assign create defineProperty freeze isExtensible getOwnPropertyDescriptor getOwnPropertyDescriptors " +
      "getOwnPropertyNames getOwnPropertySymbols getPrototypeOf setPrototypeOf keys",
    Reflect: "apply construct ownKeys getOwnPropertyDescriptor",
    String: "fromCodePoint",
    Symbol: "for",
    Uint8Array: "fromBase64",
  };
  // Members of interfaces that few apps use, by the file that has what they do: methods, with their length, and getters.
  const interfaces = {
    __proto__: null,
    request_members:
      "arrayBuffer/0 blob/0 bytes/0 clone/0 formData/0 textStream/0 cache credentials destination duplex " +
      "integrity isHistoryNavigation isReloadNavigation keepalive mode redirect referrer referrerPolicy",
    response_members: "arrayBuffer/0 blob/0 bytes/0 clone/0 formData/0 textStream/0 redirected type url webSocket",
    response_statics: "error/0 redirect/1",
  };
  // The same of what the engine lacks, or has otherwise, of ECMAScript, and of functions that are global: as all of that,
  // they are not enumerable.
  const language = {
    __proto__: null,
    promise_statics: "withResolvers/0",
    error_statics: "captureStackTrace/2",
    array_statics: "fromAsync/1",
    modules: "nano:modules",
    intl_number: "toLocaleString/0",
    intl_date: "toLocaleString/0 toLocaleDateString/0 toLocaleTimeString/0",
    intl_collation: "localeCompare/1",
    node_timers: "setImmediate/1 clearImmediate/1",
    report: "reportError/1",
  };
  const { create, defineProperty, getOwnPropertyDescriptor, getPrototypeOf, keys } = Object;
  const types = { __proto__: null, TypedArray: getPrototypeOf(Uint8Array) };
  const typeOf = (name) => types[name] ?? globalThis[name];
  /** The function behind a method or getter: its name, or "[Symbol.replace]". */
  const find = (owner, name) => {
    const key = name[0] === "[" ? Symbol[name.slice(8, -1)] : name;
    const { value, get } = getOwnPropertyDescriptor(owner, key);
    return value ?? get;
  };
  const listed = [];
  for (const type in methods) {
    const { prototype } = typeOf(type);
    for (const name of methods[type].split(" ")) listed.push(true, type, name, find(prototype, name));
  }
  for (const type in statics) {
    const owner = typeOf(type);
    const names = statics[type].split(" ");
    statics[type] = { __proto__: null };
    for (const name of names) listed.push(false, type, name, (statics[type][name] = find(owner, name)));
  }
  const bindCall = Function.prototype.bind.bind(Function.prototype.call);
  const ours = {
    __proto__: null,
    "Promise.fulfilled": async (value) => value,
    "Promise.subscribe": () => false,
    "Function.soon": null,
    "Object.modelOf": (make) => make,
    "Object.alike": (model, ...values) => {
      // A spread would ask the iterator of arrays, which an app may have replaced.
      if (typeof model === "function") return apply(model, undefined, values);
      const object = create(getPrototypeOf(model));
      const names = keys(model);
      for (let i = 0; i < names.length; i++) object[names[i]] = values[i];
      return object;
    },
    "Object.listHeaders": () => undefined,
    "Object.quickHeaders": null,
    "Object.quickResponses": null,
    "String.utf8": () => undefined,
    "TypedArray.ascii": () => undefined,
    "Error.keepStack": null,
    "Error.framesOf": () => undefined,
    "Await.begin": null,
    "Await.current": null,
    "Await.change": null,
    "Await.run": null,
    "Await.bind": null,
  };
  const functions = { __proto__: ours };
  for (let i = 0; i < listed.length; i += 4) {
    if (listed[i]) functions[`${listed[i + 1]}.${listed[i + 2]}`] = bindCall(listed[i + 3]);
  }
  const uncurry = (type, name) => {
    const found = functions[`${type}.${name}`];
    if (found === undefined) throw new TypeError(`builtins.js lists no ${type}.${name}`);
    return found;
  };
  const members = [];
  for (const group of [interfaces, language]) {
    for (const file in group) {
      for (const member of group[file].split(" ")) {
        const [name, length = -1] = member.split("/");
        members.push(file, name, length | 0, group === interfaces);
      }
    }
  }
  const { apply } = Reflect;
  let findMember;
  const defineMembers = (target, file) => {
    for (let i = 0; i < members.length; i += 4) {
      // Nothing is asked of arrays, whose methods an app may have replaced.
      if (members[i] !== file) continue;
      const name = members[i + 1], length = members[i + 2];
      const getter = {
        get [name]() {
          return apply(findMember(file, name), this, []);
        },
      };
      const method = {
        [name](...passed) {
          return apply(findMember(file, name), this, passed);
        },
      };
      if (length >= 0) defineProperty(method[name], "length", { value: length });
      const descriptor = getOwnPropertyDescriptor(length < 0 ? getter : method, name);
      descriptor.enumerable = members[i + 3];
      defineProperty(target, name, descriptor);
    }
  };
  const defineLazy = (access, find) => {
    findMember = find;
    for (const each of lazy) {
      const isInherited = each[0] === "^";
      const name = isInherited ? each.slice(1) : each;
      const both = function () {
        return arguments.length === 0 ? access(name) : access(name, arguments[0]);
      };
      Object.defineProperty(both, "name", { value: name });
      const target = isInherited ? getPrototypeOf(globalThis) : globalThis;
      Object.defineProperty(target, name, { get: both, set: both, configurable: true });
    }
  };
  return { __proto__: null, uncurry, statics, defineLazy, defineMembers, listed, lazy, members, ours };
}
