// URL: https://url.spec.whatwg.org/ , sections 5 (application/x-www-form-urlencoded) and 6 (API).
//
// A URL is kept as its serialization; Ada parses in the host. The serialization is unambiguous, so the components are
// substrings of it, whose bounds are found when the first of them is read. `searchParams` is made when it is first read;
// from then on the URL tells it about a new query, and it tells the URL.
(platform) => {
  "use strict";
  const { statics, uncurry } = platform;
  const { defineProperty, getOwnPropertyDescriptor } = statics.Object;
  const webidl = platform.load("webidl");
  const { requireArguments, fail, isObject, USVString } = webidl;
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const execute = uncurry("RegExp", "exec");
  const { parse, parseWithBase, canParse, canParseWithBase, set, parseForm, formEncode } = platform.host("url");
  const { iterator } = Symbol;
  const PARSED = {};
  let boundsOf, hrefOf, change, entriesOf, fill, isURL, isURLSearchParams;

  // --- URL ---------------------------------------------------------------------------------------------------------

  class URL {
    #href;
    #bounds;
    #query;
    constructor(url, base = undefined) {
      if (url === PARSED) {
        this.#href = base;
        return;
      }
      this.#href = parseURL(USVString(url), base === undefined ? base : USVString(base));
      if (this.#href === null) fail("Failed to construct 'URL'", "Invalid URL");
    }
    static parse(url, base = undefined) {
      requireArguments(arguments.length, 1, "Failed to execute 'parse' on 'URL'");
      const href = parseURL(USVString(url), base === undefined ? base : USVString(base));
      return href === null ? null : new URL(PARSED, href);
    }
    static canParse(url, base = undefined) {
      requireArguments(arguments.length, 1, "Failed to execute 'canParse' on 'URL'");
      url = USVString(url);
      return base === undefined ? canParse(url) : canParseWithBase(url, USVString(base));
    }
    static createObjectURL(object) {
      return platform.load("bloburl").create(arguments);
    }
    static revokeObjectURL(url) {
      platform.load("bloburl").revoke(arguments);
    }
    get href() {
      return this.#href;
    }
    set href(value) {
      this.#href;
      const href = parse(USVString(value));
      if (href === null) fail("Failed to set 'href' on 'URL'", "Invalid URL");
      change(this, href, true);
    }
    get origin() {
      const bounds = boundsOf(this);
      return originOf(this.#href, bounds);
    }
    get searchParams() {
      return (this.#query ??= new URLSearchParams(PARSED, this, components.search(this.#href, boundsOf(this))));
    }
    toString() {
      return this.#href;
    }
    toJSON() {
      return this.#href;
    }
    static {
      isURL = (value) => isObject(value) && #href in value;
      hrefOf = (url) => url.#href;
      /** [end of the scheme's colon, start of the path, end of the path, end of the query]. */
      boundsOf = (url) => (url.#bounds ??= findBounds(url.#href));
      /** Give `url` another serialization; `isQueryNew` replaces the entries of `searchParams` as well. */
      change = (url, href, isQueryNew) => {
        url.#href = href;
        url.#bounds = undefined;
        if (isQueryNew && url.#query !== undefined) fill(url.#query, components.search(href, boundsOf(url)));
      };
      const names = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];
      for (let i = 0; i < names.length; i++) {
        const name = names[i];
        const accessors = {
          get [name]() {
            const bounds = boundsOf(this);
            return components[name](this.#href, bounds);
          },
          set [name](value) {
            const href = this.#href;
            change(this, set(href, name, USVString(value)), name === "search");
          },
        };
        defineProperty(this.prototype, name, getOwnPropertyDescriptor(accessors, name));
      }
    }
  }

  /** The serialization of `url` (parsed against `base` unless that is undefined), or null where it is invalid. */
  function parseURL(url, base) {
    return base === undefined ? parse(url) : parseWithBase(url, base);
  }

  function findBounds(href) {
    const scheme = indexOf(href, ":") + 1;
    let queryEnd = indexOf(href, "#", scheme);
    if (queryEnd < 0) queryEnd = href.length;
    let pathEnd = indexOf(href, "?", scheme);
    if (pathEnd < 0 || pathEnd > queryEnd) pathEnd = queryEnd;
    let path = scheme;
    if (href[scheme] === "/") {
      if (href[scheme + 1] === "/") {
        path = indexOf(href, "/", scheme + 2);
        if (path < 0 || path > pathEnd) path = pathEnd;
      } else if (href[scheme + 1] === "." && href[scheme + 2] === "/" && href[scheme + 3] === "/") {
        // 4.5: without a host, "/." keeps a path that begins with two slashes from being read as an authority.
        path += 2;
      }
    }
    return [scheme, path, pathEnd, queryEnd];
  }

  /** The authority as a match of [, user name, password, host name, port]: absent ones are undefined. */
  function authority(href, bounds) {
    const scheme = bounds[0];
    const isThere = href[scheme] === "/" && href[scheme + 1] === "/";
    const text = isThere ? slice(href, scheme + 2, bounds[1]) : "";
    return execute(/^(?:([^:@]*)(?::([^@]*))?@)?(\[.*\]|[^:]*)(?::(.*))?$/, text);
  }
  const components = {
    __proto__: null,
    protocol: (href, bounds) => slice(href, 0, bounds[0]),
    username: (href, bounds) => authority(href, bounds)[1] ?? "",
    password: (href, bounds) => authority(href, bounds)[2] ?? "",
    host(href, bounds) {
      const match = authority(href, bounds);
      return match[4] === undefined ? match[3] : `${match[3]}:${match[4]}`;
    },
    hostname: (href, bounds) => authority(href, bounds)[3],
    port: (href, bounds) => authority(href, bounds)[4] ?? "",
    pathname: (href, bounds) => slice(href, bounds[1], bounds[2]),
    search: (href, bounds) => (bounds[3] - bounds[2] < 2 ? "" : slice(href, bounds[2], bounds[3])),
    hash: (href, bounds) => (href.length - bounds[3] < 2 ? "" : slice(href, bounds[3])),
  };
  /** 4.7 Origin, serialized. */
  function originOf(href, bounds) {
    switch (components.protocol(href, bounds)) {
      case "http:":
      case "https:":
      case "ws:":
      case "wss:":
      case "ftp:":
        return components.protocol(href, bounds) + "//" + components.host(href, bounds);
      case "blob:": {
        const inner = parse(components.pathname(href, bounds));
        if (inner !== null && execute(/^https?:/, inner) !== null) return originOf(inner, findBounds(inner));
      }
    }
    return "null";
  }

  // --- URLSearchParams ---------------------------------------------------------------------------------------------

  const toSequence = webidl.sequence(USVString);
  const toRecord = webidl.record(USVString, USVString);

  class URLSearchParams {
    #entries;
    #url;
    constructor(init = undefined, url, query) {
      if (init === PARSED) {
        this.#url = url;
        this.#entries = parseEntries(query);
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
      const url = this.#url;
      if (url !== undefined) change(url, set(hrefOf(url), "search", serializeForm(this.#entries)), false);
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
    if (indexOf(text, "%") >= 0 || indexOf(text, "+") >= 0) {
      const flat = parseForm(slice(text, start));
      for (let i = 0; i < flat.length; i += 2) entries[entries.length] = [flat[i], flat[i + 1]];
      return entries;
    }
    // Nothing to decode: most queries are short and plain.
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
      entries[entries.length] = [slice(text, at, middle), slice(text, middle + 1, end)];
    }
    return entries;
  }
  /** 5.2 The application/x-www-form-urlencoded serializer of [name, value] entries. */
  function serializeForm(entries) {
    let text = "";
    for (let i = 0; i < entries.length; i++) {
      text += `${i === 0 ? "" : "&"}${encode(entries[i][0])}=${encode(entries[i][1])}`;
    }
    return text;
  }
  function encode(text) {
    return execute(/[^A-Za-z0-9*\-._]/, text) === null ? text : formEncode(text);
  }

  webidl.defineInterface(URL);
  webidl.defineInterface(URLSearchParams);
  webidl.definePairIterable(URLSearchParams, "URLSearchParams", entriesOf);
  return {
    __proto__: null,
    URL,
    URLSearchParams,
    parseURL,
    hrefOf,
    isURL,
    isURLSearchParams,
    entriesOf,
    parseEntries,
    serializeForm,
  };
}
