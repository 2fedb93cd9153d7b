// The Request constructor: Fetch, https://fetch.spec.whatwg.org/#dom-request
(platform) => {
  "use strict";
  const { load, uncurry } = platform;
  const webidl = load("webidl");
  const { fail, enumeration, dictionary, ByteString, DOMString, USVString, boolean, any, nullable } = webidl;
  const { convertInit, fill, getValue } = load("headerlist");
  const { KINDS, convertBodyInit, extract, isUnusable } = load("body");
  const { isRequest, stateOf, newState, DEFAULTS } = load("request");
  const { parse: parseURL } = platform.load("urlparser");
  const exec = uncurry("RegExp", "exec");
  const slice = uncurry("Array", "slice");
  const split = uncurry("String", "split");
  const startsWith = uncurry("String", "startsWith");
  const toUpperCase = uncurry("String", "toUpperCase");

  const oneOf = (name, values) => enumeration(name, split(values, " "));
  const RequestInit = dictionary("RequestInit", [
    { key: "body", converter: nullable(convertBodyInit) },
    { key: "cache", converter: oneOf("RequestCache", "default no-store reload no-cache force-cache only-if-cached") },
    { key: "credentials", converter: oneOf("RequestCredentials", "omit same-origin include") },
    { key: "duplex", converter: oneOf("RequestDuplex", "half") },
    { key: "headers", converter: convertInit },
    { key: "integrity", converter: DOMString },
    { key: "keepalive", converter: boolean },
    { key: "method", converter: ByteString },
    { key: "mode", converter: oneOf("RequestMode", "navigate same-origin no-cors cors") },
    { key: "priority", converter: oneOf("RequestPriority", "high low auto") },
    { key: "redirect", converter: oneOf("RequestRedirect", "follow error manual") },
    { key: "referrer", converter: USVString },
    {
      key: "referrerPolicy",
      converter: oneOf(
        "ReferrerPolicy",
        " no-referrer no-referrer-when-downgrade same-origin origin strict-origin origin-when-cross-origin " +
          "strict-origin-when-cross-origin unsafe-url",
      ),
    },
    {
      key: "signal",
      converter: nullable((value, context) =>
        webidl.interfaceType("AbortSignal", load("abort").isAbortSignal)(value, context),
      ),
    },
    { key: "window", converter: any },
  ]);
  const COPIED = ["cache", "credentials", "integrity", "keepalive", "redirect", "referrerPolicy"];

  /** The URL serialization that `input` parses to; there is no base URL on a server. */
  function parseInput(input, context) {
    const href = parseURL(input);
    if (href === null) fail(context, `Failed to parse URL from ${input}`);
    if (exec(/^[^:]*:\/\/[^/?#]*@/, href) !== null) fail(context, "The URL includes credentials.");
    return href;
  }

  /** A method, normalized. */
  function parseMethod(method, context) {
    if (exec(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, method) === null) fail(context, `'${method}' is not a valid HTTP method.`);
    if (exec(/^(?:CONNECT|TRACE|TRACK)$/i, method) !== null) fail(context, `'${method}' HTTP method is unsupported.`);
    return exec(/^(?:DELETE|GET|HEAD|OPTIONS|POST|PUT)$/i, method) !== null ? toUpperCase(method) : method;
  }

  function parseReferrer(referrer, context) {
    if (referrer === "") return "";
    const href = parseURL(referrer);
    if (href === null) fail(context, `Referrer "${referrer}" is not a valid URL.`);
    return exec(/^about:client/, href) !== null ? DEFAULTS.referrer : href;
  }

  /** The state of `new Request(input, init)`. */
  function initialize(input, init, context) {
    const original = isRequest(input) ? stateOf(input) : null;
    if (original === null) input = USVString(input, context);
    init = RequestInit(init, context);
    let isEmpty = true;
    for (const _ in init) isEmpty = false;

    const url = original === null ? parseInput(input, context) : original.url;
    if (init.window !== undefined && init.window !== null) fail(context, "'window' can only be null.");
    const options = { __proto__: null, ...(original === null ? DEFAULTS : original.options) };
    // A blob URL's entry is that of this moment, even if the URL is revoked before it is fetched.
    if (original === null && startsWith(url, "blob:")) options.blobURLEntry = load("bloburl").resolve(url);
    if (!isEmpty) {
      options.referrer = init.referrer === undefined ? DEFAULTS.referrer : parseReferrer(init.referrer, context);
      options.referrerPolicy = "";
    }
    if (init.mode === "navigate") fail(context, "The mode 'navigate' is not allowed.");
    if (init.mode !== undefined) options.mode = init.mode;
    for (let i = 0; i < COPIED.length; i++) {
      if (init[COPIED[i]] !== undefined) options[COPIED[i]] = init[COPIED[i]];
    }
    if (options.cache === "only-if-cached" && options.mode !== "same-origin") {
      fail(context, "'only-if-cached' is only allowed with the mode 'same-origin'.");
    }
    const method = init.method !== undefined ? parseMethod(init.method, context) : original === null ? "GET" : original.method;
    if (options.mode === "no-cors" && exec(/^(?:GET|HEAD|POST)$/, method) === null) {
      fail(context, `'${method}' is not allowed with the mode 'no-cors'.`);
    }
    const list =
      init.headers !== undefined ? fill(init.headers, context) : original === null ? [] : slice(original.list);

    const state = newState(method, url, list, options, false);
    if (init.signal !== undefined) state.follow = init.signal;
    else if (original !== null) state.follow = original;

    const hasInitBody = init.body !== undefined && init.body !== null;
    const hasInputBody = original !== null && original.kind !== KINDS.NONE;
    if ((hasInitBody || hasInputBody) && (method === "GET" || method === "HEAD")) {
      fail(context, "A request with the method GET or HEAD cannot have a body.");
    }
    if (hasInitBody) {
      const type = extract(state, init.body, context, options.keepalive);
      if (type !== null && getValue(list, "content-type") === null) {
        list[list.length] = "content-type";
        list[list.length] = type;
      }
      if (state.stream !== null && init.duplex === undefined) {
        fail(context, "The 'duplex' option is required when the body is a stream.");
      }
    }
    const isStream = hasInitBody ? state.stream !== null : hasInputBody && original.kind === KINDS.STREAM;
    if (isStream && options.mode !== "same-origin" && options.mode !== "cors") {
      fail(context, "A stream as the body needs the mode 'same-origin' or 'cors'.");
    }
    if (!hasInitBody && hasInputBody) {
      if (isUnusable(original)) fail(context, "Cannot construct a Request from one whose body has been used.");
      load("body_source").moveBody(original, state);
    }
    return state;
  }

  return { __proto__: null, initialize };
}
