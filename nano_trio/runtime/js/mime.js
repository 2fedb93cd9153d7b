// MIME types: MIME Sniffing, https://mimesniff.spec.whatwg.org/#parsing-a-mime-type , and their extraction from headers:
// Fetch, https://fetch.spec.whatwg.org/#concept-header-extract-mime-type
//
// A MIME type is { essence, parameters }, the latter a flat array [name, value, name, value …].
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const exec = uncurry("RegExp", "exec");
  const slice = uncurry("String", "slice");
  const toLowerCase = uncurry("String", "toLowerCase");
  const { getValue } = platform.load("headerlist");
  const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

  function isSpace(character) {
    return character === " " || character === "\t" || character === "\n" || character === "\r";
  }
  function strip(text) {
    let start = 0;
    let end = text.length;
    while (start < end && isSpace(text[start])) start++;
    while (end > start && isSpace(text[end - 1])) end--;
    return slice(text, start, end);
  }
  /** The first index from `at` on with one of the two characters, or the text's length. */
  function find(text, at, first, second) {
    while (at < text.length && text[at] !== first && text[at] !== second) at++;
    return at;
  }
  /** "Collect an HTTP quoted string" that begins at `at`: [value, index after it]. */
  function quotedString(text, at) {
    let value = "";
    for (at++; at < text.length && text[at] !== '"'; at++) {
      if (text[at] === "\\" && at + 1 < text.length) at++;
      value += text[at];
    }
    return [value, at + 1];
  }

  function parameter(type, name) {
    const { parameters } = type;
    for (let i = 0; i < parameters.length; i += 2) if (parameters[i] === name) return parameters[i + 1];
    return null;
  }

  /** "Parse a MIME type"; null is failure. */
  function parse(input) {
    const text = strip(input);
    const slash = find(text, 0, "/");
    let at = find(text, slash + 1, ";");
    const subtype = strip(slice(text, slash + 1, at));
    if (
      slash >= text.length ||
      exec(TOKEN, slice(text, 0, slash)) === null ||
      isSpace(text[slash + 1]) ||
      exec(TOKEN, subtype) === null
    ) {
      return null;
    }
    const type = { essence: toLowerCase(`${slice(text, 0, slash)}/${subtype}`), parameters: [] };
    while (at < text.length) {
      at++;
      while (at < text.length && isSpace(text[at])) at++;
      const nameEnd = find(text, at, ";", "=");
      const name = toLowerCase(slice(text, at, nameEnd));
      at = nameEnd;
      if (at >= text.length || text[at] === ";") continue;
      at++;
      if (at >= text.length) break;
      let value;
      if (text[at] === '"') {
        const quoted = quotedString(text, at);
        value = quoted[0];
        at = find(text, quoted[1], ";");
      } else {
        const end = find(text, at, ";");
        value = slice(text, at, end);
        while (value !== "" && isSpace(value[value.length - 1])) value = slice(value, 0, -1);
        at = end;
        if (value === "") continue;
      }
      if (exec(TOKEN, name) !== null && exec(/[^\t\x20-\x7e\x80-\xff]/, value) === null && parameter(type, name) === null) {
        const { parameters } = type;
        parameters[parameters.length] = name;
        parameters[parameters.length] = value;
      }
    }
    return type;
  }

  /** "Serialize a MIME type" */
  function serialize(type) {
    let text = type.essence;
    const { parameters } = type;
    for (let i = 0; i < parameters.length; i += 2) {
      let value = parameters[i + 1];
      if (exec(TOKEN, value) === null) {
        let escaped = "";
        for (let j = 0; j < value.length; j++) {
          escaped += (value[j] === '"' || value[j] === "\\" ? "\\" : "") + value[j];
        }
        value = `"${escaped}"`;
      }
      text += `;${parameters[i]}=${value}`;
    }
    return text;
  }

  /** "Get, decode, and split" a header value: its parts between commas outside of quoted strings. */
  function splitValue(value) {
    const parts = [];
    let start = 0;
    let at = 0;
    for (;;) {
      at = find(value, at, '"', ",");
      if (value[at] === '"') at = quotedString(value, at)[1];
      else {
        parts[parts.length] = strip(slice(value, start, at));
        if (at >= value.length) return parts;
        start = ++at;
      }
    }
  }

  /** "Extract a MIME type" from a header list (of headerlist.js); null is failure. */
  function extract(list) {
    const header = getValue(list, "content-type");
    if (header === null) return null;
    const values = splitValue(header);
    let result = null;
    let charset = null;
    for (let i = 0; i < values.length; i++) {
      const type = parse(values[i]);
      if (type === null || type.essence === "*/*") continue;
      const ownCharset = parameter(type, "charset");
      if (result === null || type.essence !== result.essence) charset = ownCharset;
      else if (ownCharset === null && charset !== null) {
        type.parameters[type.parameters.length] = "charset";
        type.parameters[type.parameters.length] = charset;
      }
      result = type;
    }
    return result;
  }

  return {
    __proto__: null,
    parse,
    serialize,
    /** The value of a parameter by its name in lower case, or null. */
    parameter,
    extract,
    /** The same, serialized; the empty string is failure. */
    extractSerialized(list) {
      const type = extract(list);
      return type === null ? "" : serialize(type);
    },
  };
}
