// console: the Console Standard, https://console.spec.whatwg.org/ . How values look is inspect.js's part, loaded when
// something other than a string, number, boolean, null or undefined is logged.
(platform) => {
  "use strict";
  const { DOMString, sequence, isObject, fail } = platform.load("webidl");
  const { uncurry } = platform;
  const { Map } = platform.constructors;
  const host = platform.host("console");
  const mapGet = uncurry("Map", "get");
  const mapSet = uncurry("Map", "set");
  const mapDelete = uncurry("Map", "delete");
  const unshift = uncurry("Array", "unshift");
  const includes = uncurry("String", "includes");
  const slice = uncurry("String", "slice");
  const replaceAll = uncurry("String", "replaceAll");
  const toWellFormed = uncurry("String", "toWellFormed");
  const toFixed = uncurry("Number", "toFixed");
  const { floor } = platform.statics.Math;
  const { defineProperty } = platform.statics.Object;

  // The most characters that one call writes.
  const MAX_LENGTH = 100_000;
  // The deepest indentation of groups that shows. It comes before each of a text's lines.
  const MAX_MARGIN = 100;
  const counts = new Map();
  const timers = new Map();
  let indentation = "";

  // 2.3 Printer
  function print(level, text) {
    text = shorten(text);
    if (indentation !== "") {
      const margin = slice(indentation, 0, MAX_MARGIN);
      text = shorten(margin + replaceAll(text, "\n", `\n${margin}`));
    }
    host.log(level, toWellFormed(text));
  }
  function shorten(text) {
    if (text.length <= MAX_LENGTH) return text;
    return `${slice(text, 0, MAX_LENGTH)}\n... ${text.length - MAX_LENGTH} more characters`;
  }

  // 2.1 Logger. `args` is the caller's to change.
  function format(args) {
    if (args.length > 1 && typeof args[0] === "string" && includes(args[0], "%")) {
      platform.load("formatter").formatSpecifiers(args);
    }
    let text = "";
    for (let i = 0; i < args.length; i++) {
      const value = args[i];
      const type = typeof value;
      const shown = type === "string" || isPlain(value, type) ? value : platform.load("inspect").inspect(value);
      text += i === 0 ? shown : ` ${shown}`;
    }
    return text;
  }
  /** Whether a value that is no string shows as String(value). */
  function isPlain(value, type) {
    return (
      (type === "number" && (value !== 0 || 1 / value > 0)) ||
      type === "boolean" ||
      value === null ||
      value === undefined
    );
  }

  function labelOf(label, method) {
    return label === undefined ? "default" : DOMString(label, `Failed to execute '${method}' on 'console'`);
  }
  function formatDuration(ms) {
    if (ms < 1000) return `${+toFixed(ms, 3)}ms`;
    const seconds = ms / 1000;
    if (seconds < 60) return `${toFixed(seconds, 3)}s`;
    const minutes = floor(seconds / 60);
    const pad = (number) => (number < 10 ? `0${number}` : number);
    const rest = pad(toFixed(seconds % 60, 3));
    if (minutes < 60) return `${minutes}:${rest} (m:ss.mmm)`;
    return `${floor(minutes / 60)}:${pad(minutes % 60)}:${slice(rest, 0, 2)} (h:mm:ss)`;
  }
  /** The running timer `label` as text; undefined, with a warning, where there is none. */
  function elapsed(label, method) {
    const start = mapGet(timers, label);
    if (start === undefined) return print("warn", `No such label '${label}' for console.${method}()`);
    return `${label}: ${formatDuration(host.now() - start)}`;
  }

  const members = {
    __proto__: null,

    // 1.1 Logging functions
    assert(condition = false, ...data) {
      if (condition) return;
      if (typeof data[0] === "string") data[0] = `Assertion failed: ${data[0]}`;
      else unshift(data, "Assertion failed");
      print("error", format(data));
    },
    clear() {
      indentation = "";
    },
    debug(...data) {
      print("debug", format(data));
    },
    error(...data) {
      print("error", format(data));
    },
    info(...data) {
      print("info", format(data));
    },
    log(...data) {
      print("log", format(data));
    },
    table(tabularData = undefined, properties = undefined) {
      if (properties !== undefined) {
        properties = sequence(DOMString)(properties, "Failed to execute 'table' on 'console': Argument 2");
      }
      print(
        "log",
        isObject(tabularData) ? platform.load("console_table").table(tabularData, properties) : format([tabularData]),
      );
    },
    trace(...data) {
      const frames = platform.load("inspect").cleanStack(platform.load("stack").frames());
      print("log", `Trace${data.length > 0 ? ": " : ""}${format(data)}${frames && "\n"}${frames}`);
    },
    warn(...data) {
      print("warn", format(data));
    },
    dir(item = undefined, options = undefined) {
      if (options !== undefined && options !== null && !isObject(options)) {
        fail("Failed to execute 'dir' on 'console': Argument 2", "The value is not an object.");
      }
      print("log", platform.load("inspect").inspect(item, options, false));
    },
    dirxml(...data) {
      print("log", format(data));
    },

    // 1.2 Counting functions
    count(label = undefined) {
      label = labelOf(label, "count");
      const count = (mapGet(counts, label) ?? 0) + 1;
      mapSet(counts, label, count);
      print("info", `${label}: ${count}`);
    },
    countReset(label = undefined) {
      label = labelOf(label, "countReset");
      if (!mapDelete(counts, label)) print("warn", `Count for '${label}' does not exist`);
    },

    // 1.3 Grouping functions
    group(...data) {
      if (data.length > 0) print("log", format(data));
      indentation += "  ";
    },
    groupCollapsed(...data) {
      if (data.length > 0) print("log", format(data));
      indentation += "  ";
    },
    groupEnd() {
      indentation = slice(indentation, 2);
    },

    // 1.4 Timing functions
    time(label = undefined) {
      label = labelOf(label, "time");
      if (mapGet(timers, label) !== undefined) print("warn", `Label '${label}' already exists for console.time()`);
      else mapSet(timers, label, host.now());
    },
    timeLog(label = undefined, ...data) {
      const text = elapsed(labelOf(label, "timeLog"), "timeLog");
      if (text === undefined) return;
      unshift(data, "%s", text);
      print("log", format(data));
    },
    timeEnd(label = undefined) {
      label = labelOf(label, "timeEnd");
      const text = elapsed(label, "timeEnd");
      if (text === undefined) return;
      mapDelete(timers, label);
      print("info", text);
    },
  };
  /** Define the namespace object's members (WebIDL 3.13.1) on `console`, which bootstrap.js made. */
  function define(console) {
    for (const name in members) {
      defineProperty(console, name, {
        __proto__: null,
        value: members[name],
        writable: true,
        enumerable: true,
        configurable: true,
      });
    }
    defineProperty(console, Symbol.toStringTag, { __proto__: null, value: "console", configurable: true });
  }

  return {
    __proto__: null,
    define,
    /** For other files: what a value looks like, and the line that console.log writes. Neither throws. */
    inspect: (value, options) => platform.load("inspect").inspect(value, options),
    formatLog: format,
  };
}
