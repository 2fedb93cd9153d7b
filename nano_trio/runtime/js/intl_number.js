// Intl.NumberFormat, Number.prototype.toLocaleString and BigInt's: ECMA-402, chapters 16 and 20.2,
// https://tc39.es/ecma402/#numberformat-objects , for en-US as CLDR has it. Without ranges.
(platform) => {
  "use strict";
  const { statics, uncurry, constructors } = platform;
  const { RangeError, TypeError } = constructors;
  const { MATCHERS, localeList, optionsOf, option, define, textOf, partsOf, plain } =
    platform.load("intl_options");
  const { decimalOf, digitOptions, written, tellDigits, tellRounding } = platform.load("intl_decimal");
  const { max, min, floor } = statics.Math;
  const push = uncurry("Array", "push");
  const slice = uncurry("String", "slice");
  const toUpperCase = uncurry("String", "toUpperCase");
  const execute = uncurry("RegExp", "exec");
  const indexOf = uncurry("String", "indexOf");
  const numberValue = uncurry("Number", "valueOf");
  const bigintValue = uncurry("BigInt", "valueOf");

  // ISO 4217: digits behind the point, where they are not two.
  const MINOR = {
    __proto__: null,
    0: " BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX UYI VND VUV XAF XOF XPF ",
    3: " BHD IQD JOD KWD LYD OMR TND ",
    4: " CLF UYW ",
  };
  // What a currency is written with where it is not its code: as in the USA, and where a dollar need not say whose.
  const SYMBOLS = {
    __proto__: null, AUD: "A$", BRL: "R$", CAD: "CA$", CNY: "CN¥", EUR: "€", GBP: "£", HKD: "HK$", ILS: "₪", INR: "₹",
    JPY: "¥", KRW: "₩", MXN: "MX$", NZD: "NZ$", PHP: "₱", TWD: "NT$", USD: "$", VND: "₫", XAF: "FCFA", XCD: "EC$",
    XOF: "F\u202fCFA", XPF: "CFPF",
  };
  const NARROW = {
    __proto__: null, ARS: "$", AUD: "$", CAD: "$", CLP: "$", CNY: "¥", COP: "$", CRC: "₡", CZK: "Kč", DKK: "kr", DOP: "$",
    EGP: "E£", GEL: "₾", HKD: "$", HUF: "Ft", IDR: "Rp", ISK: "kr", KZT: "₸", LBP: "L£", LKR: "Rs", MXN: "$", MYR: "RM",
    NGN: "₦", NOK: "kr", NPR: "Rs", NZD: "$", PKR: "Rs", PLN: "zł", PYG: "₲", RON: "lei", RUB: "₽", SEK: "kr", SGD: "$",
    THB: "฿", TRY: "₺", TWD: "$", UAH: "₴", UYU: "$", XCD: "$", ZAR: "R",
  };
  const CURRENCY = /^[A-Z]{3}$/;
  const SHORT = ["", "K", "M", "B", "T"];
  const LONG = ["", "thousand", "million", "billion", "trillion"];
  const GROUPINGS = ["min2", "auto", "always", "true", "false"];

  function currencyDigits(code) {
    for (const digits in MINOR) if (indexOf(MINOR[digits], ` ${code} `) >= 0) return +digits;
    return 2;
  }
  /** 16.1.5 SetNumberFormatUnitOptions */
  function styleOf(options) {
    const style = option(options, "style", ["decimal", "percent", "currency", "unit"], "decimal");
    let currency = option(options, "currency", undefined, undefined);
    if (currency === undefined) {
      if (style === "currency") throw new TypeError("Currency code is required with currency style.");
    } else if (execute(CURRENCY, (currency = toUpperCase(currency))) === null) {
      throw new RangeError(`Invalid currency code : ${currency}`);
    }
    const display = option(options, "currencyDisplay", ["code", "symbol", "narrowSymbol"], "symbol");
    const sign = option(options, "currencySign", ["standard", "accounting"], "standard");
    const unit = option(options, "unit", undefined, undefined);
    if (unit === undefined) {
      if (style === "unit") throw new TypeError("Unit is required with unit style.");
    } else if (!platform.load("intl_units").isUnit(unit)) throw new RangeError(`Invalid unit argument for Intl.NumberFormat() '${unit}'`);
    const unitDisplay = option(options, "unitDisplay", ["short", "narrow", "long"], "short");
    if (style === "unit") return { __proto__: null, style, unit, unitDisplay };
    if (style !== "currency") return { __proto__: null, style };
    return { __proto__: null, style, currency, currencyDisplay: display, currencySign: sign };
  }
  function groupingOf(options, notation) {
    const fallback = notation === "compact" ? "min2" : "auto";
    const value = options.useGrouping;
    if (value === undefined) return fallback;
    if (value === true) return "always";
    if (!value) return false;
    const chosen = option({ __proto__: null, useGrouping: value }, "useGrouping", GROUPINGS);
    return chosen === "true" || chosen === "false" ? fallback : chosen;
  }
  /** 16.1.2 The steps of the constructor */
  function setup(given) {
    const options = optionsOf(given, false);
    option(options, "localeMatcher", MATCHERS, "best fit");
    option(options, "numberingSystem", ["latn"], "latn");
    const state = styleOf(options);
    const notation = option(options, "notation", ["standard", "scientific", "engineering", "compact"], "standard");
    const isMoney = state.style === "currency" && notation === "standard";
    const digits = isMoney ? currencyDigits(state.currency) : 0;
    const most = isMoney ? digits : state.style === "percent" ? 0 : 3;
    state.digits = digitOptions(options, digits, state.style === "currency" && !isMoney ? 0 : most, notation);
    const compactDisplay = option(options, "compactDisplay", ["short", "long"], "short");
    state.notation = notation;
    if (notation === "compact") state.compactDisplay = compactDisplay;
    state.useGrouping = groupingOf(options, notation);
    state.signDisplay = option(options, "signDisplay", ["auto", "never", "always", "exceptZero", "negative"], "auto");
    return state;
  }

  function addGroups(parts, whole, useGrouping) {
    const least = useGrouping === false ? whole.length : useGrouping === "min2" ? 4 : 3;
    if (whole.length <= least) return push(parts, "integer", whole);
    let at = whole.length % 3 || 3;
    push(parts, "integer", slice(whole, 0, at));
    for (; at < whole.length; at += 3) push(parts, "group", ",", "integer", slice(whole, at, at + 3));
  }
  function scaled(number, exponent) {
    return { __proto__: null, digits: number.digits, point: number.point - exponent, isNegative: number.isNegative };
  }
  /** 16.5.4 ComputeExponent: the power of ten that is told apart from the digits. */
  function exponentFor(notation, magnitude) {
    if (notation === "scientific") return magnitude;
    const exponent = floor(magnitude / 3) * 3;
    return notation === "compact" ? max(0, min(12, exponent)) : exponent;
  }
  /** The digits of a finite number, as flat parts; `number` is what they stand for. */
  function digitParts(state, number) {
    const { notation, digits } = state;
    let exponent = 0;
    if (notation !== "standard" && number.digits !== "") {
      exponent = exponentFor(notation, number.point - 1);
      const { rounded } = written(scaled(number, exponent), digits);
      // 999,999 is 1M
      exponent = exponentFor(notation, rounded.point - 1 + exponent);
    }
    const { whole, fraction, rounded } = written(scaled(number, exponent), digits);
    const parts = [];
    addGroups(parts, whole === "" ? "0" : whole, state.useGrouping);
    if (fraction !== "") push(parts, "decimal", ".", "fraction", fraction);
    if (notation === "compact") {
      const isLong = state.compactDisplay === "long";
      const name = (isLong ? LONG : SHORT)[exponent / 3];
      if (name !== "" && isLong) push(parts, "literal", " ");
      if (name !== "") push(parts, "compact", name);
    } else if (notation !== "standard") {
      push(parts, "exponentSeparator", "E");
      if (exponent < 0) push(parts, "exponentMinusSign", "-");
      push(parts, "exponentInteger", `${exponent < 0 ? -exponent : exponent}`);
    }
    return { __proto__: null, parts, isZero: rounded.digits === "" };
  }
  /** "" where no sign is written: 16.5.15 GetNumberFormatPattern. */
  function signOf(display, isNegative, isZero, isNaN) {
    switch (display) {
      case "never": return "";
      case "auto": return isNegative ? "-" : "";
      case "always": return isNegative ? "-" : "+";
      case "exceptZero": return isZero || isNaN ? "" : isNegative ? "-" : "+";
    }
    return isNegative && !isZero ? "-" : "";
  }
  /** 16.5.6 PartitionNumberPattern */
  function parted(state, value) {
    const number = decimalOf(value);
    if (state.style === "percent" && number.digits !== "") number.point += 2;
    let parts, isZero = false;
    if (number.special !== "") parts = [number.special === "NaN" ? "nan" : "infinity", number.special];
    else ({ parts, isZero } = digitParts(state, number));
    const sign = signOf(state.signDisplay, number.isNegative, isZero, number.special === "NaN");
    const all = [];
    const isInParentheses = sign === "-" && state.currencySign === "accounting";
    if (isInParentheses) push(all, "literal", "(");
    else if (sign !== "") push(all, sign === "-" ? "minusSign" : "plusSign", sign);
    if (state.style === "currency") {
      const symbol = symbolOf(state);
      push(all, "currency", symbol);
      // What ends in a letter is kept apart from the digits.
      if (number.special === "" && execute(/\p{L}$/u, symbol) !== null) push(all, "literal", "\xa0");
    }
    for (let i = 0; i < parts.length; i++) push(all, parts[i]);
    if (state.style === "percent") push(all, "percentSign", "%");
    if (state.style === "unit") {
      const isOne = parts.length === 2 && parts[1] === "1";
      const { 0: hasBlank, 1: text } = platform.load("intl_units").unitText(state.unit, state.unitDisplay, isOne);
      if (hasBlank) push(all, "literal", " ");
      push(all, state.unit === "percent" && text === "%" ? "percentSign" : "unit", text);
    }
    if (isInParentheses) push(all, "literal", ")");
    return all;
  }
  function symbolOf({ currency, currencyDisplay }) {
    if (currencyDisplay === "code") return currency;
    return (currencyDisplay === "narrowSymbol" ? NARROW[currency] : undefined) ?? SYMBOLS[currency] ?? currency;
  }
  const format = (state, value) => textOf(parted(state, value));

  const NumberFormat = define("NumberFormat", true, setup, {
    __proto__: null,
    "get format": format,
    formatToParts: (state, value) => partsOf(parted(state, value)),
    resolvedOptions(state) {
      const told = {
        __proto__: null,
        locale: state.locale,
        numberingSystem: "latn",
        style: state.style,
        currency: state.currency,
        currencyDisplay: state.currencyDisplay,
        currencySign: state.currencySign,
        unit: state.unit,
        unitDisplay: state.unitDisplay,
      };
      tellDigits(told, state.digits);
      told.useGrouping = state.useGrouping;
      told.notation = state.notation;
      told.compactDisplay = state.compactDisplay;
      told.signDisplay = state.signDisplay;
      tellRounding(told, state.digits);
      return plain(told);
    },
  });

  let usual;
  return {
    __proto__: null,
    NumberFormat,
    /** The flat parts of a number without any options. */
    usualParts: (value) => parted((usual ??= setup()), value),
    toLocaleString(locales, options) {
      const value = typeof this === "bigint" ? this : typeof this === "object" ? valueOf(this) : numberValue(this);
      localeList(locales);
      return format(options === undefined ? (usual ??= setup()) : setup(options), value);
    },
  };
  function valueOf(object) {
    try {
      return bigintValue(object);
    } catch {
      return numberValue(object);
    }
  }
}
