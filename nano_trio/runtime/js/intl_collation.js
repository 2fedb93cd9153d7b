// Intl.Collator and String.prototype.localeCompare: ECMA-402, chapters 10 and 20.1,
// https://tc39.es/ecma402/#collator-objects , by the levels of the Unicode Collation Algorithm (UTS #10).
//
// First letters count, then accents, then case. Latin letters, digits, punctuation and symbols are in the order that
// CLDR's root has them in; other scripts follow by their code points, without case and accents, which is an order of their
// alphabets but no more.
(platform) => {
  "use strict";
  const { uncurry, statics, constructors } = platform;
  const { TypeError } = constructors;
  const { MATCHERS, localeList, optionsOf, option, booleanOption, define, plain } =
    platform.load("intl_options");
  const { DOMString } = platform.load("webidl_core");
  const { min } = statics.Math;
  const charCodeAt = uncurry("String", "charCodeAt");
  const codePointAt = uncurry("String", "codePointAt");
  const fromCodePoint = statics.String.fromCodePoint;
  const normalize = uncurry("String", "normalize");
  const toLowerCase = uncurry("String", "toLowerCase");
  const test = uncurry("RegExp", "test");
  const push = uncurry("Array", "push");

  // From the least to the greatest.
  const SYMBOLS =
    "\t\n\v\f\r\x85\u2028\u2029 _\u203f\u2040\u2054‐‑‒–—―-,;:!¡?¿.…·'‘’‚‛‹›\"“”„‟«»()[]{}§¶@*/\\&#%‰†‡•`´^¯¨°©®+±÷×<=>¬|¦~¤¢$£¥₦₩₪₫€₱₴₹₺₽₿0123456789";
  const LETTERS = "abcdefghijklmnopqrstuvwxyz";
  // Letters that are others, or two, with a difference of the second level.
  const EXPANSIONS = {
    __proto__: null, æ: "ae", œ: "oe", ß: "ss", ø: "o", đ: "d", ð: "d", ħ: "h", ł: "l", ŀ: "l", ĳ: "ij", ŉ: "n", ſ: "s",
  };
  // The same of the third level, as case is.
  const VARIANTS = { __proto__: null, ª: "a", º: "o", "²": "2", "³": "3", "¹": "1", "™": "tm", "№": "no" };
  const BETWEEN = { __proto__: null, ı: "i", ŋ: "n", ŧ: "t", ĸ: "q", ə: "e", þ: "z" };
  const MARKS = "\u0301\u0300\u0306\u0302\u030c\u030a\u0308\u030b\u0303\u0307\u0338\u0327\u0328\u0304";
  const FIRST_LETTER = 1000;
  const weights = { __proto__: null };
  for (let i = 0; i < SYMBOLS.length; i++) weights[SYMBOLS[i]] = i + 10;
  const DIGIT = weights[0];
  for (let i = 0; i < LETTERS.length; i++) weights[LETTERS[i]] = FIRST_LETTER + 10 * i;
  for (const letter in BETWEEN) weights[letter] = weights[BETWEEN[letter]] + 5;
  // Of ASCII by the code; 0 of what is as if it were not there.
  const ascii = [];
  for (let code = 0; code < 128; code++) {
    const character = fromCodePoint(code);
    push(ascii, weights[character] ?? weights[toLowerCase(character)] ?? 0);
  }
  const isMark = /^\p{M}$/u;
  const isIgnored = /^[\0-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\xad\u200b-\u200f\u202a-\u202e\u2060-\u2064\ufeff]$/;
  const isPunctuation = /^[\p{P}\p{Z}\s]$/u;

  /** The keys of a string: { letters, accents, cases }, each a list of numbers. */
  function keysOf(string, { isNumeric, ignoresPunctuation }) {
    const text = normalize(string, "NFD");
    const letters = [], accents = [], cases = [];
    const add = (character, accent) => {
      const lower = toLowerCase(character);
      const weight = weights[lower] ?? 10_000 + codePointAt(lower, 0);
      push(letters, weight);
      push(accents, accent);
      push(cases, lower === character ? 0 : 1);
    };
    for (let at = 0; at < text.length; ) {
      const code = codePointAt(text, at);
      const character = fromCodePoint(code);
      at += code > 0xffff ? 2 : 1;
      if (code > 127 && test(isMark, character)) {
        // An accent counts for the letter before it; in which order marks come is theirs.
        const rank = indexOf(MARKS, character);
        if (accents.length > 0) {
          const last = accents.length - 1;
          accents[last] = accents[last] * 100 + (rank >= 0 ? rank + 1 : 20 + (code % 70));
        }
        continue;
      }
      if (test(isIgnored, character) || (ignoresPunctuation && test(isPunctuation, character))) continue;
      if (isNumeric && code >= 0x30 && code <= 0x39) {
        at = addNumber(text, at - 1, letters, accents, cases);
        continue;
      }
      const lower = code > 127 ? toLowerCase(character) : character;
      const variant = code > 127 ? VARIANTS[lower] : undefined;
      const expansion = variant ?? (code > 127 ? EXPANSIONS[lower] : undefined);
      if (expansion === undefined) add(character, 0);
      else {
        for (let i = 0; i < expansion.length; i++) {
          add(expansion[i], variant === undefined ? 99 : 0);
          if (variant !== undefined) cases[cases.length - 1] = 2;
          else if (lower !== character) cases[cases.length - 1] = 1;
        }
      }
    }
    return { __proto__: null, letters, accents, cases };
  }
  const indexOf = uncurry("String", "indexOf");
  /** Digits as one number: first how long it is without zeros in front, then each. Returns where they end. */
  function addNumber(text, at, letters, accents, cases) {
    const isDigit = (index) => index < text.length && text[index] >= "0" && text[index] <= "9";
    while (text[at] === "0" && isDigit(at + 1)) at++;
    let end = at;
    while (isDigit(end)) end++;
    push(letters, DIGIT);
    push(letters, end - at);
    for (let i = at; i < end; i++) push(letters, DIGIT + charCodeAt(text, i) - 0x30);
    push(accents, 0);
    push(cases, 0);
    return end;
  }
  function compareLists(a, b) {
    const length = min(a.length, b.length);
    for (let i = 0; i < length; i++) if (a[i] !== b[i]) return a[i] < b[i] ? -1 : 1;
    return a.length === b.length ? 0 : a.length < b.length ? -1 : 1;
  }
  /** What ASCII comes to without any lists; undefined where there is more than letters, digits and the like. */
  function compareAscii(a, b, options) {
    const length = min(a.length, b.length);
    let ofCase = 0;
    for (let i = 0; i < length; i++) {
      const first = charCodeAt(a, i), second = charCodeAt(b, i);
      if (first === second && first < 128 && ascii[first] > 0) continue;
      const weight = ascii[first], other = ascii[second];
      if (!(weight > 0 && other > 0)) return undefined;
      if (weight !== other) {
        // A mark further on may still make either another letter, but none of ASCII that comes before.
        return isFollowedByAscii(a, i) && isFollowedByAscii(b, i) ? (weight < other ? -1 : 1) : undefined;
      }
      if (ofCase === 0) ofCase = first > second ? -1 : 1;
    }
    if (a.length !== b.length) {
      return isFollowedByAscii(a, length - 1) && isFollowedByAscii(b, length - 1) ? (a.length < b.length ? -1 : 1) : undefined;
    }
    return options.levels.isOfCase ? ofCase * options.caseSign : 0;
  }
  function isFollowedByAscii(text, at) {
    return at + 1 >= text.length || ascii[charCodeAt(text, at + 1)] > 0;
  }
  function compare(options, a, b) {
    if (a === b) return 0;
    if (options.isPlain) {
      const result = compareAscii(a, b, options);
      if (result !== undefined) return result;
    }
    const first = keysOf(a, options), second = keysOf(b, options);
    const { isOfAccents, isOfCase } = options.levels;
    return (
      compareLists(first.letters, second.letters) ||
      (isOfAccents && compareLists(first.accents, second.accents)) ||
      (isOfCase && compareLists(first.cases, second.cases) * options.caseSign) ||
      0
    );
  }

  const LEVELS = {
    __proto__: null,
    base: { __proto__: null, isOfAccents: false, isOfCase: false },
    accent: { __proto__: null, isOfAccents: true, isOfCase: false },
    case: { __proto__: null, isOfAccents: false, isOfCase: true },
    variant: { __proto__: null, isOfAccents: true, isOfCase: true },
  };
  /** 10.1.2 The steps of the constructor */
  function setup(given) {
    const options = optionsOf(given, false);
    const usage = option(options, "usage", ["sort", "search"], "sort");
    option(options, "localeMatcher", MATCHERS, "best fit");
    const isNumeric = booleanOption(options, "numeric", false);
    const caseFirst = option(options, "caseFirst", ["upper", "lower", "false"], "false");
    const sensitivity = option(options, "sensitivity", ["base", "accent", "case", "variant"], "variant");
    const ignoresPunctuation = booleanOption(options, "ignorePunctuation", false);
    return {
      __proto__: null,
      usage,
      sensitivity,
      caseFirst,
      isNumeric,
      ignoresPunctuation,
      levels: LEVELS[sensitivity],
      caseSign: caseFirst === "upper" ? -1 : 1,
      isPlain: !isNumeric && !ignoresPunctuation,
    };
  }
  const Collator = define("Collator", true, setup, {
    __proto__: null,
    "get compare": (state, a, b) => compare(state, DOMString(a), DOMString(b)),
    resolvedOptions: (state) =>
      plain({
        __proto__: null,
        locale: state.locale,
        usage: state.usage,
        sensitivity: state.sensitivity,
        ignorePunctuation: state.ignoresPunctuation,
        collation: "default",
        numeric: state.isNumeric,
        caseFirst: state.caseFirst,
      }),
  });

  let usual;
  return {
    __proto__: null,
    Collator,
    localeCompare(that, locales, options) {
      if (this === undefined || this === null) {
        throw new TypeError("String.prototype.localeCompare called on null or undefined");
      }
      const string = DOMString(this), other = DOMString(that);
      if (locales !== undefined) localeList(locales);
      return compare(options === undefined ? (usual ??= setup()) : setup(options), string, other);
    },
  };
}
