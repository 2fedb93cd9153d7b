// Intl.DateTimeFormat, and the toLocale…String of Date: ECMA-402, chapters 11 and 20.4,
// https://tc39.es/ecma402/#datetimeformat-objects , for en-US and the Gregorian calendar as CLDR has them. Without
// parts of the day and ranges. Time zones are the host's (intl.py).
(platform) => {
  "use strict";
  const { statics, uncurry, constructors } = platform;
  const { RangeError, TypeError, Number } = constructors;
  const { MATCHERS, localeList, optionsOf, option, booleanOption, numberOption, define, textOf, partsOf, plain } =
    platform.load("intl_options");
  const { DOMString } = platform.load("webidl_core");
  const { floor, trunc } = statics.Math;
  const { now } = statics.Date;
  const { assign } = statics.Object;
  const getTime = uncurry("Date", "getTime");
  const push = uncurry("Array", "push");
  const slice = uncurry("String", "slice");
  const split = uncurry("String", "split");
  const padStart = uncurry("String", "padStart");
  const execute = uncurry("RegExp", "exec");
  const host = platform.host("intl");
  const MONTHS = split("January February March April May June July August September October November December", " ");
  const DAYS = split("Sunday Monday Tuesday Wednesday Thursday Friday Saturday", " ");
  const DAY = 86_400_000;

  // What is written of a date and of a time, in the order that resolvedOptions() has.
  const WIDTHS = ["narrow", "short", "long"];
  const NUMERIC = ["2-digit", "numeric"];
  const MONTH = ["2-digit", "numeric", "narrow", "short", "long"];
  const ZONE_NAMES = ["short", "long", "shortOffset", "longOffset", "shortGeneric", "longGeneric"];
  const STYLES = ["full", "long", "medium", "short"];
  const OFFSET = /^([+-])([01]\d|2[0-3])(?::?([0-5]\d))?$/;

  /** { name, offset }: the offset in ms of a zone that is one, undefined of those that the host knows. */
  function zoneOf(given) {
    if (given === undefined) return known(host.zone());
    const text = DOMString(given);
    const match = execute(OFFSET, text);
    if (match === null) {
      const name = host.find(text);
      if (name === "") throw new RangeError(`Invalid time zone specified: ${text}`);
      return known(name);
    }
    const minutes = +match[2] * 60 + +(match[3] ?? 0);
    const sign = match[1] === "-" && minutes > 0 ? "-" : "+";
    const offset = (sign === "-" ? -minutes : minutes) * 60_000;
    return { __proto__: null, name: `${sign}${match[2]}:${match[3] ?? "00"}`, offset };
  }

  const known = (name) => ({ __proto__: null, name, offset: name === "UTC" ? 0 : undefined });
  const NO_NAME = ["", ""];

  const DATE_STYLES = {
    __proto__: null,
    full: { __proto__: null, weekday: "long", year: "numeric", month: "long", day: "numeric" },
    long: { __proto__: null, year: "numeric", month: "long", day: "numeric" },
    medium: { __proto__: null, year: "numeric", month: "short", day: "numeric" },
    short: { __proto__: null, year: "2-digit", month: "numeric", day: "numeric" },
  };
  const TIME_STYLES = {
    __proto__: null,
    full: { __proto__: null, hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "long" },
    long: { __proto__: null, hour: "numeric", minute: "2-digit", second: "2-digit", timeZoneName: "short" },
    medium: { __proto__: null, hour: "numeric", minute: "2-digit", second: "2-digit" },
    short: { __proto__: null, hour: "numeric", minute: "2-digit" },
  };

  function refuse(options, name) {
    if (options[name] !== undefined) throw new RangeError(`Intl.DateTimeFormat: ${name} is not provided`);
  }
  /**
   * 11.1.2 CreateDateTimeFormat. `required` is what the caller is for, "date", "time" or "any"; `defaults` what is
   * written where the options name nothing, "date", "time" or "all".
   */
  function create(given, required, defaults) {
    const options = optionsOf(given, false);
    option(options, "localeMatcher", MATCHERS, "best fit");
    option(options, "calendar", ["gregory", "iso8601"], "gregory");
    option(options, "numberingSystem", ["latn"], "latn");
    const hour12 = booleanOption(options, "hour12", undefined);
    const hourCycle = option(options, "hourCycle", ["h11", "h12", "h23", "h24"], undefined);
    const zone = zoneOf(options.timeZone);
    const era = option(options, "era", WIDTHS);
    refuse(options, "dayPeriod");
    const shown = {
      __proto__: null,
      weekday: option(options, "weekday", WIDTHS),
      era,
      year: option(options, "year", NUMERIC),
      month: option(options, "month", MONTH),
      day: option(options, "day", NUMERIC),
      hour: option(options, "hour", NUMERIC),
      minute: option(options, "minute", NUMERIC),
      second: option(options, "second", NUMERIC),
      fractionalSecondDigits: numberOption(options, "fractionalSecondDigits", 1, 3, undefined),
    };
    const timeZoneName = option(options, "timeZoneName", ZONE_NAMES);
    option(options, "formatMatcher", ["basic", "best fit"], "best fit");
    const dateStyle = option(options, "dateStyle", STYLES);
    const timeStyle = option(options, "timeStyle", STYLES);
    const hasDate = (shown.weekday ?? shown.year ?? shown.month ?? shown.day) !== undefined;
    const hasTime = (shown.hour ?? shown.minute ?? shown.second ?? shown.fractionalSecondDigits) !== undefined;
    if (dateStyle !== undefined || timeStyle !== undefined) {
      if (hasDate || hasTime || (era ?? timeZoneName) !== undefined) {
        throw new TypeError("Intl.DateTimeFormat: dateStyle and timeStyle go with no single component");
      }
      if ((required === "date" && timeStyle !== undefined) || (required === "time" && dateStyle !== undefined)) {
        throw new TypeError(`Invalid option : ${required === "date" ? "timeStyle" : "dateStyle"}`);
      }
      assign(shown, DATE_STYLES[dateStyle], TIME_STYLES[timeStyle]);
    } else {
      const isNamed = (required !== "time" && hasDate) || (required !== "date" && hasTime);
      if (!isNamed && defaults !== "time") shown.year = shown.month = shown.day = "numeric";
      if (!isNamed && defaults !== "date") shown.hour = shown.minute = shown.second = "numeric";
      shown.timeZoneName = timeZoneName;
    }
    if (era !== undefined && shown.year === undefined && (shown.month === undefined || shown.day === undefined)) {
      throw new RangeError("Intl.DateTimeFormat: era is provided with a year, or with a month and a day");
    }
    if (shown.fractionalSecondDigits !== undefined && shown.minute !== undefined) shown.second ??= "numeric";
    if (shown.minute !== undefined) shown.minute = (shown.hour ?? shown.second) === undefined ? "numeric" : "2-digit";
    if (shown.second !== undefined) shown.second = shown.minute === undefined ? "numeric" : "2-digit";
    let cycle;
    if (shown.hour !== undefined) {
      cycle = hour12 === undefined ? (hourCycle ?? "h12") : hour12 ? "h12" : "h23";
      if (cycle === "h23" || cycle === "h24") shown.hour = "2-digit";
    }
    return { __proto__: null, zone, shown, dateStyle, timeStyle, cycle, joint: jointOf(shown, dateStyle, timeStyle) };
  }
  /** What stands between a date and a time. */
  function jointOf({ month }, dateStyle, timeStyle) {
    if (dateStyle !== undefined || timeStyle !== undefined) return dateStyle === "full" || dateStyle === "long" ? " at " : ", ";
    return month === "long" ? " at " : ", ";
  }

  /** The fields of a moment in a zone: 21.4.1.3 to 21.4.1.14 of ECMA-262, by the days of 400 years that begin in March. */
  function fieldsOf(time, zone) {
    // The host says "-18000 EST".
    const { 0: seconds, 1: abbreviation } = zone.offset === undefined ? split(host.at(zone.name, time), " ") : NO_NAME;
    const offset = zone.offset ?? Number(seconds) * 1000;
    const local = time + offset;
    const days = floor(local / DAY);
    const rest = local - days * DAY;
    const since = days + 719_468;
    const era = floor(since / 146_097);
    const ofEra = since - era * 146_097;
    const year = floor((ofEra - floor(ofEra / 1460) + floor(ofEra / 36_524) - floor(ofEra / 146_096)) / 365);
    const ofYear = ofEra - (365 * year + floor(year / 4) - floor(year / 100));
    const shifted = floor((5 * ofYear + 2) / 153);
    const month = shifted < 10 ? shifted + 2 : shifted - 10;
    return {
      __proto__: null,
      year: era * 400 + year + (month < 2 ? 1 : 0),
      month,
      day: ofYear - floor((153 * shifted + 2) / 5) + 1,
      weekday: (((days + 4) % 7) + 7) % 7,
      hour: floor(rest / 3_600_000),
      minute: floor(rest / 60_000) % 60,
      second: floor(rest / 1000) % 60,
      millisecond: rest % 1000,
      offset,
      abbreviation,
    };
  }
  const two = (number) => padStart(`${number}`, 2, "0");
  const numbered = (number, width) => (width === "2-digit" ? two(number) : `${number}`);
  const named = (name, width) => (width === "long" ? name : slice(name, 0, width === "short" ? 3 : 1));
  function yearText(year, width) {
    // There is no year 0: the one before 1 is 1 BC, which is told by its number alone where no era is written.
    const number = year > 0 ? year : 1 - year;
    return width === "2-digit" ? two(number % 100) : `${number}`;
  }

  const ERAS = { __proto__: null, narrow: ["B", "A"], short: ["BC", "AD"], long: ["Before Christ", "Anno Domini"] };
  function dateParts({ weekday, era, year, month, day }, fields) {
    const parts = [];
    const add = (joint, type, value) => {
      if (parts.length > 0) push(parts, "literal", joint);
      push(parts, type, value);
    };
    const isText = month === "long" || month === "short" || month === "narrow";
    // "1 Thursday" where nothing else is asked for.
    const isDayFirst = weekday !== undefined && day !== undefined && month === undefined && year === undefined;
    if (isDayFirst) add("", "day", numbered(fields.day, day));
    if (weekday !== undefined) add(" ", "weekday", named(DAYS[fields.weekday], weekday));
    if (isDayFirst) return parts;
    if (month !== undefined) {
      add(", ", "month", isText ? named(MONTHS[fields.month], month) : numbered(fields.month + 1, month));
    }
    const joint = month === undefined ? ", " : isText ? " " : "/";
    if (day !== undefined) add(joint, "day", numbered(fields.day, day));
    if (year !== undefined) {
      const isAfterDay = isText && day !== undefined;
      add(isAfterDay || month === undefined ? ", " : joint, "year", yearText(fields.year, year));
    }
    if (era !== undefined) add(" ", "era", ERAS[era][fields.year > 0 ? 1 : 0]);
    return parts;
  }
  function hourText(hour, cycle, width) {
    let number = hour;
    if (cycle === "h12") number = hour % 12 || 12;
    else if (cycle === "h11") number = hour % 12;
    else if (cycle === "h24") number = hour || 24;
    return numbered(number, width);
  }
  function timeParts(shown, cycle, fields) {
    const { hour, minute, second, fractionalSecondDigits } = shown;
    const parts = [];
    const add = (joint, type, value) => {
      if (parts.length > 0) push(parts, "literal", joint);
      push(parts, type, value);
    };
    if (hour !== undefined) add("", "hour", hourText(fields.hour, cycle, hour));
    if (minute !== undefined) {
      const isAlone = hour === undefined && second === undefined;
      add(":", "minute", isAlone ? `${fields.minute}` : two(fields.minute));
    }
    if (second !== undefined) {
      add(":", "second", minute === undefined ? `${fields.second}` : two(fields.second));
    }
    if (fractionalSecondDigits !== undefined) {
      const digits = slice(padStart(`${fields.millisecond}`, 3, "0"), 0, fractionalSecondDigits);
      add(".", "fractionalSecond", digits);
    }
    if (cycle === "h12" || cycle === "h11") add(" ", "dayPeriod", fields.hour < 12 ? "AM" : "PM");
    return parts;
  }

  // Who says so in the USA: the zones that have names there, by their abbreviations.
  const NAMES = {
    __proto__: null, E: "Eastern", C: "Central", M: "Mountain", P: "Pacific", AK: "Alaska", H: "Hawaii-Aleutian",
  };
  const AMERICAN = /^(?:America\/|US\/|Pacific\/Honolulu$|E?ST5EDT$|CST6CDT$|MST7MDT$|PST8PDT$|EST$|MST$|HST$)/;
  const ABBREVIATED = /^(E|C|M|P|AK|H)([SD])T$/;
  function offsetText(offset, isLong) {
    if (offset === 0) return "GMT";
    const minutes = trunc((offset < 0 ? -offset : offset) / 60_000);
    const hours = floor(minutes / 60);
    const rest = minutes % 60;
    const text = isLong ? `${two(hours)}:${two(rest)}` : rest === 0 ? `${hours}` : `${hours}:${two(rest)}`;
    return `GMT${offset < 0 ? "-" : "+"}${text}`;
  }
  function zoneText(width, zone, fields) {
    const isLong = width === "long" || width === "longOffset" || width === "longGeneric";
    if (width === "shortOffset" || width === "longOffset") return offsetText(fields.offset, isLong);
    if (zone.name === "UTC") return isLong ? "Coordinated Universal Time" : width === "shortGeneric" ? "GMT" : "UTC";
    const match = execute(AMERICAN, zone.name) === null ? null : execute(ABBREVIATED, fields.abbreviation);
    if (match === null) return offsetText(fields.offset, isLong);
    const isGeneric = width === "shortGeneric" || width === "longGeneric";
    if (!isLong) return isGeneric ? `${match[1]}T` : fields.abbreviation;
    return `${NAMES[match[1]]} ${isGeneric ? "" : match[2] === "S" ? "Standard " : "Daylight "}Time`;
  }

  /** 11.5.6 PartitionDateTimePattern */
  function parted(state, date) {
    const time = timeOf(date);
    if (time !== time) throw new RangeError("Invalid time value");
    const { shown, zone } = state;
    const fields = fieldsOf(time, zone);
    const parts = dateParts(shown, fields);
    const times = timeParts(shown, state.cycle, fields);
    // One part alone is the day of the week, or less: "Thu 10:30 AM".
    if (parts.length > 0 && times.length > 0) {
      push(parts, "literal", parts[0] === "weekday" && parts.length === 2 ? " " : state.joint);
    }
    for (let i = 0; i < times.length; i++) push(parts, times[i]);
    if (shown.timeZoneName !== undefined) {
      push(parts, "literal", times.length > 0 ? " " : ", ", "timeZoneName", zoneText(shown.timeZoneName, zone, fields));
    }
    return parts;
  }
  function timeOf(date) {
    if (date === undefined) return now();
    let time;
    try {
      time = getTime(date);
    } catch {
      time = Number(date);
    }
    // 21.4.1.31 TimeClip
    return time >= -8.64e15 && time <= 8.64e15 ? trunc(time) : NaN;
  }

  const DateTimeFormat = define("DateTimeFormat", true, (options) => create(options, "any", "date"), {
    __proto__: null,
    "get format": (state, date) => textOf(parted(state, date)),
    formatToParts: (state, date) => partsOf(parted(state, date)),
    resolvedOptions(state) {
      const { shown, cycle, dateStyle, timeStyle } = state;
      const told = {
        __proto__: null,
        locale: state.locale,
        calendar: "gregory",
        numberingSystem: "latn",
        timeZone: state.zone.name,
        hourCycle: cycle,
        hour12: cycle === undefined ? undefined : cycle === "h12" || cycle === "h11",
      };
      if (dateStyle === undefined && timeStyle === undefined) assign(told, shown);
      told.dateStyle = dateStyle;
      told.timeStyle = timeStyle;
      return plain(told);
    },
  });

  const usual = { __proto__: null };
  function localeString(date, locales, options, required, defaults) {
    const time = getTime(date);
    localeList(locales);
    if (options === undefined) usual[defaults] ??= create(undefined, required, defaults);
    const state = options === undefined ? usual[defaults] : create(options, required, defaults);
    return time === time ? textOf(parted(state, time)) : "Invalid Date";
  }
  return {
    __proto__: null,
    DateTimeFormat,
    toLocaleString(locales, options) {
      return localeString(this, locales, options, "any", "all");
    },
    toLocaleDateString(locales, options) {
      return localeString(this, locales, options, "date", "date");
    },
    toLocaleTimeString(locales, options) {
      return localeString(this, locales, options, "time", "time");
    },
  };
}
