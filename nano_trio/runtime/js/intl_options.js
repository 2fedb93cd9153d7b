// What the constructors of Intl share: locales, options, interfaces. ECMA-402, chapters 6 and 9,
// https://tc39.es/ecma402/#locale-and-parameter-negotiation
//
// There is one locale, en-US, and en, which is the same: whatever else is asked for is resolved to them, as the specification
// has it for locales that an implementation has no data of, and supportedLocalesOf() and resolvedOptions() say so. What the
// options ask for and is not here is a RangeError that says what there is.
(platform) => {
  "use strict";
  const { statics, uncurry, constructors } = platform;
  const { Number, Object, RangeError, TypeError, WeakMap } = constructors;
  const { DOMString, isObject } = platform.load("webidl_core");
  const { create, defineProperty } = statics.Object;
  const execute = uncurry("RegExp", "exec");
  const test = uncurry("RegExp", "test");
  const split = uncurry("String", "split");
  const join = uncurry("Array", "join");
  const slice = uncurry("String", "slice");
  const toLowerCase = uncurry("String", "toLowerCase");
  const toUpperCase = uncurry("String", "toUpperCase");
  const indexOf = uncurry("Array", "indexOf");
  const getState = uncurry("WeakMap", "get");
  const setState = uncurry("WeakMap", "set");
  const LOCALE = "en-US";
  const LANGUAGE = "en";
  // BCP 47, as Unicode's LDML has it: language, script, region, variants, extensions, private use.
  const TAG =
    /^(?:[a-z]{2,3}|[a-z]{5,8})(?:-[a-z]{4})?(?:-(?:[a-z]{2}|\d{3}))?(?:-(?:[a-z\d]{5,8}|\d[a-z\d]{3}))*(?:-[a-wyz\d](?:-[a-z\d]{2,8})+)*(?:-x(?:-[a-z\d]{1,8})+)?$/i;

  function canonicalTag(tag) {
    if (execute(TAG, tag) === null) throw new RangeError(`Incorrect locale information provided: ${tag}`);
    const parts = split(toLowerCase(tag), "-");
    let isPlain = true;
    for (let i = 1; i < parts.length; i++) {
      const part = parts[i];
      if (part.length === 1) isPlain = false;
      if (!isPlain) continue;
      if (part.length === 2) parts[i] = toUpperCase(part);
      else if (part.length === 4 && i === 1 && part[0] > "9") parts[i] = toUpperCase(part[0]) + slice(part, 1);
    }
    return join(parts, "-");
  }
  /** 9.2.1 CanonicalizeLocaleList */
  function localeList(locales) {
    if (locales === undefined) return [];
    if (typeof locales === "string") return [canonicalTag(locales)];
    const object = Object(locales);
    const length = +object.length || 0;
    const list = [];
    for (let i = 0; i < length; i++) {
      const tag = object[i];
      if (tag === undefined) continue;
      if (typeof tag !== "string" && !isObject(tag)) throw new TypeError("Incorrect locale information provided");
      const canonical = canonicalTag(DOMString(tag));
      if (indexOf(list, canonical) < 0) defineProperty(list, list.length, own(canonical));
    }
    return list;
  }
  const own = (value) => ({ __proto__: null, value, writable: true, enumerable: true, configurable: true });
  const ENGLISH = /^en(?:-|$)/, AMERICAN = /^en-US(?:-|$)/;
  function supportedLocalesOf(locales, options) {
    const list = localeList(locales);
    if (options !== undefined) option(Object(options), "localeMatcher", MATCHERS, "best fit");
    const found = [];
    for (let i = 0; i < list.length; i++) {
      if (test(ENGLISH, list[i])) defineProperty(found, found.length, own(list[i]));
    }
    return found;
  }
  /** 9.2.5 LookupMatchingLocaleByPrefix: the first of the list that there is, or its language; else the default. */
  function localeOf(list) {
    for (let i = 0; i < list.length; i++) {
      if (test(AMERICAN, list[i])) return LOCALE;
      if (test(ENGLISH, list[i])) return LANGUAGE;
    }
    return LOCALE;
  }
  const MATCHERS = ["lookup", "best fit"];
  /** 9.2.12 CoerceOptionsToObject, and what is strict about it: GetOptionsObject. */
  function optionsOf(options, isStrict) {
    if (options === undefined) return create(null);
    if (isStrict && !isObject(options)) throw new TypeError("Intl: the options are no object");
    return Object(options);
  }
  /** 9.2.13 GetOption, of strings. `values`: what is accepted; undefined for any. */
  function option(options, name, values, fallback) {
    const value = options[name];
    if (value === undefined) return fallback;
    const string = DOMString(value);
    if (values !== undefined && indexOf(values, string) < 0) {
      throw new RangeError(`Intl: ${name} "${string}" is not provided; there is ${join(values, ", ")}`);
    }
    return string;
  }
  function booleanOption(options, name, fallback) {
    const value = options[name];
    return value === undefined ? fallback : !!value;
  }
  /** 9.2.15 DefaultNumberOption */
  function numberOf(value, name, least, most, fallback) {
    if (value === undefined) return fallback;
    const number = Number(value);
    if (!(number >= least && number <= most)) {
      throw new RangeError(`Intl: ${name} is out of range: a number from ${least} to ${most} is accepted`);
    }
    return number - (number % 1);
  }
  const numberOption = (options, name, least, most, fallback) => numberOf(options[name], name, least, most, fallback);

  /**
   * A constructor of Intl. `setup(locales, options)` returns what an object of it is; each of `methods` is given that, and
   * the arguments. A name that begins with "get " is a getter, whose function is made once for each object.
   */
  function define(name, isCallable, setup, methods) {
    const states = new WeakMap();
    const stateOf = (object) => {
      const state = isObject(object) ? getState(states, object) : undefined;
      if (state === undefined) throw new TypeError(`this is no Intl.${name}`);
      return state;
    };
    function Constructor(locales, options) {
      if (new.target === undefined && !isCallable) throw new TypeError(`Intl.${name} needs new`);
      const object = new.target === undefined ? create(prototype) : this;
      const list = localeList(locales);
      const state = setup(options);
      state.locale = localeOf(list);
      setState(states, object, state);
      return object;
    }
    defineProperty(Constructor, "name", { __proto__: null, value: name });
    defineProperty(Constructor, "length", { __proto__: null, value: 0 });
    const { prototype } = Constructor;
    defineProperty(Constructor, "prototype", { __proto__: null, writable: false });
    for (const key in methods) {
      const method = methods[key];
      if (slice(key, 0, 4) === "get ") {
        const getter = {
          get [slice(key, 4)]() {
            const state = stateOf(this);
            return (state.bound ??= (a, b) => method(state, a, b));
          },
        };
        const { get } = statics.Object.getOwnPropertyDescriptor(getter, slice(key, 4));
        defineProperty(prototype, slice(key, 4), { __proto__: null, get, enumerable: false, configurable: true });
      } else {
        const named = {
          [key](a, b) {
            return method(stateOf(this), a, b);
          },
        };
        defineProperty(named[key], "length", { __proto__: null, value: method.length - 1, configurable: true });
        hidden(prototype, key, named[key]);
      }
    }
    hidden(Constructor, "supportedLocalesOf", {
      supportedLocalesOf(locales) {
        return supportedLocalesOf(locales, arguments[1]);
      },
    }.supportedLocalesOf);
    defineProperty(prototype, Symbol.toStringTag, { __proto__: null, value: `Intl.${name}`, configurable: true });
    hidden(prototype, "constructor", Constructor);
    return Constructor;
  }
  function hidden(object, name, value) {
    defineProperty(object, name, { __proto__: null, value, writable: true, enumerable: false, configurable: true });
  }

  /** Parts are kept flat: type, value, type, value … */
  function textOf(parts) {
    let text = "";
    for (let i = 1; i < parts.length; i += 2) text += parts[i];
    return text;
  }
  function partsOf(parts) {
    const list = [];
    for (let i = 0; i < parts.length; i += 2) {
      defineProperty(list, list.length, own({ type: parts[i], value: parts[i + 1] }));
    }
    return list;
  }

  /** What resolvedOptions() returns, of an object without a prototype; without what is undefined. */
  function plain(source) {
    const target = {};
    for (const name in source) if (source[name] !== undefined) defineProperty(target, name, own(source[name]));
    return target;
  }

  return {
    __proto__: null, localeList, optionsOf, option, booleanOption, numberOf, numberOption, define, hidden, own,
    textOf, partsOf, plain, MATCHERS,
  };
}
