// data: URLs: Fetch, https://fetch.spec.whatwg.org/#data-url-processor
(platform) => {
  "use strict";
  const { parse, serialize } = platform.load("mime");
  const startsWith = platform.uncurry("String", "startsWith");
  const { split } = platform.host("dataurl");
  return {
    __proto__: null,
    /** { mimeType, body } of the serialization of a data: URL, body an ArrayBuffer; null is failure. */
    processDataURL(url) {
      const parts = split(url);
      if (parts === null) return null;
      const text = startsWith(parts[0], ";") ? "text/plain" + parts[0] : parts[0];
      const type = parse(text);
      return { __proto__: null, mimeType: type === null ? "text/plain;charset=US-ASCII" : serialize(type), body: parts[1] };
    },
  };
}
