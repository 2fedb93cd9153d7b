// The URL parser and the setters, by the host: runtime/url.py; of long URLs by url_long.js.
(platform) => {
  "use strict";
  const { parse, parseWithBase, canParse, canParseWithBase, set } = platform.host("url");
  /** UTF-16 units. To parse more would take the host longer than a slice. */
  const LONG = 32768;
  const long = () => platform.load("url_long");

  return {
    __proto__: null,
    /** The serialization of `url`, or null where it is invalid. */
    parse: (url) => (url.length > LONG ? long().parse(url) : parse(url)),
    /** The same against a base URL. */
    parseWithBase: (url, base) =>
      url.length > LONG || base.length > LONG ? long().parseWithBase(url, base) : parseWithBase(url, base),
    canParse: (url) => (url.length > LONG ? long().parse(url) !== null : canParse(url)),
    canParseWithBase: (url, base) =>
      url.length > LONG || base.length > LONG ? long().parseWithBase(url, base) !== null : canParseWithBase(url, base),
    /** The serialization after `url[component] = value`. */
    set: (href, component, value) =>
      href.length > LONG || value.length > LONG ? long().set(href, component, value) : set(href, component, value),
  };
}
