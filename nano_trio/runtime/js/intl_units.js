// Units of Intl.NumberFormat: ECMA-402, section 6.6 ("Measurement unit identifiers", with the table of single units),
// https://tc39.es/ecma402/#sec-measurement-unit-identifiers ; their names are those of CLDR for English.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const split = uncurry("String", "split");
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");

  // Of each: what is short, and where it is another, short for many; what is narrow; the long names for one and for many.
  // Where narrow says nothing it is as short; "~" stands between number and unit where a blank does not.
  const UNITS = { __proto__: null };
  const TABLE =
    "acre|ac||||acres;bit|bit||||bits;byte|byte||B||bytes;celsius|~°C||°C|degree Celsius|degrees Celsius;centimeter|cm||||centimeters;" +
    "day|day|days|d||days;degree|deg||°||degrees;fahrenheit|~°F||°|degree Fahrenheit|degrees Fahrenheit;" +
    "fluid-ounce|fl oz|||fluid ounce|fluid ounces;foot|ft||′||feet;gallon|gal||||gallons;gigabit|Gb||||gigabits;gigabyte|GB||||gigabytes;" +
    "gram|g||||grams;hectare|ha||||hectares;hour|hr||h||hours;inch|in||″||inches;kilobit|kb||||kilobits;kilobyte|kB||||kilobytes;" +
    "kilogram|kg||||kilograms;kilometer|km||||kilometers;liter|L||||liters;megabit|Mb||||megabits;megabyte|MB||||megabytes;" +
    "meter|m||||meters;microsecond|μs||||microseconds;mile|mi||||miles;mile-scandinavian|smi|||mile-scandinavian|miles-scandinavian;" +
    "milliliter|mL||||milliliters;millimeter|mm||||millimeters;millisecond|ms||||milliseconds;minute|min||m||minutes;" +
    "month|mth|mths|m||months;nanosecond|ns||||nanoseconds;ounce|oz||||ounces;percent|~%||%||percent;petabyte|PB||||petabytes;" +
    "pound|lb||#||pounds;second|sec||s||seconds;stone|st||||stones;terabit|Tb||||terabits;terabyte|TB||||terabytes;" +
    "week|wk|wks|w||weeks;yard|yd||||yards;year|yr|yrs|y||years";
  const rows = split(TABLE, ";");
  for (let i = 0; i < rows.length; i++) {
    const [name, short, shorts, narrow, one, many] = split(rows[i], "|");
    const isClose = short[0] === "~";
    const plain = isClose ? slice(short, 1) : short;
    const few = shorts === "" ? plain : shorts;
    UNITS[name] = {
      __proto__: null,
      isClose,
      short: [plain, few],
      narrow: narrow === "" ? [plain, plain] : [narrow, narrow],
      long: [one === "" ? name : one, many],
    };
  }
  // Behind "per", in symbols.
  const PER = {
    __proto__: null, second: "s", minute: "min", hour: "h", day: "d", week: "w", month: "m", year: "y", percent: "%", foot: "ft", inch: "in",
    pound: "lb",
  };
  const WHOLE = {
    __proto__: null,
    "mile-per-hour": "mph",
    "mile-per-gallon": "mpg",
  };
  /** 6.6.1 IsWellFormedUnitIdentifier */
  function isUnit(text) {
    if (UNITS[text] !== undefined) return true;
    const at = indexOf(text, "-per-");
    return at > 0 && UNITS[slice(text, 0, at)] !== undefined && UNITS[slice(text, at + 5)] !== undefined;
  }
  /** [is there a blank before it, the unit], for a number that is one or is many. */
  function unitText(unit, display, isOne) {
    const index = isOne ? 0 : 1;
    const own = UNITS[unit];
    if (own !== undefined) return [display === "long" || (display === "short" && !own.isClose), own[display][index]];
    const at = indexOf(unit, "-per-");
    const above = UNITS[slice(unit, 0, at)];
    const name = slice(unit, at + 5);
    const below = UNITS[name];
    if (display === "long") return [true, `${above.long[index]} per ${below.long[0]}`];
    const isBlank = display === "short" && !above.isClose;
    const whole = WHOLE[unit];
    if (whole !== undefined) return [isBlank, whole];
    const per = name === "gallon" && display === "short" ? "gal US" : PER[name] ?? (display === "narrow" ? below.narrow[0] : below.short[0]);
    return [isBlank, `${above[display][index]}/${per}`];
  }
  return { __proto__: null, isUnit, unitText };
}
