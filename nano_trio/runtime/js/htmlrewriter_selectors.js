// Selectors for HTMLRewriter: a subset of Selectors Level 4, https://drafts.csswg.org/selectors-4/
//
// `parseSelectors` gives one chain of compounds for each selector of a list, the outermost first:
//   { name | null, tests, next: the compound to the right or null, isChild: is ">" between, registration }
// Names, classes and values are byte strings (htmlrewriter_bytes.js), as they are compared with the source. Whatever a
// selector needs to know comes before the element in the document, so nothing that looks ahead is supported.
(platform) => {
  "use strict";
  const { uncurry, statics, constructors, load } = platform;
  const { TypeError } = constructors;
  const exec = uncurry("RegExp", "exec");
  const slice = uncurry("String", "slice");
  const indexOf = uncurry("String", "indexOf");
  const startsWith = uncurry("String", "startsWith");
  const endsWith = uncurry("String", "endsWith");
  const split = uncurry("String", "split");
  const { parseInt } = statics.Number;
  const { fromCodePoint } = statics.String;
  const { encode, lower } = load("htmlrewriter_bytes");
  const { find } = load("htmlrewriter_attributes");

  // Kinds of test
  const EXISTS = 0, EQUALS = 1, WORD = 2, PREFIX = 3, SUFFIX = 4, SUBSTRING = 5, DASH = 6, NTH_CHILD = 7, NTH_OF_TYPE = 8,
    NOT = 9;
  const OPERATORS = { __proto__: null, "=": EQUALS, "~=": WORD, "^=": PREFIX, "$=": SUFFIX, "*=": SUBSTRING, "|=": DASH };
  const IDENTIFIER =
    /(?:--|-?(?:[a-zA-Z_\u0080-\uffff]|\\[0-9a-fA-F]{1,6}[ \t\n\r\f]?|\\[^\n\r\f0-9a-fA-F]))(?:[-\w\u0080-\uffff]|\\[0-9a-fA-F]{1,6}[ \t\n\r\f]?|\\[^\n\r\f0-9a-fA-F])*/y;
  const STRING = /"((?:[^"\\\n\r\f]|\\[^])*)"|'((?:[^'\\\n\r\f]|\\[^])*)'/y;
  const ESCAPE = /\\(?:([0-9a-fA-F]{1,6})(?:\r\n|[ \t\n\r\f])?|(\r\n|[\n\r\f])|([^]))/g;
  const SPACE = /[ \t\n\r\f]*/y;
  const OPERATOR = /[~^$*|]?=/y;
  const FLAG = /[iIsS](?=[ \t\n\r\f]*\])/y;
  const NTH = /[ \t\n\r\f]*(?:(even|odd)|([-+]?\d*)n(?:[ \t\n\r\f]*([-+])[ \t\n\r\f]*(\d+))?|([-+]?\d+))[ \t\n\r\f]*\)/iy;
  /** HTML, section 4.16.2: attributes whose values match in any case unless the selector says `s`. */
  const ANY_CASE = { __proto__: null };
  const list = split(
    "accept accept-charset align alink axis bgcolor charset checked clear codetype color compact declare defer dir " +
      "direction disabled enctype face frame hreflang http-equiv lang language link media method multiple nohref noresize " +
      "noshade nowrap readonly rel rev rules scope scrolling selected shape target text type valign valuetype vlink",
    " ",
  );
  for (let i = 0; i < list.length; i++) ANY_CASE[list[i]] = true;

  function unescape(text) {
    if (indexOf(text, "\\") < 0) return text;
    let result = "";
    let at = 0;
    for (ESCAPE.lastIndex = 0; ; ) {
      const match = exec(ESCAPE, text);
      if (match === null) return result + slice(text, at);
      result += slice(text, at, match.index);
      at = ESCAPE.lastIndex;
      if (match[1] !== undefined) {
        const code = parseInt(match[1], 16);
        result += code === 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000) ? "\ufffd" : fromCodePoint(code);
      } else result += match[3] ?? "";
    }
  }

  class Parser {
    constructor(text, context) {
      this.text = text;
      this.context = context;
      this.at = 0;
      /** Does a selector count elements, or look at ancestors? */
      this.countsChildren = this.countsTypes = this.hasCombinators = false;
    }
    fail(what, at = this.at) {
      throw new TypeError(`${this.context}: '${this.text}' is no selector that is supported: ${what} at character ${at + 1}.`);
    }
    /** What the sticky `pattern` matches here, or null. */
    take(pattern) {
      pattern.lastIndex = this.at;
      const match = exec(pattern, this.text);
      if (match !== null) this.at = pattern.lastIndex;
      return match;
    }
    skipSpace() {
      const before = this.at;
      this.take(SPACE);
      return this.at > before;
    }
    peek() {
      return this.text[this.at];
    }
    identifier(what) {
      const match = this.take(IDENTIFIER);
      if (match === null) this.unexpected(what);
      return unescape(match[0]);
    }
    unexpected(expected) {
      const c = this.peek();
      this.fail(c === undefined ? `${expected} expected, but it ends` : `${expected} expected instead of '${c}'`);
    }

    list() {
      const selectors = [];
      for (;;) {
        this.skipSpace();
        selectors[selectors.length] = this.complex();
        if (this.peek() === undefined) return selectors;
        this.at++; // a comma
      }
    }
    complex() {
      const first = this.compound();
      for (let last = first; ; ) {
        const hasSpace = this.skipSpace();
        const c = this.peek();
        if (c === undefined || c === ",") return first;
        if (c === "+" || c === "~") this.fail(`the combinator '${c}'`);
        if (c === ">") {
          this.at++;
          this.skipSpace();
          last.isChild = true;
        } else if (!hasSpace) this.unexpected("a combinator or a comma");
        this.hasCombinators = true;
        last = last.next = this.compound();
      }
    }
    compound() {
      const compound = { __proto__: null, name: null, tests: [], needle: "", next: null, isChild: false, registration: undefined };
      const begin = this.at;
      if (this.peek() === "*") this.at++;
      else {
        const match = this.take(IDENTIFIER);
        if (match !== null) compound.name = lower(encode(unescape(match[0])));
      }
      if (this.peek() === "|" && this.text[this.at + 1] !== "=") this.fail("a namespace");
      const { tests } = compound;
      for (;;) {
        const c = this.peek();
        const test = c === "#" || c === "." ? this.word(c, compound) : c === "[" ? this.attribute() : c === ":" ? this.pseudo() : null;
        if (test === null) break;
        if (test !== undefined) tests[tests.length] = test;
      }
      if (this.at === begin) this.unexpected("a selector");
      return compound;
    }
    test(kind, name, value, anyCase = false) {
      return { __proto__: null, kind, name, value: anyCase ? lower(value) : value, anyCase, step: 0, offset: 0, compounds: null };
    }
    word(sign, compound) {
      this.at++;
      const value = encode(this.identifier(sign === "#" ? "an id" : "a class"));
      compound.needle = value;
      return sign === "#" ? this.test(EQUALS, "id", value) : this.test(WORD, "class", value);
    }
    attribute() {
      this.at++;
      this.skipSpace();
      const name = lower(encode(this.identifier("the name of an attribute")));
      this.skipSpace();
      if (this.peek() === "|" && this.text[this.at + 1] !== "=") this.fail("a namespace");
      let test = this.test(EXISTS, name, "");
      if (this.peek() !== "]") {
        const operator = this.take(OPERATOR);
        if (operator === null) this.unexpected("']' or an operator");
        this.skipSpace();
        const string = this.take(STRING);
        const value = encode(string === null ? this.identifier("a value") : unescape(string[1] ?? string[2]));
        this.skipSpace();
        const flag = this.take(FLAG);
        const anyCase = flag === null ? ANY_CASE[name] === true : lower(flag[0]) === "i";
        test = this.test(OPERATORS[operator[0]], name, value, anyCase);
        // Without a flag, only elements of HTML are compared in any case.
        if (flag === null && anyCase) test.exact = value;
        this.skipSpace();
        if (this.peek() !== "]") this.unexpected("']'");
      }
      this.at++;
      return test;
    }
    pseudo() {
      const begin = this.at++;
      if (this.peek() === ":") this.fail("a pseudo-element", begin);
      const name = lower(this.identifier("the name of a pseudo-class"));
      const isFunction = this.peek() === "(";
      if (!isFunction && name === "first-child") return this.nth(NTH_CHILD, 0, 1);
      if (!isFunction && name === "first-of-type") return this.nth(NTH_OF_TYPE, 0, 1);
      if (!isFunction || (name !== "nth-child" && name !== "nth-of-type" && name !== "not")) {
        this.fail(`the pseudo-class ':${name}${isFunction ? "()" : ""}'`, begin);
      }
      this.at++;
      if (name === "not") return this.not();
      const match = this.take(NTH);
      if (match === null) this.fail("no An+B", this.at);
      let step = 0;
      let offset = 0;
      if (match[1] !== undefined) {
        step = 2;
        offset = lower(match[1]) === "odd" ? 1 : 0;
      } else if (match[5] !== undefined) offset = parseInt(match[5], 10);
      else {
        const sign = match[2];
        step = sign === "" || sign === "+" ? 1 : sign === "-" ? -1 : parseInt(sign, 10);
        if (match[4] !== undefined) offset = parseInt(match[3] + match[4], 10);
      }
      return this.nth(name === "nth-child" ? NTH_CHILD : NTH_OF_TYPE, step, offset);
    }
    nth(kind, step, offset) {
      if (kind === NTH_CHILD) this.countsChildren = true;
      else this.countsTypes = true;
      const test = this.test(kind, "", "");
      test.step = step;
      test.offset = offset;
      return test;
    }
    not() {
      const test = this.test(NOT, "", "");
      test.compounds = [];
      for (;;) {
        this.skipSpace();
        test.compounds[test.compounds.length] = this.compound();
        this.skipSpace();
        const c = this.peek();
        if (c === ")") break;
        if (c === undefined) this.unexpected("')'");
        if (c !== ",") this.fail("a combinator within :not()");
        this.at++;
      }
      this.at++;
      return test;
    }
  }

  function isSpace(c) {
    return c === " " || c === "\t" || c === "\n" || c === "\f" || c === "\r";
  }
  /** Is `word` one of the words of `value`? */
  function hasWord(value, word) {
    if (word === "") return false;
    for (let at = 0; ; at++) {
      at = indexOf(value, word, at);
      if (at < 0) return false;
      const end = at + word.length;
      if ((at === 0 || isSpace(value[at - 1])) && (end === value.length || isSpace(value[end]))) {
        for (let i = 0; i < word.length; i++) if (isSpace(word[i])) return false;
        return true;
      }
    }
  }
  function compare(test, actual, isHtml) {
    let { value } = test;
    if (test.anyCase) {
      if (test.exact !== undefined && !isHtml) value = test.exact;
      else actual = lower(actual);
    }
    switch (test.kind) {
      case EQUALS:
        return actual === value;
      case WORD:
        return actual === value ? hasWord(actual, value) : actual.length > value.length && hasWord(actual, value);
      case PREFIX:
        return value !== "" && startsWith(actual, value);
      case SUFFIX:
        return value !== "" && endsWith(actual, value);
      case SUBSTRING:
        return value !== "" && indexOf(actual, value) >= 0;
      default: // DASH
        return actual === value || (actual[value.length] === "-" && startsWith(actual, value));
    }
  }
  /** Is `index` An+B for some n ≥ 0? */
  function isNth(test, index) {
    const distance = index - test.offset;
    return test.step === 0 ? distance === 0 : distance % test.step === 0 && distance / test.step >= 0;
  }
  /**
   * Does the compound, whose name has been compared, match the start tag that the tokenizer is at? `child` and `ofType`
   * are its positions among its siblings, where some selector asks for them.
   */
  function passes(compound, tokenizer, child, ofType) {
    const { tests, needle } = compound;
    // A tag that does not contain the class or id anywhere need not be parsed.
    if (needle !== "" && indexOf(tokenizer.raw, needle) < 0) return false;
    for (let i = 0; i < tests.length; i++) {
      const test = tests[i];
      const { kind } = test;
      if (kind <= DASH) {
        const attributes = tokenizer.attributes();
        const index = find(attributes, test.name);
        if (index < 0 || (kind !== EXISTS && !compare(test, attributes[index + 1], tokenizer.tagNamespace === 0))) return false;
      } else if (kind === NOT) {
        const { compounds } = test;
        for (let j = 0; j < compounds.length; j++) {
          const { name } = compounds[j];
          const isNamed = name === null || name === tokenizer.info.name;
          if (isNamed && passes(compounds[j], tokenizer, child, ofType)) return false;
        }
      } else if (!isNth(test, kind === NTH_CHILD ? child : ofType)) return false;
    }
    return true;
  }

  return {
    __proto__: null,
    /** Parse a list of selectors; a TypeError that begins with `context` says what is not supported, and where. */
    parseSelectors(text, context) {
      const parser = new Parser(text, context);
      const chains = parser.list();
      const { countsChildren, countsTypes, hasCombinators } = parser;
      return { __proto__: null, chains, countsChildren, countsTypes, hasCombinators };
    },
    passes,
  };
}
