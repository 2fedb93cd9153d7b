// Attributes of a tag whose end is known: HTML, https://html.spec.whatwg.org/#before-attribute-name-state and following.
//
// A list is one flat array [name, value, raw, name, value, raw …]: the name in ASCII lower case; the value as it is in the
// document, character references not resolved; raw the source text, or null once the attribute has been set.
(platform) => {
  "use strict";
  const exec = platform.uncurry("RegExp", "exec");
  const { lower } = platform.load("htmlrewriter_bytes");
  const ATTRIBUTE =
    /[\t\n\f\r \/]*(([^\t\n\f\r \/>][^\t\n\f\r \/>=]*)(?:[\t\n\f\r ]*=[\t\n\f\r ]*(?:"([^"]*)"|'([^']*)'|([^\t\n\f\r >]*)))?)/y;
  const NAME = /<\/?[^\t\n\f\r \/>]*/y;
  const NONE = [];

  /** Parse the attributes of the tag `raw`, from "<" to ">". */
  function parseAttributes(raw, nameLength) {
    if (raw.length === nameLength + 2) return NONE;
    const list = [];
    for (ATTRIBUTE.lastIndex = nameLength + 1; ; ) {
      const match = exec(ATTRIBUTE, raw);
      if (match === null) return list;
      const at = list.length;
      list[at] = lower(match[2]);
      list[at + 1] = match[3] ?? match[4] ?? match[5] ?? "";
      list[at + 2] = match[1];
    }
  }
  /** The index of the first attribute `name` in a list, or -1. */
  function find(list, name) {
    for (let i = 0; i < list.length; i += 3) if (list[i] === name) return i;
    return -1;
  }
  /** The name of the tag `raw` as it is spelt. */
  function nameOf(raw) {
    NAME.lastIndex = 0;
    return exec(NAME, raw)[0];
  }
  return { __proto__: null, parseAttributes, find, nameOf };
}
