// Header lists: Fetch, https://fetch.spec.whatwg.org/#concept-header-list , and HeadersInit of the Headers class.
//
// A list is one flat array [name, value, name, value …] with names in lower case, so that a request or response needs no
// Headers object until the app touches `headers`. An init is taken in two steps, as the specification orders them:
// `convertInit` is the Web IDL conversion, `fill` validates what it gave. Where the first finds that nothing is left to
// validate, as with names and values that were seen before, it gives the list itself.
(platform) => {
  "use strict";
  const { ByteString, fail, isObject, iteratesAsArray } = platform.load("webidl_core");
  const { statics, constructors, uncurry } = platform;
  const { ownKeys } = statics.Reflect;
  const { isArray } = statics.Array;
  const isOwnEnumerable = uncurry("Object", "propertyIsEnumerable");
  const listHeaders = uncurry("Object", "listHeaders");
  const exec = uncurry("RegExp", "exec");
  const join = uncurry("Array", "join");
  const charCodeAt = uncurry("String", "charCodeAt");
  const slice = uncurry("String", "slice");
  const toLowerCase = uncurry("String", "toLowerCase");
  const iterator = Symbol.iterator;
  const NOT_A_TOKEN = /[^!#$%&'*+\-.^_`|~0-9A-Za-z]/;
  const NOT_A_VALUE = /[\0\n\r]/;
  const UNUSUAL = /[\0\n\r\u0100-\uffff]/;
  /** What the head of a message may have: the host works through it while all other apps wait, a few µs a header. */
  const MAX_HEADERS = 2000;
  const MAX_HEAD_LENGTH = 131072;
  // Names repeat: each valid one seen maps to its lower case. Bounded, as an app may invent names without end.
  const known = { __proto__: null };
  let knownCount = 0;
  platform.load("response").parts[8] = known;
  /** Values repeat as well: valid ones that were seen. */
  const clean = { __proto__: null };
  let cleanCount = 0;
  /** Set by headers.js, without which no Headers object exists: its list, for an object that is one, and @@iterator. */
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
    if (typeof value !== "string") return false;
    const length = value.length; // no destructuring: that makes an object of a string
    if (length < 60 && clean[value]) return true;
    if (exec(UNUSUAL, value) !== null) return false;
    if (isWhitespace(charCodeAt(value, 0)) || isWhitespace(charCodeAt(value, length - 1))) return false;
    if (cleanCount < 100 && length < 60) {
      cleanCount++;
      clean[value] = true;
    }
    return true;
  }

  /** What `convertInit` gives where something is left to validate: a list whose names may be null, which are invalid. */
  function Unchecked(list) {
    this.list = list;
  }
  Unchecked.prototype = { __proto__: null };

  /** A name and a value, converted; [null] for a sequence of another length. */
  function toPair(value, context) {
    if (!isObject(value)) fail(context, "A header pair must be a sequence.");
    const method = value[iterator];
    if (iteratesAsArray(value, method) && value.length === 2) {
      return [convertName(value[0], context), convertValue(value[1], context)];
    }
    const pair = platform.load("webidl").sequenceFromIterable(value, method, ByteString, context);
    return pair.length === 2 ? pair : [null, ""];
  }
  /** Convert `init` to HeadersInit, for `fill`: a valid list that is the caller's own, or one that is Unchecked. */
  function convertInit(init, context) {
    if (init === null || (typeof init !== "object" && typeof init !== "function")) {
      fail(context, "The provided value is not of type '(record<ByteString, ByteString> or sequence<sequence<ByteString>>)'.");
    }
    const method = init[iterator];
    if (method === headersClass.entries) {
      const original = headersClass.listOf(init);
      if (original !== undefined) return copy(original);
    }
    if (method !== undefined && method !== null) {
      const list = [];
      const pairs = platform.load("webidl").sequenceFromIterable(init, method, toPair, context);
      for (let i = 0; i < pairs.length; i++) {
        list[2 * i] = pairs[i][0];
        list[2 * i + 1] = pairs[i][1];
      }
      return new Unchecked(list);
    }
    const plain = listHeaders(init, known);
    if (plain !== undefined) return plain;
    const list = [];
    let isValid = true;
    const keys = ownKeys(init);
    for (let i = 0; i < keys.length; i++) {
      const key = keys[i];
      if (!isOwnEnumerable(init, key)) continue;
      let name = typeof key === "string" ? known[key] : undefined;
      if (name === undefined) {
        isValid = false;
        name = ByteString(key, context);
      }
      let value = init[key];
      if (!isClean(value)) {
        isValid = false;
        value = ByteString(value, context);
      }
      list[list.length] = name;
      list[list.length] = value;
    }
    return isValid ? list : new Unchecked(list);
  }
  /** "Fill": the valid list of what `convertInit` gave. */
  function fill(converted, context) {
    if (isArray(converted)) return converted;
    const { list } = converted;
    for (let i = 0; i < list.length; i += 2) {
      if (list[i] === null) fail(context, "Each header pair must be an iterable [name, value] tuple.");
      list[i + 1] = toValue(list[i + 1], context);
      list[i] = normalizeName(list[i], context);
    }
    return list;
  }
  function copy(list) {
    // Most lists are short: a literal costs half of a loop, and a loop less than slice up to a dozen headers.
    if (list.length === 2) return [list[0], list[1]];
    if (list.length === 4) return [list[0], list[1], list[2], list[3]];
    const result = [];
    for (let i = 0; i < list.length; i++) result[i] = list[i];
    return result;
  }

  /** The normalized name that an only argument is. */
  function toName(name, context) {
    return (typeof name === "string" ? known[name] : undefined) ?? normalizeName(ByteString(name, context), context);
  }
  /** A name argument's conversion to ByteString, to be normalized when the other arguments are converted too. */
  function convertName(name, context) {
    return (typeof name === "string" ? known[name] : undefined) ?? ByteString(name, context);
  }
  function convertValue(value, context) {
    return isClean(value) ? value : ByteString(value, context);
  }
  /** A value argument, converted and normalized. */
  function toValue(value, context) {
    if (typeof value === "string" && value.length < 60 && clean[value]) return value;
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

  /**
   * A list for the host, null where it is empty: one string with a line for each name and each value, which hold no line
   * feeds. A TypeError where the head is too large; `rest` is what else stands in it, `whose` says which one it is.
   */
  function linesOf(list, rest, whose) {
    const { length } = list;
    const lines = length === 2 ? list[0] + "\n" + list[1] : length === 0 ? null : join(list, "\n");
    const size = rest.length + (lines === null ? 0 : lines.length);
    if (size > MAX_HEAD_LENGTH || length > 2 * MAX_HEADERS) {
      const beyond = `${length / 2} headers, ${size} characters; at most ${MAX_HEADERS} and ${MAX_HEAD_LENGTH} are sent`;
      throw new constructors.TypeError(`${whose} head is too large: ${beyond}.`);
    }
    return lines;
  }

  return { __proto__: null, headersClass, known, normalizeName, toName, toValue, convertInit, fill, copy, getValue, linesOf };
}
