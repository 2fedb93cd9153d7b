// Decimal digits and their rounding: ECMA-402 16.5.9 to 16.5.11, https://tc39.es/ecma402/#sec-torawprecision
//
// A number is { digits, point, isNegative }: 0.digits × 10^point, without zeros at either end; zero has no digits. Of a
// Number it is the shortest decimal that reads as it, of which all engines round.
(platform) => {
  "use strict";
  const { statics, uncurry, constructors } = platform;
  const { RangeError } = constructors;
  const { option, numberOf, numberOption } = platform.load("intl_options");
  const { max, min } = statics.Math;
  const { assign } = statics.Object;
  const execute = uncurry("RegExp", "exec");
  const slice = uncurry("String", "slice");
  const repeat = uncurry("String", "repeat");
  const toString = uncurry("Number", "toString");
  const Number = globalThis.Number;
  const DECIMAL = /^\s*([+-]?)(?:(\d+)\.?(\d*)|\.(\d+))(?:[eE]([+-]?\d+))?\s*$/;
  const MOST_ZEROS = 9999;
  const EDGES = /^(0*)(.*?)0*$/;
  const NOT_ZERO = /[^0]/;

  function trimmed(digits, point, isNegative) {
    const { 1: zeros, 2: rest } = execute(EDGES, digits);
    return { __proto__: null, digits: rest, point: rest === "" ? 0 : point - zeros.length, isNegative, special: "" };
  }
  const special = (text, isNegative) => ({ __proto__: null, digits: "", point: 0, isNegative, special: text });
  /** 16.5.16 ToIntlMathematicalValue */
  function decimalOf(value) {
    if (typeof value === "bigint") value = "" + value;
    else if (typeof value !== "string") value = Number(value);
    if (typeof value === "number") {
      if (value !== value) return special("NaN", false);
      if (value === 1 / 0 || value === -1 / 0) return special("∞", value < 0);
      if (value === 0) return trimmed("", 0, 1 / value < 0);
      value = toString(value);
    }
    const match = execute(DECIMAL, value);
    // What is no decimal may be one of the other forms that Number() reads.
    if (match === null) return decimalOf(Number(value));
    const whole = match[2] ?? "";
    const exponent = Number(match[5] ?? 0);
    // Nobody wants to read more zeros than that, and they would take memory.
    if (exponent > MOST_ZEROS) return special("∞", match[1] === "-");
    if (exponent < -MOST_ZEROS) return trimmed("", 0, match[1] === "-");
    return trimmed(whole + (match[3] ?? match[4]), whole.length + exponent, match[1] === "-");
  }
  const MODES = ["ceil", "floor", "expand", "trunc", "halfCeil", "halfFloor", "halfExpand", "halfTrunc", "halfEven"];
  /** Whether to round away from zero: `half` is the rest against half a unit (-1, 0, 1), `last` the last digit kept. */
  function goesUp(mode, isNegative, half, last) {
    switch (mode) {
      case "ceil": return !isNegative;
      case "floor": return isNegative;
      case "expand": return true;
      case "trunc": return false;
    }
    if (half !== 0) return half > 0;
    switch (mode) {
      case "halfCeil": return !isNegative;
      case "halfFloor": return isNegative;
      case "halfExpand": return true;
      case "halfTrunc": return false;
    }
    return last % 2 === 1;
  }
  /** `number` rounded to a multiple of 10^`position`. */
  function round(number, position, mode) {
    const { digits, point, isNegative } = number;
    const count = point - position;
    if (count >= digits.length) return number;
    const rest = count < 0 ? "0" : slice(digits, count);
    const isMore = slice(rest, 1) !== "" && execute(NOT_ZERO, slice(rest, 1)) !== null;
    const half = rest[0] > "5" || (rest[0] === "5" && isMore) ? 1 : rest[0] === "5" ? 0 : -1;
    const kept = count <= 0 ? "" : slice(digits, 0, count);
    if (!goesUp(mode, isNegative, half, kept === "" ? 0 : +kept[kept.length - 1])) {
      return trimmed(kept, point, isNegative);
    }
    let at = kept.length - 1;
    while (at >= 0 && kept[at] === "9") at--;
    if (at < 0) return trimmed("1", max(point, position) + 1, isNegative);
    return trimmed(slice(kept, 0, at) + (+kept[at] + 1), point, isNegative);
  }

  const PRIORITIES = ["auto", "morePrecision", "lessPrecision"];
  const TRAILING = ["auto", "stripIfInteger"];
  /** 16.1.4 SetNumberFormatDigitOptions */
  function digitOptions(options, leastDefault, mostDefault, notation) {
    const whole = numberOption(options, "minimumIntegerDigits", 1, 21, 1);
    let leastFraction = options.minimumFractionDigits;
    let mostFraction = options.maximumFractionDigits;
    let leastDigits = options.minimumSignificantDigits;
    let mostDigits = options.maximumSignificantDigits;
    const increment = numberOption(options, "roundingIncrement", 1, 5000, 1);
    if (increment !== 1) throw new RangeError("Intl: no roundingIncrement but 1 is provided");
    const mode = option(options, "roundingMode", MODES, "halfExpand");
    const priority = option(options, "roundingPriority", PRIORITIES, "auto");
    const trailing = option(options, "trailingZeroDisplay", TRAILING, "auto");
    const hasDigits = leastDigits !== undefined || mostDigits !== undefined;
    const hasFraction = leastFraction !== undefined || mostFraction !== undefined;
    const needsDigits = priority !== "auto" || hasDigits;
    const needsFraction = priority !== "auto" || (!hasDigits && (hasFraction || notation !== "compact"));
    const digits = { __proto__: null, whole, mode, trailing, rounding: "fraction" };
    if (needsDigits) {
      leastDigits = numberOf(leastDigits, "minimumSignificantDigits", 1, 21, 1);
      mostDigits = numberOf(mostDigits, "maximumSignificantDigits", leastDigits, 21, 21);
    }
    if (needsFraction) {
      if (hasFraction) {
        leastFraction = numberOf(leastFraction, "minimumFractionDigits", 0, 100, undefined);
        mostFraction = numberOf(mostFraction, "maximumFractionDigits", 0, 100, undefined);
        if (leastFraction === undefined) leastFraction = min(leastDefault, mostFraction);
        else if (mostFraction === undefined) mostFraction = max(mostDefault, leastFraction);
        else if (leastFraction > mostFraction) {
          throw new RangeError("Intl: minimumFractionDigits is more than maximumFractionDigits");
        }
      } else {
        leastFraction = leastDefault;
        mostFraction = mostDefault;
      }
    }
    if (!needsDigits && !needsFraction) {
      // 1.2K, 12K, 123K
      leastFraction = mostFraction = 0;
      leastDigits = 1;
      mostDigits = 2;
      digits.rounding = "morePrecision";
      digits.isCompact = true;
    } else if (priority !== "auto") digits.rounding = priority;
    else if (hasDigits) digits.rounding = "digits";
    return assign(digits, { __proto__: null, leastFraction, mostFraction, leastDigits, mostDigits });
  }

  /** A finite number as the digit options have it: { whole, fraction, rounded }, `whole` without separators. */
  function written(number, digits) {
    const { rounding, leastDigits, leastFraction } = digits;
    const byFraction = -digits.mostFraction;
    const byDigits = number.point - digits.mostDigits;
    const isByDigits =
      rounding === "digits" ||
      (rounding === "morePrecision" && byDigits < byFraction) ||
      (rounding === "lessPrecision" && byDigits > byFraction);
    const rounded = round(number, isByDigits ? byDigits : byFraction, digits.mode);
    const { point } = rounded;
    const all = rounded.digits;
    let whole = point <= 0 ? "" : slice(all, 0, point);
    if (point > all.length) whole += repeat("0", point - all.length);
    let fraction = point >= all.length ? "" : point < 0 ? repeat("0", -point) + all : slice(all, point);
    const least = isByDigits ? leastDigits - (all === "" ? 1 : point) : leastFraction;
    if (fraction.length < least) fraction += repeat("0", least - fraction.length);
    if (digits.trailing === "stripIfInteger" && execute(NOT_ZERO, fraction) === null) fraction = "";
    if (whole.length < digits.whole) whole = repeat("0", digits.whole - whole.length) + whole;
    return { __proto__: null, whole, fraction, rounded };
  }
  /** What resolvedOptions() tells of them, into `target`, which has no prototype. */
  function tellDigits(target, digits) {
    target.minimumIntegerDigits = digits.whole;
    if (digits.leastFraction !== undefined && digits.rounding !== "digits") {
      target.minimumFractionDigits = digits.leastFraction;
      target.maximumFractionDigits = digits.mostFraction;
    }
    if (digits.rounding !== "fraction") {
      target.minimumSignificantDigits = digits.leastDigits;
      target.maximumSignificantDigits = digits.mostDigits;
    }
  }
  function tellRounding(target, digits) {
    target.roundingIncrement = 1;
    target.roundingMode = digits.mode;
    target.roundingPriority = digits.rounding === "fraction" || digits.rounding === "digits" ? "auto" : digits.rounding;
    target.trailingZeroDisplay = digits.trailing;
  }

  return { __proto__: null, decimalOf, round, digitOptions, written, tellDigits, tellRounding };
}
