// Structured cloning: HTML 2.7, https://html.spec.whatwg.org/#safe-passing-of-structured-data
//
// Everything stays in one realm, so StructuredSerialize and StructuredDeserialize are one walk: it reads the value and
// builds the copy at once. Only what is transferred must wait: transfers begin when the whole value has been read
// without an error. Until then a Pending stands for each transferred object (and for each view of a transferred
// buffer), and `fixups` put what becomes of it into its places.
//
// What an object is, its prototypes tell first and a brand check confirms: a brand check that fails throws, which costs
// ten times as much as the copy of a plain object.
(platform) => {
  "use strict";
  const { constructors, statics, buffers, isLoaded } = platform;
  const { Map, Set, ArrayBuffer, Date, RegExp, Object, Error } = constructors;
  const { getPrototypeOf, getOwnPropertyDescriptor, defineProperty, keys: keysOf } = statics.Object;
  const { isArray } = statics.Array;
  const { isError } = statics.Error;
  const idl = platform.load("webidl");
  const { isObject, isArrayBuffer, isSharedArrayBuffer, isInterfacePrototype, requireArguments } = idl;
  const uncurry = platform.uncurry;
  const get = uncurry("Map", "get");
  const set = uncurry("Map", "set");
  const has = uncurry("Set", "has");
  const add = uncurry("Set", "add");
  const hasOwn = uncurry("Object", "hasOwnProperty");
  const mapForEach = uncurry("Map", "forEach");
  const setForEach = uncurry("Set", "forEach");
  const getTime = uncurry("Date", "getTime");
  const flagsOf = uncurry("RegExp", "flags");
  const sourceOf = uncurry("RegExp", "source");
  const resize = uncurry("ArrayBuffer", "resize");
  const transferBuffer = uncurry("ArrayBuffer", "transfer");
  const setBytes = uncurry("TypedArray", "set");
  const { Uint8Array } = constructors;
  const { String } = constructors;
  const globals = platform.global;
  const host = platform.host("structuredclone");
  const ObjectPrototype = Object.prototype;

  function dataCloneError(message) {
    return platform.makeError("DataCloneError", message);
  }
  function uncloneable(value) {
    return dataCloneError(`${describe(value)} could not be cloned.`);
  }
  /** What a message calls a value: a function's source, Symbol(x), #<Promise>. Runs no code of the app. */
  function describe(value) {
    if (typeof value === "symbol") return uncurry("Symbol", "toString")(value);
    if (typeof value === "function") return uncurry("Function", "toString")(value);
    let name;
    try {
      const constructor = getOwnPropertyDescriptor(getPrototypeOf(value), "constructor")?.value;
      name = getOwnPropertyDescriptor(constructor, "name")?.value;
    } catch {
      // A proxy may refuse: it has no name then.
    }
    return `#<${typeof name === "string" && name !== "" ? name : "Object"}>`;
  }

  // The state of one call. A getter of the app may start another, so each call saves the state it finds.
  /** "memory": what each object of the value became. */
  let memory;
  /** The Pendings there are; null where nothing is transferred. */
  let pendings;
  let fixups;

  function isPending(value) {
    return pendings !== null && isObject(value) && has(pendings, value);
  }
  /** A stand-in for what `source` becomes; `fixup(pending)` sets its `value` in time. */
  function standIn(source, fixup) {
    const pending = { __proto__: null, value: undefined };
    add(pendings, pending);
    set(memory, source, pending);
    if (fixup !== undefined) fixups[fixups.length] = () => fixup(pending);
    return pending;
  }

  function clone(value) {
    switch (typeof value) {
      case "object":
        return value === null ? null : cloneObject(value);
      case "symbol":
      case "function":
        throw uncloneable(value);
      default:
        return value;
    }
  }

  function cloneObject(value) {
    const known = get(memory, value);
    if (known !== undefined) return known;
    if (value === globals || isProxy(value)) throw uncloneable(value);
    if (isArray(value)) return cloneArray(value);
    const prototype = getPrototypeOf(value);
    const isPlain = prototype === ObjectPrototype || prototype === null;
    if (!isPlain) {
      for (let each = prototype; each !== null; each = getPrototypeOf(each)) {
        const kind = get(kinds, each);
        if (kind !== undefined && kind(value)) return get(memory, value);
        if (isInterfacePrototype(each)) return clonePlatformObject(value);
        if (has(uncloneables, each)) throw uncloneable(value);
      }
    }
    const keys = keysOf(value);
    // An object of another kind may have been given this prototype; then it has no properties of its own.
    if (keys.length === 0 && !host.isPlain(value) && cloneByBrand(value)) return get(memory, value);
    const copy = {};
    set(memory, value, copy);
    copyProperties(value, keys, copy);
    return copy;
  }

  function isProxy(value) {
    return isLoaded("proxy") && platform.load("proxy").proxyTarget(value) !== undefined;
  }

  /** Copy the own properties `keys` of `value`, in order, those apart that a getter removed meanwhile. */
  function copyProperties(value, keys, copy) {
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      let item = value[key];
      const type = typeof item;
      if (type === "object") {
        if (item !== null) item = cloneObject(item);
      } else if (type === "function" || type === "symbol") {
        throw uncloneable(item);
      } else if (type === "undefined" && !hasOwn(value, key)) {
        continue;
      }
      if (pendings === null && !(key in copy)) copy[key] = item;
      else put(copy, key, item);
    }
  }
  /** CreateDataProperty, or a fixup that does it. */
  function put(copy, key, item) {
    if (isPending(item)) {
      const pending = item;
      fixups[fixups.length] = () => put(copy, key, pending.value);
      item = undefined;
    }
    if (!(key in copy)) {
      copy[key] = item;
    } else {
      defineProperty(copy, key, { __proto__: null, value: item, writable: true, enumerable: true, configurable: true });
    }
  }

  function cloneArray(value) {
    const { length } = value;
    const copy = [];
    set(memory, value, copy);
    const keys = keysOf(value);
    if (keys.length === length && (length === 0 || keys[length - 1] === String(length - 1))) {
      for (let i = 0; i < length; i++) {
        let item = value[i];
        if (typeof item === "object" ? item !== null : typeof item === "function" || typeof item === "symbol") {
          item = clone(item);
        }
        if (pendings === null && !(i in copy)) copy[i] = item;
        else put(copy, i, item);
      }
      return copy;
    }
    copy.length = length;
    copyProperties(value, keys, copy);
    return copy;
  }

  // The kinds of objects that are cloned by internal slot. Each entry, (value) => boolean, clones `value` into memory,
  // or returns false where it lacks the slot.
  function kind(brand, copy) {
    return (value) => {
      let data;
      try {
        data = brand(value);
      } catch {
        return false;
      }
      copy(value, data);
      return true;
    };
  }
  const wrapper = (type) => kind(uncurry(type, "valueOf"), (value, primitive) => set(memory, value, Object(primitive)));
  /** A brand for `kind` from a check that does not throw. */
  const brand = (check) => (value) => {
    if (!check(value)) throw undefined;
  };
  const NOTHING = () => {};
  const viewKind = kind(brand(buffers.isView), cloneView);
  const kindsByPrototype = [
    [constructors.Boolean, wrapper("Boolean")],
    [constructors.Number, wrapper("Number")],
    [constructors.String, wrapper("String")],
    [constructors.BigInt, wrapper("BigInt")],
    [Date, kind(getTime, (value, time) => set(memory, value, new Date(time)))],
    [RegExp, kind(sourceOf, (value, source) => set(memory, value, new RegExp(source, flagsOf(value))))],
    [Map, kind((value) => mapForEach(value, NOTHING), cloneMap)],
    [Set, kind((value) => setForEach(value, NOTHING), cloneSet)],
    [ArrayBuffer, kind(buffers.byteLength, cloneBuffer)],
    [constructors.SharedArrayBuffer, kind(buffers.sharedByteLength, refuse)],
    [getPrototypeOf(Uint8Array), viewKind],
    [constructors.DataView, viewKind],
    [Error, kind(brand(isError), cloneError)],
  ];
  const kinds = new Map();
  for (let i = 0; i < kindsByPrototype.length; i++) set(kinds, kindsByPrototype[i][0].prototype, kindsByPrototype[i][1]);

  /** Try all kinds, for an object whose prototype does not tell. */
  function cloneByBrand(value) {
    for (let i = 0; i < kindsByPrototype.length; i++) if (kindsByPrototype[i][1](value)) return true;
    return false;
  }

  // Objects with other internal slots: "throw a DataCloneError".
  const uncloneables = new Set();
  const ancestor = (object, generations) => (generations === 0 ? object : ancestor(getPrototypeOf(object), generations - 1));
  const slotted = [
    constructors.Symbol.prototype,
    constructors.Promise.prototype,
    constructors.WeakMap.prototype,
    constructors.WeakSet.prototype,
    constructors.WeakRef.prototype,
    constructors.FinalizationRegistry.prototype,
    // %IteratorPrototype% and %AsyncIteratorPrototype%
    ancestor(function* () {}.prototype, 2),
    ancestor(async function* () {}.prototype, 2),
  ];
  for (let i = 0; i < slotted.length; i++) add(uncloneables, slotted[i]);

  function refuse(value) {
    throw uncloneable(value);
  }

  function cloneMap(value) {
    const copy = new Map();
    set(memory, value, copy);
    const items = [];
    mapForEach(value, (item, key) => {
      items[items.length] = key;
      items[items.length] = item;
    });
    cloneItems(items, (cloned) => {
      for (let i = 0; i < cloned.length; i += 2) set(copy, cloned[i], cloned[i + 1]);
    });
  }
  function cloneSet(value) {
    const copy = new Set();
    set(memory, value, copy);
    const items = [];
    setForEach(value, (item) => {
      items[items.length] = item;
    });
    cloneItems(items, (cloned) => {
      for (let i = 0; i < cloned.length; i++) add(copy, cloned[i]);
    });
  }
  /** Clone `items` in place and fill a collection with them: at once, or when what is transferred has arrived. */
  function cloneItems(items, fill) {
    let isComplete = true;
    for (let i = 0; i < items.length; i++) {
      items[i] = clone(items[i]);
      if (isPending(items[i])) isComplete = false;
    }
    if (isComplete) return fill(items);
    fixups[fixups.length] = () => {
      for (let i = 0; i < items.length; i++) items[i] = settled(items[i]);
      fill(items);
    };
  }

  // ArrayBuffers and their views
  function cloneBuffer(value, byteLength) {
    if (buffers.detached(value)) throw dataCloneError("An ArrayBuffer is detached and could not be cloned.");
    const options = buffers.resizable(value)
      ? { __proto__: null, maxByteLength: buffers.maxByteLength(value) }
      : undefined;
    const copy = new ArrayBuffer(byteLength, options);
    setBytes(new Uint8Array(copy), new Uint8Array(value));
    set(memory, value, copy);
  }
  function cloneView(value) {
    const tag = buffers.viewTag(value);
    if (isOutOfBounds(value, tag)) throw dataCloneError("An ArrayBuffer view is out of bounds and could not be cloned.");
    const { buffer, byteOffset, byteLength } = idl.viewInfo(value);
    const View = constructors[tag ?? "DataView"];
    const size = tag === undefined ? 1 : View.BYTES_PER_ELEMENT;
    const length = isLengthTracking(value, buffer, byteOffset, size) ? undefined : byteLength / size;
    const copy = cloneObject(buffer);
    if (isPending(copy)) {
      standIn(value, (pending) => {
        pending.value = new View(copy.value, byteOffset, length);
      });
    } else {
      set(memory, value, new View(copy, byteOffset, length));
    }
  }
  /** IsArrayBufferViewOutOfBounds; a detached buffer's views are as well. */
  function isOutOfBounds(view, tag) {
    try {
      if (tag === undefined) buffers.dataViewByteLength(view);
      else if (buffers.viewByteLength(view) === 0) uncurry("TypedArray", "fill")(view, tag[0] === "B" ? 0n : 0, 0, 0);
      return false;
    } catch {
      return true;
    }
  }
  /** Whether `view` grows and shrinks with its buffer: nothing says so, so try it, and restore the buffer. */
  function isLengthTracking(view, buffer, byteOffset, size) {
    if (isSharedArrayBuffer(buffer) || !buffers.resizable(buffer)) return false;
    const lengthOf = () => idl.viewInfo(view).byteLength;
    const byteLength = buffers.byteLength(buffer);
    const before = lengthOf();
    if (byteOffset + before + size <= byteLength) return false;
    const wanted = byteOffset + before + size;
    if (wanted <= buffers.maxByteLength(buffer)) {
      resize(buffer, wanted);
      const after = lengthOf();
      resize(buffer, byteLength);
      return after !== before;
    }
    // There is no room to grow by an element. A view of fixed length goes out of bounds when the last byte goes.
    if (before === 0) return true;
    const last = new Uint8Array(buffer, byteLength - 1, 1)[0];
    resize(buffer, byteLength - 1);
    const isTracking = !isOutOfBounds(view, buffers.viewTag(view)) && lengthOf() > 0;
    resize(buffer, byteLength);
    new Uint8Array(buffer)[byteLength - 1] = last;
    return isTracking;
  }

  // Errors: name, message, and as other runtimes do, stack and cause.
  const errorNames = { __proto__: null, Error };
  const NATIVE_ERRORS = ["EvalError", "RangeError", "ReferenceError", "SyntaxError", "TypeError", "URIError"];
  for (let i = 0; i < NATIVE_ERRORS.length; i++) errorNames[NATIVE_ERRORS[i]] = constructors[NATIVE_ERRORS[i]];
  function cloneError(value) {
    const { name } = value;
    const message = getOwnPropertyDescriptor(value, "message");
    const stack = hasOwn(value, "stack") ? value.stack : undefined;
    const copy = new ((typeof name === "string" ? errorNames[name] : undefined) ?? Error)();
    set(memory, value, copy);
    if (message !== undefined && "value" in message) hide(copy, "message", idl.DOMString(message.value));
    if (typeof stack === "string") hide(copy, "stack", stack);
    if (!hasOwn(value, "cause")) return;
    const cause = clone(value.cause);
    hide(copy, "cause", cause);
    if (isPending(cause)) fixups[fixups.length] = () => hide(copy, "cause", cause.value);
  }
  function hide(error, key, value) {
    defineProperty(error, key, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
  }

  // Platform objects
  function find(list, value) {
    for (let i = 0; i < list.length; i++) if (list[i].isInstance(value)) return list[i];
    return undefined;
  }
  function clonePlatformObject(value) {
    const cloneable = find(platform.cloneables, value);
    if (cloneable === undefined) throw uncloneable(value);
    const copy = cloneable.deserialize(cloneable.serialize(value));
    set(memory, value, copy);
    return copy;
  }
  const bufferTransfer = {
    __proto__: null,
    isInstance: isArrayBuffer,
    transfer(buffer) {
      if (buffers.detached(buffer)) throw dataCloneError("An ArrayBuffer is detached and could not be transferred.");
      return transferBuffer(buffer);
    },
    receive: (buffer) => buffer,
  };

  function settled(value) {
    return isPending(value) ? value.value : value;
  }

  /**
   * StructuredSerializeWithTransfer and StructuredDeserializeWithTransfer: { value, transferred }, the copy of `value`
   * and what the objects in `transfer` (an array) became. Throws a DataCloneError, or what a getter of the app throws.
   */
  function cloneWithTransfer(value, transfer) {
    const saved = [memory, pendings, fixups];
    memory = new Map();
    pendings = transfer.length === 0 ? null : new Set();
    fixups = [];
    try {
      const jobs = [];
      for (let i = 0; i < transfer.length; i++) {
        const source = transfer[i];
        const way = isArrayBuffer(source) ? bufferTransfer : find(platform.transferables, source);
        if (way === undefined) throw dataCloneError(`${describe(source)} could not be transferred.`);
        if (get(memory, source) !== undefined) throw dataCloneError("The transfer list names an object twice.");
        jobs[i] = { __proto__: null, source, way, pending: standIn(source), data: undefined };
      }
      const copy = clone(value);
      for (let i = 0; i < jobs.length; i++) jobs[i].data = jobs[i].way.transfer(jobs[i].source);
      const transferred = [];
      for (let i = 0; i < jobs.length; i++) {
        transferred[i] = jobs[i].pending.value = jobs[i].way.receive(jobs[i].data);
      }
      for (let i = 0; i < fixups.length; i++) fixups[i]();
      return { __proto__: null, value: settled(copy), transferred };
    } finally {
      memory = saved[0];
      pendings = saved[1];
      fixups = saved[2];
    }
  }

  const cloneOptions = idl.dictionary("StructuredSerializeOptions", [
    { __proto__: null, key: "transfer", converter: idl.sequence(idl.object), defaultValue: () => [] },
  ]);

  return {
    __proto__: null,
    structuredClone: function structuredClone(value) {
      const context = "Failed to execute 'structuredClone'";
      requireArguments(arguments.length, 1, context);
      if (arguments[1] !== undefined) {
        const { transfer } = cloneOptions(arguments[1], context);
        return cloneWithTransfer(value, transfer).value;
      }
      return isObject(value) ? cloneWithTransfer(value, []).value : clone(value);
    },
    clone: (value) => cloneWithTransfer(value, []).value,
    cloneWithTransfer,
    cloneOptions,
    /** (isInstance, transfer, receive): `transfer(value)` detaches it and returns what `receive` makes it of. */
    registerTransferable(isInstance, transfer, receive) {
      const list = platform.transferables;
      list[list.length] = { __proto__: null, isInstance, transfer, receive };
    },
  };
}
