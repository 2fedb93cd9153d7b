// URL Pattern: https://urlpattern.spec.whatwg.org/ , section 2 (pattern strings): a string is cut into tokens, the tokens
// are parsed into parts, and these become a regular expression and the normalized pattern string.
(platform) => {
  "use strict";
  const { fail } = platform.load("webidl");
  const { RegExp } = platform.constructors;
  const substring = platform.uncurry("String", "substring");
  const codePointAt = platform.uncurry("String", "codePointAt");
  const includes = platform.uncurry("String", "includes");
  const execute = platform.uncurry("RegExp", "exec");
  const charCodeAt = platform.uncurry("String", "charCodeAt");
  const numberToString = platform.uncurry("Number", "toString");
  const FULL_WILDCARD = ".*";
  const RESERVED = "-/&!#%,:;<=>@`~";

  function invalid(what) {
    fail("Invalid pattern", what);
  }
  /** The code point of `text` at `index`, as a string. */
  function codePointString(text, index) {
    return substring(text, index, index + (codePointAt(text, index) > 0xffff ? 2 : 1));
  }
  function isNameCodePoint(codePoint, isFirst) {
    return execute(isFirst ? /^[$_\p{ID_Start}]$/u : /^[$_\u200C\u200D\p{ID_Continue}]$/u, codePoint) !== null;
  }
  const isDigit = (character) => character >= "0" && character <= "9";

  // --- 2.1.2 Tokenizing ----------------------------------------------------------------------------------------------

  /** The tokens of a pattern string, { type, index, value }. What is malformed is a token if lenient, else throws. */
  function tokenize(input, isLenient) {
    const tokens = [];
    let index = 0;
    function add(type, next, start, end = next) {
      tokens[tokens.length] = { __proto__: null, type, index, value: substring(input, start, end) };
      index = next;
    }
    function addInvalid(next) {
      if (!isLenient) invalid(`Unexpected '${substring(input, index, next)}' at index ${index}.`);
      add("invalid-char", next, index);
    }
    while (index < input.length) {
      const start = index + 1;
      switch (input[index]) {
        case "*":
          add("asterisk", start, index);
          break;
        case "+":
        case "?":
          add("other-modifier", start, index);
          break;
        case "{":
          add("open", start, index);
          break;
        case "}":
          add("close", start, index);
          break;
        case "\\":
          if (start === input.length) addInvalid(start);
          else add("escaped-char", start + codePointString(input, start).length, start);
          break;
        case ":": {
          let end = start;
          while (end < input.length) {
            const codePoint = codePointString(input, end);
            if (!isNameCodePoint(codePoint, end === start)) break;
            end += codePoint.length;
          }
          if (end === start) addInvalid(start);
          else add("name", end, start);
          break;
        }
        case "(": {
          const end = endOfRegExp(input, start);
          if (end <= start) addInvalid(start);
          else add("regexp", end + 1, start, end);
          break;
        }
        default:
          add("char", index + codePointString(input, index).length, index);
      }
    }
    add("end", index, index);
    return tokens;
  }
  /** The index of the parenthesis that closes a group which begins at `start`; -1 where the group is malformed. */
  function endOfRegExp(input, start) {
    let depth = 1;
    for (let at = start; at < input.length; at++) {
      const character = input[at];
      if (character > "\x7F" || (at === start && character === "?")) return -1;
      if (character === "\\") {
        if (++at === input.length || input[at] > "\x7F") return -1;
      } else if (character === ")") {
        if (--depth === 0) return at;
      } else if (character === "(") {
        depth++;
        // Groups within must not capture.
        if (input[at + 1] !== "?") return -1;
      }
    }
    return -1;
  }

  // --- 2.1.5 Parsing -------------------------------------------------------------------------------------------------

  /**
   * "Parse a pattern string": parts { type, value, modifier, name, prefix, suffix }; a modifier is "", "?", "*" or "+".
   * `encode` canonicalizes a piece of fixed text or throws.
   */
  function parse(input, options, encode) {
    const tokens = tokenize(input, false);
    const segmentWildcard = segmentWildcardOf(options);
    const parts = [];
    let index = 0;
    let pending = "";
    let nextNumericName = 0;

    const tryConsume = (type) => (tokens[index].type === type ? tokens[index++] : null);
    const tryConsumeModifier = () => (tryConsume("other-modifier") ?? tryConsume("asterisk"))?.value ?? "";
    const tryConsumeRegExp = (name) => tryConsume("regexp") ?? (name === null ? tryConsume("asterisk") : null);
    function consume(type) {
      if (tryConsume(type) === null) invalid(`Unexpected '${tokens[index].value}' at index ${tokens[index].index}.`);
    }
    function consumeText() {
      let text = "";
      for (let token; (token = tryConsume("char") ?? tryConsume("escaped-char")) !== null; ) text += token.value;
      return text;
    }
    function add(type, value, modifier, name, prefix, suffix) {
      parts[parts.length] = { __proto__: null, type, value, modifier, name, prefix, suffix };
    }
    function addFixed(value, modifier) {
      add("fixed-text", encode(value), modifier, "", "", "");
    }
    function flushPending() {
      if (pending === "") return;
      addFixed(pending, "");
      pending = "";
    }
    function addPart(prefix, nameToken, valueToken, suffix, modifier) {
      if (nameToken === null && valueToken === null && modifier === "") {
        pending += prefix;
        return;
      }
      flushPending();
      if (nameToken === null && valueToken === null) {
        if (prefix !== "") addFixed(prefix, modifier);
        return;
      }
      let value = segmentWildcard;
      if (valueToken !== null) value = valueToken.type === "asterisk" ? FULL_WILDCARD : valueToken.value;
      let type = "regexp";
      if (value === segmentWildcard) type = "segment-wildcard";
      else if (value === FULL_WILDCARD) type = "full-wildcard";
      if (type !== "regexp") value = "";
      const name = nameToken !== null ? nameToken.value : `${nextNumericName++}`;
      for (let i = 0; i < parts.length; i++) if (parts[i].name === name) invalid(`The name '${name}' is used twice.`);
      add(type, value, modifier, name, encode(prefix), encode(suffix));
    }

    while (index < tokens.length) {
      const charToken = tryConsume("char");
      let nameToken = tryConsume("name");
      let valueToken = tryConsumeRegExp(nameToken);
      if (nameToken !== null || valueToken !== null) {
        let prefix = charToken === null ? "" : charToken.value;
        if (prefix !== options.prefix) {
          pending += prefix;
          prefix = "";
        }
        flushPending();
        addPart(prefix, nameToken, valueToken, "", tryConsumeModifier());
        continue;
      }
      const fixedToken = charToken ?? tryConsume("escaped-char");
      if (fixedToken !== null) {
        pending += fixedToken.value;
        continue;
      }
      if (tryConsume("open") !== null) {
        const prefix = consumeText();
        nameToken = tryConsume("name");
        valueToken = tryConsumeRegExp(nameToken);
        const suffix = consumeText();
        consume("close");
        addPart(prefix, nameToken, valueToken, suffix, tryConsumeModifier());
        continue;
      }
      flushPending();
      consume("end");
    }
    return parts;
  }
  function segmentWildcardOf(options) {
    return `[^${escape(options.delimiter, REGEXP_SYNTAX)}]+?`;
  }
  const REGEXP_SYNTAX = ".+*?^${}()[]|/\\";
  const PATTERN_SYNTAX = "+*?:{}()\\";
  function escape(text, syntax) {
    let result = "";
    for (let i = 0; i < text.length; i++) result += includes(syntax, text[i]) ? "\\" + text[i] : text[i];
    return result;
  }
  const escapeRegExp = (text) => escape(text, REGEXP_SYNTAX);
  const escapePattern = (text) => escape(text, PATTERN_SYNTAX);

  // --- 2.2 Converting part lists to regular expressions --------------------------------------------------------------

  function regExpSource(parts, options) {
    let result = "^";
    for (let i = 0; i < parts.length; i++) {
      const { type, value, modifier, prefix, suffix } = parts[i];
      if (type === "fixed-text") {
        result += modifier === "" ? escapeRegExp(value) : `(?:${escapeRegExp(value)})${modifier}`;
        continue;
      }
      let inner = value;
      if (type === "segment-wildcard") inner = segmentWildcardOf(options);
      else if (type === "full-wildcard") inner = FULL_WILDCARD;
      const isRepeated = modifier === "*" || modifier === "+";
      const before = escapeRegExp(prefix);
      const after = escapeRegExp(suffix);
      if (before === "" && after === "") {
        result += isRepeated ? `((?:${inner})${modifier})` : `(${inner})${modifier}`;
      } else if (!isRepeated) {
        result += `(?:${before}(${inner})${after})${modifier}`;
      } else {
        // The group leaves out the first prefix and the last suffix, but not those between its repetitions.
        result += `(?:${before}((?:${inner})(?:${after}${before}(?:${inner}))*)${after})${modifier === "*" ? "?" : ""}`;
      }
    }
    return result + "$";
  }

  /**
   * `source` for an engine that keeps the v flag's rules for classes outside of them too: it refuses a hyphen, a slash
   * and the doubled punctuators there. They are written as hexadecimal escapes.
   */
  function withoutReserved(source) {
    let result = "";
    let classDepth = 0;
    let previous = "";
    for (let i = 0; i < source.length; i++) {
      let character = source[i];
      if (character === "\\") character += source[++i] ?? "";
      else if (character === "[") classDepth++;
      else if (character === "]") classDepth--;
      else if (classDepth === 0) {
        if (character === "(" && source[i + 1] === "?") {
          // The flags of a group, as in (?i-m:a).
          for (; i + 1 < source.length && includes("?ims-", source[i + 1]); i++) character += source[i + 1];
        } else if (character === "-" || character === "/" || (character === previous && includes(RESERVED, character))) {
          character = HEX[character];
        }
      }
      result += character;
      previous = source[i];
    }
    return result;
  }
  const HEX = { __proto__: null };
  for (let i = 0; i < RESERVED.length; i++) HEX[RESERVED[i]] = `\\x${numberToString(charCodeAt(RESERVED, i), 16)}`;

  // --- 2.3 Converting part lists to pattern strings ------------------------------------------------------------------

  function patternString(parts, options) {
    let result = "";
    for (let i = 0; i < parts.length; i++) {
      const { type, value, modifier, name, prefix, suffix } = parts[i];
      const previous = i > 0 ? parts[i - 1] : null;
      const next = i < parts.length - 1 ? parts[i + 1] : null;
      if (type === "fixed-text") {
        result += modifier === "" ? escapePattern(value) : `{${escapePattern(value)}}${modifier}`;
        continue;
      }
      const isNamed = !isDigit(name[0]);
      let needsGrouping = suffix !== "" || (prefix !== "" && prefix !== options.prefix);
      if (
        !needsGrouping && isNamed && type === "segment-wildcard" && modifier === "" &&
        next !== null && next.prefix === "" && next.suffix === ""
      ) {
        // What follows would be read as more of the name, or as its regular expression.
        needsGrouping =
          next.type === "fixed-text" ? isNameCodePoint(codePointString(next.value, 0), false) : isDigit(next.name[0]);
      }
      if (
        !needsGrouping && prefix === "" && previous !== null && previous.type === "fixed-text" &&
        options.prefix !== "" && previous.value[previous.value.length - 1] === options.prefix
      ) {
        needsGrouping = true;
      }
      if (needsGrouping) result += "{";
      result += escapePattern(prefix);
      if (isNamed) result += ":" + name;
      if (type === "regexp") {
        result += `(${value})`;
      } else if (type === "segment-wildcard") {
        if (!isNamed) result += `(${segmentWildcardOf(options)})`;
      } else if (
        !isNamed &&
        (previous === null || previous.type === "fixed-text" || previous.modifier !== "" || needsGrouping || prefix !== "")
      ) {
        result += "*";
      } else {
        result += `(${FULL_WILDCARD})`;
      }
      if (type === "segment-wildcard" && isNamed && suffix !== "" && isNameCodePoint(codePointString(suffix, 0), false)) {
        result += "\\";
      }
      result += escapePattern(suffix);
      if (needsGrouping) result += "}";
      result += modifier;
    }
    return result;
  }

  /** 1.5 "Compile a component": { pattern, regexp, names, hasRegExpGroups }. Throws a TypeError. */
  function compile(input, options, encode) {
    const parts = parse(input, options, encode);
    const names = [];
    let hasRegExpGroups = false;
    for (let i = 0; i < parts.length; i++) {
      if (parts[i].name !== "") names[names.length] = parts[i].name;
      if (parts[i].type === "regexp") hasRegExpGroups = true;
    }
    let regexp;
    try {
      regexp = new RegExp(withoutReserved(regExpSource(parts, options)), options.ignoreCase ? "vi" : "v");
    } catch {
      invalid(`A regular expression in '${input}' is malformed.`);
    }
    return { __proto__: null, pattern: patternString(parts, options), regexp, names, hasRegExpGroups };
  }

  return { __proto__: null, tokenize, compile, escapePattern };
}
