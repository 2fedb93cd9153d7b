// URL: https://url.spec.whatwg.org/ , section 6.1. URLSearchParams is in urlsearchparams.js.
//
// A URL is kept as its serialization; Ada parses in the host. The serialization is unambiguous, so the components are
// substrings of it, whose bounds are found when the first of them is read. `searchParams` is made when it is first
// read; from then on the URL tells it about a new query, and it tells the URL.
(platform) => {
  "use strict";
  const { statics, uncurry } = platform;
  const { defineProperty, getOwnPropertyDescriptor } = statics.Object;
  const webidl = platform.load("webidl");
  const { requireArguments, fail, USVString } = webidl;
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const execute = uncurry("RegExp", "exec");
  const { parse, parseWithBase, set } = platform.host("url");
  // What most URLs need of urlparser.js, without a call between.
  const parser = () => platform.load("urlparser");
  const LONG = 32768;
  const PARSED = {};
  let boundsOf, change;

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
      return base === undefined ? parser().canParse(url) : parser().canParseWithBase(url, USVString(base));
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
      const href = parseURL(USVString(value));
      if (href === null) fail("Failed to set 'href' on 'URL'", "Invalid URL");
      change(this, href, true);
    }
    get origin() {
      const bounds = boundsOf(this);
      return originOf(this.#href, bounds);
    }
    get searchParams() {
      return (this.#query ??= platform
        .load("urlsearchparams")
        .create(components.search(this.#href, boundsOf(this)), (query) => {
          change(this, parser().set(this.#href, "search", query));
        }));
    }
    toString() {
      return this.#href;
    }
    toJSON() {
      return this.#href;
    }
    static {
      /** [end of the scheme's colon, start of the path, end of the path, end of the query]. */
      boundsOf = (url) => (url.#bounds ??= findBounds(url.#href));
      /** Give `url` another serialization; `isQueryNew` replaces the entries of `searchParams` as well. */
      change = (url, href, isQueryNew = false) => {
        url.#href = href;
        url.#bounds = undefined;
        if (isQueryNew && url.#query !== undefined) {
          platform.load("urlsearchparams").fill(url.#query, components.search(href, boundsOf(url)));
        }
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
            value = USVString(value);
            const isShort = href.length <= LONG && value.length <= LONG;
            change(this, isShort ? set(href, name, value) : parser().set(href, name, value), name === "search");
          },
        };
        const { get, set: setter } = getOwnPropertyDescriptor(accessors, name);
        defineProperty(this.prototype, name, { __proto__: null, get, set: setter, configurable: true });
      }
    }
  }

  /** The serialization of `url` (parsed against `base` unless that is undefined), or null where it is invalid. */
  function parseURL(url, base) {
    if (base === undefined) return url.length > LONG ? parser().parse(url) : parse(url);
    return url.length > LONG || base.length > LONG ? parser().parseWithBase(url, base) : parseWithBase(url, base);
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
        const inner = parseURL(components.pathname(href, bounds));
        if (inner !== null && execute(/^https?:/, inner) !== null) return originOf(inner, findBounds(inner));
      }
    }
    return "null";
  }

  webidl.defineInterface(URL);
  return { __proto__: null, URL, parseURL, findBounds, components };
}
