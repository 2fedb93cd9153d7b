// URLSearchParams: URL, https://url.spec.whatwg.org/ , sections 5 (application/x-www-form-urlencoded) and 6.2.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const webidl = platform.load("webidl");
  const { requireArguments, fail, isObject, USVString } = webidl;
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const execute = uncurry("RegExp", "exec");
  const charCodeAt = uncurry("String", "charCodeAt");
  const toWellFormed = uncurry("String", "toWellFormed");
  const { formDecode, formDecodePiece, formEncode } = platform.host("url");
  const { iterator } = Symbol;
  const TOKEN = {};
  // Longer texts go to the host in pieces, between which the app's turn may be suspended.
  const LONGEST_PIECE = 16_384;
  let entriesOf, fill, isURLSearchParams;

  const toSequence = webidl.sequence(USVString);
  const toRecord = webidl.record(USVString, USVString);

  class URLSearchParams {
    #entries;
    #onUpdate;
    constructor(init = undefined, query, onUpdate) {
      if (init === TOKEN) {
        this.#entries = parseEntries(query);
        this.#onUpdate = onUpdate;
      } else if (isObject(init)) {
        this.#entries = entriesFrom(init);
      } else {
        this.#entries = init === undefined ? [] : parseEntries(USVString(init));
      }
    }
    get size() {
      return this.#entries.length;
    }
    append(name, value) {
      begin(this, arguments.length, 2, "append");
      name = USVString(name);
      value = USVString(value);
      const entries = this.#entries;
      entries[entries.length] = [name, value];
      this.#update();
    }
    delete(name, value = undefined) {
      begin(this, arguments.length, 1, "delete");
      name = USVString(name);
      if (value !== undefined) value = USVString(value);
      remove(this.#entries, 0, name, value);
      this.#update();
    }
    get(name) {
      begin(this, arguments.length, 1, "get");
      name = USVString(name);
      const entries = this.#entries;
      const at = find(entries, 0, name);
      return at < 0 ? null : entries[at][1];
    }
    getAll(name) {
      begin(this, arguments.length, 1, "getAll");
      name = USVString(name);
      const entries = this.#entries;
      const values = [];
      for (let at = -1; (at = find(entries, at + 1, name)) >= 0; ) values[values.length] = entries[at][1];
      return values;
    }
    has(name, value = undefined) {
      begin(this, arguments.length, 1, "has");
      name = USVString(name);
      if (value !== undefined) value = USVString(value);
      return find(this.#entries, 0, name, value) >= 0;
    }
    set(name, value) {
      begin(this, arguments.length, 2, "set");
      name = USVString(name);
      value = USVString(value);
      const entries = this.#entries;
      const at = find(entries, 0, name);
      if (at < 0) {
        entries[entries.length] = [name, value];
      } else {
        entries[at][1] = value;
        remove(entries, at + 1, name);
      }
      this.#update();
    }
    sort() {
      // The engine's sort is stable, and its comparison of strings is by code units.
      uncurry("Array", "sort")(this.#entries, (a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
      this.#update();
    }
    toString() {
      return serializeForm(this.#entries);
    }
    /** 6.2 "update": the URL's query becomes the serialized entries. */
    #update() {
      this.#onUpdate?.(serializeForm(this.#entries));
    }
    static {
      isURLSearchParams = (value) => isObject(value) && #entries in value;
      entriesOf = (params) => params.#entries;
      fill = (params, query) => {
        params.#entries = parseEntries(query);
      };
    }
  }

  /** What every method does first: the brand check, then the number of arguments. */
  function begin(params, count, required, method) {
    entriesOf(params);
    if (count < required) requireArguments(count, required, `Failed to execute '${method}' on 'URLSearchParams'`);
  }
  /** The index of the first entry from `start` on with that name (and value, unless undefined), or -1. */
  function find(entries, start, name, value) {
    for (let i = start; i < entries.length; i++) {
      if (entries[i][0] === name && (value === undefined || entries[i][1] === value)) return i;
    }
    return -1;
  }
  function remove(entries, start, name, value) {
    let kept = find(entries, start, name, value);
    if (kept < 0) return;
    for (let i = kept + 1; i < entries.length; i++) {
      const entry = entries[i];
      if (entry[0] !== name || (value !== undefined && entry[1] !== value)) entries[kept++] = entry;
    }
    entries.length = kept;
  }
  /** The entries of an object: pairs where it is iterable, else its own properties. */
  function entriesFrom(init) {
    const context = "Failed to construct 'URLSearchParams'";
    const method = init[iterator];
    if (method === undefined || method === null) return toRecord(init, context);
    const entries = webidl.sequenceFromIterable(init, method, toSequence, context);
    for (let i = 0; i < entries.length; i++) {
      if (entries[i].length !== 2) fail(context, "Each query pair must be an iterable [name, value] tuple");
    }
    return entries;
  }
  /** The entries of a query or form; one leading question mark is skipped. */
  function parseEntries(text) {
    const entries = [];
    const start = text[0] === "?" ? 1 : 0;
    let equals = -1;
    for (let at = start, end; at < text.length; at = end + 1) {
      end = indexOf(text, "&", at);
      if (end < 0) end = text.length;
      if (end === at) continue;
      if (equals < at) {
        equals = indexOf(text, "=", at);
        if (equals < 0) equals = text.length;
      }
      const middle = equals < end ? equals : end;
      entries[entries.length] = [decode(slice(text, at, middle)), decode(slice(text, middle + 1, end))];
    }
    return entries;
  }
  function decode(text) {
    if (indexOf(text, "%") < 0 && indexOf(text, "+") < 0) return text;
    if (text.length <= LONGEST_PIECE) return formDecode(text);
    let decoded = "";
    for (let at = 0, end; at < text.length; at = end) {
      end = endOfPiece(text, at);
      decoded += formDecodePiece(slice(text, at, end), at === 0, end === text.length);
    }
    return inOnePiece(decoded);
  }
  /** Where a piece ends that begins at `at`: no escape and no pair of surrogates is cut. */
  function endOfPiece(text, at) {
    let end = at + LONGEST_PIECE;
    if (end >= text.length) return text.length;
    const escape = indexOf(slice(text, end - 2, end), "%");
    if (escape >= 0) end += escape - 2;
    const last = charCodeAt(text, end - 1);
    return last >= 0xd800 && last < 0xdc00 ? end - 1 : end;
  }
  /** 5.2 The application/x-www-form-urlencoded serializer of [name, value] entries. */
  function serializeForm(entries) {
    let text = "";
    for (let i = 0; i < entries.length; i++) {
      text += `${i === 0 ? "" : "&"}${encode(entries[i][0])}=${encode(entries[i][1])}`;
    }
    return inOnePiece(text);
  }
  /** The engine makes a rope of long strings that are joined, which the host does not take. */
  function inOnePiece(text) {
    return toWellFormed(text);
  }
  function encode(text) {
    if (execute(/[^A-Za-z0-9*\-._]/, text) === null) return text;
    let encoded = "";
    for (let at = 0, end; at < text.length; at = end) {
      end = endOfPiece(text, at);
      encoded += formEncode(at === 0 && end === text.length ? text : slice(text, at, end));
    }
    return encoded;
  }

  webidl.defineInterface(URLSearchParams);
  webidl.definePairIterable(URLSearchParams, "URLSearchParams", entriesOf);
  return {
    __proto__: null,
    URLSearchParams,
    /** The parameters of a URL with that query; `onUpdate` is called with the new one when they change. */
    create: (query, onUpdate) => new URLSearchParams(TOKEN, query, onUpdate),
    /** Replace the entries with those of another query. */
    fill,
    isURLSearchParams,
    entriesOf,
    serializeForm,
  };
}
