// URL Pattern: https://urlpattern.spec.whatwg.org/ , sections 1 (URL patterns) and 3.2 (processing of a URLPatternInit).
// Pattern strings, section 2, are in urlpattern_strings.js; the host canonicalizes components.
(platform) => {
  "use strict";
  const webidl = platform.load("webidl");
  const { fail, isObject, USVString } = webidl;
  const { tokenize, compile, escapePattern } = platform.load("urlpattern_strings");
  const { components: componentsOf, canonicalize } = platform.host("urlpattern");
  const { defineProperty, getOwnPropertyDescriptor } = platform.statics.Object;
  const substring = platform.uncurry("String", "substring");
  const lastIndexOf = platform.uncurry("String", "lastIndexOf");
  const toWellFormed = platform.uncurry("String", "toWellFormed");
  const execute = platform.uncurry("RegExp", "exec");
  const CONSTRUCT = "Failed to construct 'URLPattern'";
  /** UTF-16 units of a URL beyond which it is parsed in pieces. */
  const LONG = 32768;
  const COMPONENTS = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];
  const SORTED = ["hash", "hostname", "password", "pathname", "port", "protocol", "search", "username"];
  const DEFAULT_PORTS = { __proto__: null, http: "80", https: "443", ws: "80", wss: "443", ftp: "21", file: null };

  const members = [{ key: "baseURL", converter: USVString }];
  for (let i = 0; i < SORTED.length; i++) members[i + 1] = { __proto__: null, key: SORTED[i], converter: USVString };
  const toInit = webidl.dictionary("URLPatternInit", members);
  const toOptions = webidl.dictionary("URLPatternOptions", [
    { key: "ignoreCase", converter: webidl.boolean, defaultValue: false },
  ]);
  /** URLPatternInput: a dictionary (without prototype) or a string. */
  function toInput(value, context) {
    return value === undefined || value === null || isObject(value) ? toInit(value, context) : USVString(value, context);
  }

  // --- 1.2 The URLPattern class --------------------------------------------------------------------------------------

  class URLPattern {
    #components;
    constructor(input = undefined, baseURL = undefined, options = undefined) {
      let base = null;
      input = toInput(input, CONSTRUCT);
      // Two overloads: (input, baseURL, options) and (input, options).
      if (arguments.length > 2 || !(baseURL === undefined || baseURL === null || isObject(baseURL))) {
        base = USVString(baseURL, CONSTRUCT);
      } else {
        options = baseURL;
      }
      this.#components = create(input, base, toOptions(options, CONSTRUCT).ignoreCase);
    }
    test(input = undefined, baseURL = undefined) {
      return match(this.#components, input, baseURL, "Failed to execute 'test' on 'URLPattern'", true) !== null;
    }
    exec(input = undefined, baseURL = undefined) {
      return match(this.#components, input, baseURL, "Failed to execute 'exec' on 'URLPattern'");
    }
    get hasRegExpGroups() {
      const components = this.#components;
      for (let i = 0; i < COMPONENTS.length; i++) if (components[COMPONENTS[i]].hasRegExpGroups) return true;
      return false;
    }
    static {
      for (let i = 0; i < COMPONENTS.length; i++) {
        const name = COMPONENTS[i];
        const accessor = {
          get [name]() {
            return this.#components[name].pattern;
          },
        };
        const { get } = getOwnPropertyDescriptor(accessor, name);
        defineProperty(this.prototype, name, { __proto__: null, get, configurable: true });
      }
    }
  }

  // --- 1.4 High-level operations -------------------------------------------------------------------------------------

  /** "create": the components of a pattern, each { pattern, regexp, names, hasRegExpGroups }. */
  function create(input, baseURL, ignoreCase) {
    let init = input;
    if (typeof input === "string") {
      init = parseConstructorString(input);
      if (baseURL === null && init.protocol === undefined) fail(CONSTRUCT, "A relative pattern needs a base URL.");
      if (baseURL !== null) init.baseURL = baseURL;
    } else if (baseURL !== null) {
      fail(CONSTRUCT, "A base URL goes into the dictionary.");
    }
    const strings = processInit(init, true, { __proto__: null });
    for (let i = 0; i < COMPONENTS.length; i++) strings[COMPONENTS[i]] ??= "*";
    if (DEFAULT_PORTS[strings.protocol] === strings.port) strings.port = "";

    const plain = { __proto__: null, delimiter: "", prefix: "", ignoreCase: false };
    const insensitive = { __proto__: null, delimiter: "", prefix: "", ignoreCase };
    const isIPv6 = execute(/^(?:\[|[{\\]\[)./s, strings.hostname) !== null;
    const components = { __proto__: null };
    const add = (name, options, callback = name) => {
      components[name] = compile(strings[name], options, (value) => canonical(callback, value));
    };
    add("protocol", plain);
    add("username", plain);
    add("password", plain);
    add("hostname", { __proto__: null, delimiter: ".", prefix: "", ignoreCase: false }, isIPv6 ? "ipv6" : "hostname");
    add("port", plain);
    if (matchesSpecialScheme(components.protocol)) {
      add("pathname", { __proto__: null, delimiter: "/", prefix: "/", ignoreCase });
    } else {
      add("pathname", insensitive, "opaque");
    }
    add("search", insensitive);
    add("hash", insensitive);
    return components;
  }

  /** The components of a URL, without their delimiters; null where it is invalid. */
  function parseComponents(url, base) {
    if (url.length <= LONG && (base === null || base.length <= LONG)) return componentsOf(url, base);
    const { parseURL, findBounds, components } = platform.load("url");
    const href = parseURL(url, base ?? undefined);
    if (href === null) return null;
    const bounds = findBounds(href);
    const values = [];
    for (let i = 0; i < COMPONENTS.length; i++) values[i] = components[COMPONENTS[i]](href, bounds);
    values[0] = substring(values[0], 0, values[0].length - 1);
    for (let i = 6; i < 8; i++) values[i] = substring(values[i], 1);
    return values;
  }

  /** "match": a URLPatternResult (for a test anything) or null. */
  function match(components, input, baseURL, context, isTest = false) {
    input = toInput(input, context);
    if (baseURL !== undefined) baseURL = USVString(baseURL, context);
    const inputs = [];
    const values = { __proto__: null };
    if (typeof input === "string") {
      const parsed = parseComponents(input, baseURL ?? null);
      if (parsed === null) return null;
      for (let i = 0; i < COMPONENTS.length; i++) values[COMPONENTS[i]] = parsed[i];
      inputs[0] = input;
      if (baseURL !== undefined) inputs[1] = baseURL;
    } else {
      if (baseURL !== undefined) fail(context, "A base URL goes into the dictionary.");
      for (let i = 0; i < COMPONENTS.length; i++) values[COMPONENTS[i]] = "";
      try {
        processInit(input, false, values);
      } catch {
        return null;
      }
      const shown = (inputs[0] = {});
      for (let i = 0; i < members.length; i++) {
        if (input[members[i].key] !== undefined) define(shown, members[i].key, input[members[i].key]);
      }
    }
    const matches = { __proto__: null };
    for (let i = 0; i < COMPONENTS.length; i++) {
      const name = COMPONENTS[i];
      if (isTest && components[name].pattern === "*") continue;
      const found = (matches[name] = execute(components[name].regexp, values[name]));
      if (found === null) return null;
    }
    if (isTest) return matches;
    const result = {};
    for (let i = 0; i < SORTED.length; i++) {
      const name = SORTED[i];
      // Members come in the order of their names.
      if (name === "password") define(result, "inputs", inputs);
      define(result, name, componentResult(components[name], values[name], matches[name]));
    }
    return result;
  }
  /** "Create a component match result". */
  function componentResult(component, input, found) {
    const groups = {};
    for (let i = 1; i < found.length; i++) define(groups, component.names[i - 1], found[i]);
    return { groups, input };
  }
  function define(object, key, value) {
    defineProperty(object, key, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }
  function canonical(component, value, protocol = "") {
    // The host would be at it for long.
    if (value.length > LONG) fail(CONSTRUCT, `The ${component} has more than ${LONG} characters without a group.`);
    // The host takes no ropes of strings, which the engine makes of long ones.
    const result = canonicalize(component, toWellFormed(value), protocol);
    if (result === null) fail(CONSTRUCT, `Invalid ${component} '${value}'`);
    return result;
  }
  function matchesSpecialScheme(protocol) {
    for (const scheme in DEFAULT_PORTS) if (execute(protocol.regexp, scheme) !== null) return true;
    return false;
  }

  // --- 1.6 Constructor string parsing --------------------------------------------------------------------------------

  /** The URLPatternInit that a constructor string stands for. */
  function parseConstructorString(input) {
    const tokens = tokenize(input, true);
    const result = { __proto__: null };
    let state = "init";
    let componentStart = 0;
    let at = 0;
    let increment = 1;
    let groupDepth = 0;
    let bracketDepth = 0;
    let isSpecial = false;

    const token = (index) => tokens[index < tokens.length ? index : tokens.length - 1];
    /** "Is a non-special pattern char". */
    function isChar(value, index = at) {
      const { type, value: own } = token(index);
      return own === value && (type === "char" || type === "escaped-char" || type === "invalid-char");
    }
    function isSearchPrefix() {
      if (isChar("?")) return true;
      if (tokens[at].value !== "?") return false;
      if (at === 0) return true;
      const { type } = token(at - 1);
      return type !== "name" && type !== "regexp" && type !== "close" && type !== "asterisk";
    }
    const componentString = () => substring(input, token(componentStart).index, tokens[at].index);
    function changeState(next, skip) {
      if (state !== "init" && state !== "authority") result[state] = componentString();
      if (state !== "init" && next !== "done") {
        // What comes before an explicit component and is left out is empty rather than a wildcard.
        const from = ORDER[state];
        const to = ORDER[next];
        if (from < ORDER.hostname && to > ORDER.hostname) result.hostname ??= "";
        if (from < ORDER.pathname && to > ORDER.pathname) result.pathname ??= isSpecial ? "/" : "";
        if (from < ORDER.search && to > ORDER.search) result.search ??= "";
      }
      state = next;
      at += skip;
      componentStart = at;
      increment = 0;
    }
    function rewind(next = state) {
      at = componentStart;
      increment = 0;
      state = next;
    }
    /** The changes of state that end a hostname, port, pathname or search. */
    function endComponent() {
      if (ORDER[state] < ORDER.pathname && isChar("/")) changeState("pathname", 0);
      else if (ORDER[state] < ORDER.search && isSearchPrefix()) changeState("search", 1);
      else if (isChar("#")) changeState("hash", 1);
    }

    for (; at < tokens.length; at += increment) {
      increment = 1;
      const { type } = tokens[at];
      if (type === "end") {
        if (state === "init") {
          rewind();
          if (isChar("#")) changeState("hash", 1);
          else if (isSearchPrefix()) changeState("search", 1);
          else changeState("pathname", 0);
          continue;
        }
        if (state === "authority") {
          rewind("hostname");
          continue;
        }
        changeState("done", 0);
        break;
      }
      if (type === "open") {
        groupDepth++;
        continue;
      }
      if (groupDepth > 0) {
        if (type !== "close") continue;
        groupDepth--;
      }
      switch (state) {
        case "init":
          if (isChar(":")) rewind("protocol");
          break;
        case "protocol":
          if (isChar(":")) {
            isSpecial = matchesSpecialScheme(compileProtocol(componentString()));
            if (isChar("/", at + 1) && isChar("/", at + 2)) changeState("authority", 3);
            else changeState(isSpecial ? "authority" : "pathname", 1);
          }
          break;
        case "authority":
          if (isChar("@")) rewind("username");
          else if (isChar("/") || isSearchPrefix() || isChar("#")) rewind("hostname");
          break;
        case "username":
          if (isChar(":")) changeState("password", 1);
          else if (isChar("@")) changeState("hostname", 1);
          break;
        case "password":
          if (isChar("@")) changeState("hostname", 1);
          break;
        case "hostname":
          if (isChar("[")) bracketDepth++;
          else if (isChar("]")) bracketDepth--;
          else if (isChar(":") && bracketDepth === 0) changeState("port", 1);
          else endComponent();
          break;
        case "port":
        case "pathname":
        case "search":
          endComponent();
      }
    }
    if (result.hostname !== undefined) result.port ??= "";
    return result;
  }
  /** The states in the order in which a string passes through them. */
  const ORDER = { __proto__: null };
  const STATES = ["protocol", "authority", "username", "password", "hostname", "port", "pathname", "search", "hash"];
  for (let i = 0; i < STATES.length; i++) ORDER[STATES[i]] = i;

  function compileProtocol(pattern) {
    const options = { __proto__: null, delimiter: "", prefix: "", ignoreCase: false };
    return compile(pattern, options, (value) => canonical("protocol", value));
  }

  // --- 3.2 Processing of a URLPatternInit ----------------------------------------------------------------------------

  /** Fill `result` from `init` and its base URL: as patterns, or canonicalized as the components of a URL. Throws. */
  function processInit(init, isPattern, result) {
    const has = (...names) => {
      for (let i = 0; i < names.length; i++) if (init[names[i]] !== undefined) return true;
      return false;
    };
    const fromBase = (text) => (isPattern ? escapePattern(text) : text);
    const finish = (component, value, protocol) => (isPattern ? value : canonical(component, value, protocol));
    let base = null;
    if (init.baseURL !== undefined) {
      base = parseComponents(init.baseURL, null);
      if (base === null) fail(CONSTRUCT, `Invalid base URL '${init.baseURL}'`);
      // A component is inherited unless the dictionary has it or one before it.
      if (!has("protocol")) result.protocol = fromBase(base[0]);
      if (!isPattern && !has("protocol", "hostname", "port", "username")) {
        result.username = base[1];
        if (!has("password")) result.password = base[2];
      }
      if (!has("protocol", "hostname")) {
        result.hostname = fromBase(base[3]);
        if (!has("port")) {
          result.port = base[4];
          if (!has("pathname")) {
            result.pathname = fromBase(base[5]);
            if (!has("search")) {
              result.search = fromBase(base[6]);
              if (!has("hash")) result.hash = fromBase(base[7]);
            }
          }
        }
      }
    }
    if (has("protocol")) result.protocol = finish("protocol", without(init.protocol, ":", init.protocol.length - 1));
    if (has("username")) result.username = finish("username", init.username);
    if (has("password")) result.password = finish("password", init.password);
    if (has("hostname")) result.hostname = finish("hostname", init.hostname);
    const protocol = result.protocol ?? "";
    if (has("port")) result.port = finish("port", init.port, protocol);
    if (has("pathname")) {
      let path = init.pathname;
      if (base !== null && base[5][0] === "/" && !isAbsolutePathname(path, isPattern)) {
        const directory = fromBase(base[5]);
        path = substring(directory, 0, lastIndexOf(directory, "/") + 1) + path;
      }
      result.pathname = finish(protocol === "" || protocol in DEFAULT_PORTS ? "pathname" : "opaque", path);
    }
    if (has("search")) result.search = finish("search", without(init.search, "?", 0));
    if (has("hash")) result.hash = finish("hash", without(init.hash, "#", 0));
    return result;
  }
  /** `text` without the character at `index` if that is `delimiter`. */
  function without(text, delimiter, index) {
    return text[index] === delimiter ? substring(text, 0, index) + substring(text, index + 1) : text;
  }
  function isAbsolutePathname(path, isPattern) {
    return path[0] === "/" || (isPattern && (path[0] === "\\" || path[0] === "{") && path[1] === "/");
  }

  webidl.defineInterface(URLPattern);
  return { __proto__: null, URLPattern };
}
