// Headers: Fetch, https://fetch.spec.whatwg.org/#headers-class , over the lists of headerlist.js.
//
// Guards: servers may set any header, so of the guards only "immutable" has an effect here (and is a boolean).
(platform) => {
  "use strict";
  const { requireArguments, fail, modelOf, alike, defineInterface, definePairIterable } = platform.load("webidl");
  const { ByteString } = platform.load("webidl_core");
  const { headersClass, known, normalizeName, toName, toValue, convertInit, fill, getValue } = platform.load("headerlist");
  const sort = platform.uncurry("Array", "sort");
  const quickHeaders = platform.uncurry("Object", "quickHeaders");
  const { defineProperty } = platform.statics.Object;
  const INTERNAL = {};
  /** The bond of all that are immutable and were not iterated over. */
  const IMMUTABLE = { __proto__: null, isImmutable: true, pairs: null };
  let pairsOf, listOf;

  class Headers {
    #list;
    /** What a change has to heed: null, or { isImmutable, pairs }, with the sorted pairs of an iteration (or null). */
    #bond = null;
    constructor(init, list, bond) {
      if (init === INTERNAL) {
        this.#list = list;
        this.#bond = bond;
        return;
      }
      const context = "Failed to construct 'Headers'";
      this.#list = init === undefined ? [] : fill(convertInit(init, context), context);
    }
    append(name, value) {
      const list = this.#list;
      const context = "Failed to execute 'append' on 'Headers'";
      if (arguments.length < 2) requireArguments(arguments.length, 2, context);
      const lower = typeof name === "string" ? known[name] : undefined;
      if (lower === undefined) name = ByteString(name, context);
      value = toValue(value, context);
      name = lower ?? normalizeName(name, context);
      if (this.#bond !== null) heed(this.#bond, context);
      const at = list.length & ~1; // where there was no memory for a value, its name is nobody's
      list[at] = name;
      list[at + 1] = value;
    }
    delete(name) {
      const list = this.#list;
      const context = "Failed to execute 'delete' on 'Headers'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      name = toName(name, context);
      if (this.#bond !== null) heed(this.#bond, context);
      remove(list, 0, name);
    }
    get(name) {
      const list = this.#list;
      const context = "Failed to execute 'get' on 'Headers'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      return getValue(list, toName(name, context));
    }
    getSetCookie() {
      const list = this.#list;
      const values = [];
      for (let i = 0; i < list.length; i += 2) if (list[i] === "set-cookie") values[values.length] = list[i + 1];
      return values;
    }
    has(name) {
      const list = this.#list;
      const context = "Failed to execute 'has' on 'Headers'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      return getValue(list, toName(name, context)) !== null;
    }
    set(name, value) {
      const list = this.#list;
      const context = "Failed to execute 'set' on 'Headers'";
      if (arguments.length < 2) requireArguments(arguments.length, 2, context);
      const lower = typeof name === "string" ? known[name] : undefined;
      if (lower === undefined) name = ByteString(name, context);
      value = toValue(value, context);
      name = lower ?? normalizeName(name, context);
      if (this.#bond !== null) heed(this.#bond, context);
      const { length } = list;
      let at = 0;
      while (at < length && list[at] !== name) at += 2;
      list[at] = name;
      list[at + 1] = value;
      if (at + 2 < length) remove(list, at + 2, name);
    }
    static {
      listOf = (object) => (#list in object ? object.#list : undefined);
      pairsOf = (headers) => {
        const bond = headers.#bond;
        return (bond === null ? null : bond.pairs) ?? combine(headers);
      };
      const combine = (headers) => {
        const isImmutable = headers.#bond === IMMUTABLE;
        const pairs = sortAndCombine(headers.#list);
        headers.#bond = { __proto__: null, isImmutable, pairs };
        return pairs;
      };
    }
  }

  /** Before a change: refuse it, or forget the pairs. */
  function heed(bond, context) {
    if (bond.isImmutable) fail(context, "The headers are immutable.");
    bond.pairs = null;
  }
  /** Remove the headers of that name from the index `start` on, in place: requests and responses share the array. */
  function remove(list, start, name) {
    let kept = start;
    for (let i = start; i < list.length; i += 2) {
      if (list[i] === name) continue;
      list[kept] = list[i];
      list[kept + 1] = list[i + 1];
      kept += 2;
    }
    list.length = kept;
  }
  /** "Sort and combine": pairs in the order of their names; only Set-Cookie headers stay several. */
  function sortAndCombine(list) {
    if (list.length === 2) return [[list[0], list[1]]];
    const names = [];
    const values = { __proto__: null };
    const pairs = [];
    for (let i = 0; i < list.length; i += 2) {
      const name = list[i];
      const value = values[name];
      if (value === undefined) names[names.length] = name;
      if (name === "set-cookie") (values[name] ??= [])[value === undefined ? 0 : value.length] = list[i + 1];
      else values[name] = value === undefined ? list[i + 1] : value + ", " + list[i + 1];
    }
    sort(names);
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      const value = values[name];
      if (typeof value === "string") pairs[pairs.length] = [name, value];
      else for (let j = 0; j < value.length; j++) pairs[pairs.length] = [name, value[j]];
    }
    return pairs;
  }

  const model = modelOf((list, bond) => new Headers(INTERNAL, list, bond));
  defineInterface(Headers, { length: 0 });
  if (quickHeaders !== null) {
    const methods = ["get", "has", "set", "append"];
    for (let i = 0; i < methods.length; i++) {
      const method = Headers.prototype[methods[i]];
      const quick = quickHeaders(method, i, method.length, model, known);
      Headers.prototype[methods[i]] = defineProperty(quick, "name", { __proto__: null, value: methods[i], configurable: true });
    }
  }
  definePairIterable(Headers, "Headers", pairsOf);
  headersClass.listOf = listOf;
  headersClass.entries = Headers.prototype.entries;
  const { parts } = platform.load("response");
  parts[0][Symbol.iterator] = headersClass.entries;
  parts[9] = model;

  return {
    __proto__: null,
    Headers,
    model,
    /** A Headers object over `list` itself, not a copy. */
    makeHeaders: (list, isImmutable) => alike(model, list, isImmutable ? IMMUTABLE : null),
  };
}
