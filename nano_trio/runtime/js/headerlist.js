// Header lists: Fetch, https://fetch.spec.whatwg.org/#concept-header-list , and HeadersInit of the Headers class.
//
// A list is one flat array [name, value, name, value …] with names in lower case, so that a request or response needs no
// Headers object until the app touches `headers`. An init is taken in two steps, as the specification orders them:
// `convertInit` is the Web IDL conversion, `fill` validates what it gave and appends.
(platform) => {
  "use strict";
  const { ByteString, fail, isObject, iteratesAsArray } = platform.load("webidl_core");
  const { statics, uncurry } = platform;
  const { ownKeys } = statics.Reflect;
  const isOwnEnumerable = uncurry("Object", "propertyIsEnumerable");
  const exec = uncurry("RegExp", "exec");
  const charCodeAt = uncurry("String", "charCodeAt");
  const slice = uncurry("String", "slice");
  const copy = uncurry("Array", "slice");
  const toLowerCase = uncurry("String", "toLowerCase");
  const iterator = Symbol.iterator;
  const NOT_A_TOKEN = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
  const NOT_A_VALUE = /[\0\n\r]/;
  const UNUSUAL = /[\0\n\r\u0100-\uffff]/;
  // Names repeat: each valid one seen maps to its lower case. Bounded, as an app may invent names without end.
  const known = { __proto__: null };
  let knownCount = 0;
  /** Set by headers.js, without which no Headers object exists: the list of one (else undefined), and its @@iterator. */
  const headersClass = { __proto__: null, listOf: () => undefined, entries: undefined };

  /** The lower case of a header name; a TypeError where `name` is none (a ByteString that is a token). */
  function normalizeName(name, context) {
    const lower = known[name];
    if (lower !== undefined) return lower;
    if (name === "" || exec(NOT_A_TOKEN, name) !== null) fail(context, `'${name}' is not a valid header name.`);
    const result = toLowerCase(name);
    if (knownCount < 200 && name.length < 40) {
      knownCount++;
      known[name] = result;
    }
    return result;
  }
  function isWhitespace(code) {
    return code === 0x20 || code === 0x09 || code === 0x0a || code === 0x0d;
  }
  /** "Normalize" a byte sequence, then validate it as a header value. */
  function normalizeValue(value, context) {
    let start = 0;
    let end = value.length;
    while (start < end && isWhitespace(charCodeAt(value, start))) start++;
    while (end > start && isWhitespace(charCodeAt(value, end - 1))) end--;
    const result = end - start === value.length ? value : slice(value, start, end);
    if (exec(NOT_A_VALUE, result) !== null) fail(context, "The header value contains a null, a line feed or a carriage return.");
    return result;
  }
  /** Is `value` a string that is valid as it stands? */
  function isClean(value) {
    return (
      typeof value === "string" &&
      exec(UNUSUAL, value) === null &&
      !(isWhitespace(charCodeAt(value, 0)) || isWhitespace(charCodeAt(value, value.length - 1)))
    );
  }

  /** A name and a value, converted, and whether the value is clean; [null] for a sequence of another length. */
  function toPair(value, context) {
    if (!isObject(value)) fail(context, "A header pair must be a sequence.");
    const method = value[iterator];
    if (iteratesAsArray(value, method) && value.length === 2) {
      const name = convertName(value[0], context);
      const item = value[1];
      const clean = isClean(item);
      return [name, clean ? item : ByteString(item, context), clean];
    }
    const pair = platform.load("webidl").sequenceFromIterable(value, method, ByteString, context);
    return pair.length === 2 ? [pair[0], pair[1], false] : [null];
  }
  /** Convert `init` to HeadersInit: an array of what `toPair` gives, or { list } with the list of a Headers object. */
  function convertInit(init, context) {
    if (!isObject(init)) {
      fail(context, "The provided value is not of type '(record<ByteString, ByteString> or sequence<sequence<ByteString>>)'.");
    }
    const raw = [];
    const method = init[iterator];
    if (method !== undefined && method !== null) {
      const list = method === headersClass.entries ? headersClass.listOf(init) : undefined;
      if (list !== undefined) return { __proto__: null, length: 0, list: copy(list) };
      return platform.load("webidl").sequenceFromIterable(init, method, toPair, context);
    }
    const keys = ownKeys(init);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (!isOwnEnumerable(init, key)) continue;
      convertName(key, context);
      const value = init[key];
      const clean = isClean(value);
      raw[raw.length] = [key, clean ? value : ByteString(value, context), clean];
    }
    return raw;
  }
  /** "Fill": append what `convertInit` gave to `list`; the validated list. */
  function fill(list, raw, context) {
    const valid = raw.list;
    if (valid !== undefined) for (let i = 0; i < valid.length; i++) list[list.length] = valid[i];
    for (let i = 0; i < raw.length; i++) {
      const pair = raw[i];
      if (pair[0] === null) fail(context, "Each header pair must be an iterable [name, value] tuple.");
      const value = pair[2] ? pair[1] : normalizeValue(pair[1], context);
      const name = normalizeName(pair[0], context);
      list[list.length] = name;
      list[list.length] = value;
    }
    return list;
  }

  /** The normalized name that an only argument is. */
  function toName(name, context) {
    return (typeof name === "string" ? known[name] : undefined) ?? normalizeName(ByteString(name, context), context);
  }
  /** A name argument's conversion to ByteString, to be normalized when the other arguments are converted too. */
  function convertName(name, context) {
    return typeof name === "string" && known[name] !== undefined ? name : ByteString(name, context);
  }
  /** A value argument, converted and normalized. */
  function toValue(value, context) {
    return isClean(value) ? value : normalizeValue(ByteString(value, context), context);
  }

  /** "Get": the values of `name` (in lower case) joined by a comma and a space, or null. */
  function getValue(list, name) {
    let value = null;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === name) value = value === null ? list[i + 1] : value + ", " + list[i + 1];
    }
    return value;
  }

  return { __proto__: null, headersClass, normalizeName, toName, convertName, toValue, convertInit, fill, getValue };
}
