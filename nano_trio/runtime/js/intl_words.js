// Intl.PluralRules, Intl.ListFormat and Intl.RelativeTimeFormat: ECMA-402, chapters 17, 14 and 18,
// https://tc39.es/ecma402/ , for en-US as CLDR has it.
(platform) => {
  "use strict";
  const { uncurry, constructors, statics } = platform;
  const { RangeError, TypeError, Number } = constructors;
  const { MATCHERS, optionsOf, option, define, textOf, partsOf, plain } = platform.load("intl_options");
  const { decimalOf, digitOptions, written, tellDigits, tellRounding } = platform.load("intl_decimal");
  const { DOMString } = platform.load("webidl_core");
  const push = uncurry("Array", "push");
  const slice = uncurry("String", "slice");
  const endsWith = uncurry("String", "endsWith");
  const { isFinite } = statics.Number;

  /** "one" where a 1 is written without digits behind the point; of ordinals: 1st, 2nd, 3rd, 4th. */
  function pluralOf(state, value) {
    const number = decimalOf(value);
    if (number.special !== "") return "other";
    const { whole, fraction } = written(number, state.digits);
    if (state.type === "cardinal") return whole === "1" && fraction === "" ? "one" : "other";
    if (fraction !== "" || endsWith(whole, "11") || endsWith(whole, "12") || endsWith(whole, "13")) return "other";
    const last = slice(whole, -1);
    return last === "1" ? "one" : last === "2" ? "two" : last === "3" ? "few" : "other";
  }
  const PluralRules = define(
    "PluralRules",
    false,
    (given) => {
      const options = optionsOf(given, false);
      option(options, "localeMatcher", MATCHERS, "best fit");
      const type = option(options, "type", ["cardinal", "ordinal"], "cardinal");
      return { __proto__: null, type, digits: digitOptions(options, 0, 3, "standard") };
    },
    {
      __proto__: null,
      select: (state, value) => pluralOf(state, Number(value)),
      resolvedOptions(state) {
        const told = { __proto__: null, locale: state.locale, type: state.type };
        tellDigits(told, state.digits);
        told.pluralCategories = state.type === "cardinal" ? ["one", "other"] : ["few", "one", "two", "other"];
        tellRounding(told, state.digits);
        return plain(told);
      },
    },
  );

  function listParts(state, list) {
    const items = [];
    if (typeof list === "string") {
      throw new TypeError("Intl.ListFormat: a string is no list of strings");
    }
    if (list !== undefined) {
      for (const item of list) {
        if (typeof item !== "string") throw new TypeError("Intl.ListFormat: the list has what is no string");
        push(items, item);
      }
    }
    const { type, style } = state;
    const word = type === "unit" ? "" : type === "disjunction" ? "or" : style === "long" ? "and" : style === "short" ? "&" : "";
    const comma = type === "unit" && style === "narrow" ? " " : ", ";
    const two = word === "" ? comma : ` ${word} `;
    const last = word === "" ? comma : `, ${word} `;
    const parts = [];
    for (let i = 0; i < items.length; i++) {
      if (i > 0) push(parts, "literal", items.length === 2 ? two : i === items.length - 1 ? last : comma);
      push(parts, "element", items[i]);
    }
    return parts;
  }
  const ListFormat = define(
    "ListFormat",
    false,
    (given) => {
      const options = optionsOf(given, true);
      option(options, "localeMatcher", MATCHERS, "best fit");
      const type = option(options, "type", ["conjunction", "disjunction", "unit"], "conjunction");
      return { __proto__: null, type, style: option(options, "style", ["long", "short", "narrow"], "long") };
    },
    {
      __proto__: null,
      format: (state, list) => textOf(listParts(state, list)),
      formatToParts: (state, list) => partsOf(listParts(state, list)),
      resolvedOptions: (state) => plain({ __proto__: null, locale: state.locale, type: state.type, style: state.style }),
    },
  );

  // The unit's abbreviations: short, and narrow.
  const UNITS = {
    __proto__: null,
    second: ["sec.", "s"], minute: ["min.", "m"], hour: ["hr.", "h"], day: ["day", "d"], week: ["wk.", "w"],
    month: ["mo.", "mo"], quarter: ["qtr.", "q"], year: ["yr.", "y"],
  };
  const NOW = {
    __proto__: null,
    second: ["", "now", ""], minute: ["", "this minute", ""], hour: ["", "this hour", ""],
    day: ["yesterday", "today", "tomorrow"],
  };
  function relativeParts(state, value, unit) {
    const number = Number(value);
    let name = DOMString(unit);
    if (UNITS[name] === undefined && endsWith(name, "s")) name = slice(name, 0, -1);
    const short = UNITS[name];
    if (short === undefined) throw new RangeError(`Invalid unit argument for format() '${DOMString(unit)}'`);
    if (!isFinite(number)) throw new RangeError("Intl.RelativeTimeFormat: the value is no finite number");
    const { style } = state;
    const called = style === "long" || (style === "short" && name === "day") ? name : short[style === "short" ? 0 : 1];
    if (state.numeric === "auto" && (number === 0 || number === 1 || number === -1)) {
      const special = NOW[name]?.[number + 1] ?? `${["last", "this", "next"][number + 1]} ${style === "long" ? name : short[0]}`;
      if (special !== "") return ["literal", special];
    }
    const isPast = number < 0 || (number === 0 && 1 / number < 0);
    const digits = platform.load("intl_number").usualParts(isPast ? -number : number);
    const isOne = number === 1 || number === -1;
    const plural =
      isOne || style === "narrow" ? called
      : style === "long" || name === "day" ? `${called}s`
      : name === "quarter" ? "qtrs."
      : called;
    const gap = style === "narrow" ? "" : " ";
    const parts = isPast ? [] : ["literal", "in "];
    for (let i = 0; i < digits.length; i++) push(parts, digits[i]);
    push(parts, "literal", isPast ? `${gap}${plural} ago` : `${gap}${plural}`);
    return parts;
  }
  const RelativeTimeFormat = define(
    "RelativeTimeFormat",
    false,
    (given) => {
      const options = optionsOf(given, false);
      option(options, "localeMatcher", MATCHERS, "best fit");
      option(options, "numberingSystem", ["latn"], "latn");
      const style = option(options, "style", ["long", "short", "narrow"], "long");
      return { __proto__: null, style, numeric: option(options, "numeric", ["always", "auto"], "always") };
    },
    {
      __proto__: null,
      format: (state, value, unit) => textOf(relativeParts(state, value, unit)),
      formatToParts: (state, value, unit) => {
        const parts = partsOf(relativeParts(state, value, unit));
        let name = DOMString(unit);
        if (UNITS[name] === undefined) name = slice(name, 0, -1);
        for (let i = 0; i < parts.length; i++) if (parts[i].type !== "literal") parts[i].unit = name;
        return parts;
      },
      resolvedOptions: (state) =>
        plain({ __proto__: null, locale: state.locale, style: state.style, numeric: state.numeric, numberingSystem: "latn" }),
    },
  );
  return { __proto__: null, PluralRules, ListFormat, RelativeTimeFormat };
}
