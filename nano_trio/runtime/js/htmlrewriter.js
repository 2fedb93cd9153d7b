// HTMLRewriter, as Cloudflare Workers has it: https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/
//
// Here is the class and the stream: chunks of the response's body are rewritten as the new body is read, in pieces of at
// most 64 KB. htmlrewriter_rewriter.js does the work, on byte strings.
(platform) => {
  "use strict";
  const { load, buffers, constructors, uncurry } = platform;
  const { TypeError, Uint8Array } = constructors;
  const { requireArguments, fail, isObject, DOMString, callbackFunction, defineInterface } = load("webidl");
  const { fromBytes, toBytes, encode, escape } = load("htmlrewriter_bytes");
  const { parseSelectors } = load("htmlrewriter_selectors");
  const { Rewriter } = load("htmlrewriter_rewriter");
  const slice = uncurry("Array", "slice");
  const shift = uncurry("Array", "shift");
  const PIECE = 65536;

  /** The handler `key` of an object: { callback, receiver }, or null where it has none. */
  function convertHandler(handlers, key, context) {
    const callback = handlers[key];
    if (callback === undefined) return null;
    callbackFunction(callback, `${context}: '${key}'`);
    return { __proto__: null, callback, receiver: handlers };
  }

  class HTMLRewriter {
    /** { chains, element, comments, text } of each `on` */
    #selected = [];
    #documents = [];
    #countsChildren = false;
    #countsTypes = false;
    #hasCombinators = false;
    on(selector, handlers) {
      this.#selected;
      const context = "Failed to execute 'on' on 'HTMLRewriter'";
      requireArguments(arguments.length, 2, context);
      selector = DOMString(selector, context);
      if (!isObject(handlers)) fail(context, "Argument 2 is not an object.");
      const comments = convertHandler(handlers, "comments", context);
      const element = convertHandler(handlers, "element", context);
      const text = convertHandler(handlers, "text", context);
      const { chains, countsChildren, countsTypes, hasCombinators } = parseSelectors(selector, context);
      this.#countsChildren ||= countsChildren;
      this.#countsTypes ||= countsTypes;
      this.#hasCombinators ||= hasCombinators;
      this.#selected[this.#selected.length] = { __proto__: null, chains, comments, element, text };
      return this;
    }
    onDocument(handlers) {
      this.#documents;
      const context = "Failed to execute 'onDocument' on 'HTMLRewriter'";
      requireArguments(arguments.length, 1, context);
      if (!isObject(handlers)) fail(context, "Argument 1 is not an object.");
      const comments = convertHandler(handlers, "comments", context);
      const doctype = convertHandler(handlers, "doctype", context);
      const end = convertHandler(handlers, "end", context);
      const text = convertHandler(handlers, "text", context);
      this.#documents[this.#documents.length] = { __proto__: null, comments, doctype, end, text };
      return this;
    }
    transform(response) {
      this.#selected;
      const context = "Failed to execute 'transform' on 'HTMLRewriter'";
      requireArguments(arguments.length, 1, context);
      const state = load("response").stateOrNull(response);
      if (state === null) fail(context, "Argument 1 is not a Response.");
      const { KINDS, isUnusable } = load("body");
      if (state.kind === KINDS.NONE) return response;
      if (isUnusable(state)) fail(context, "The response's body has been used already or is locked.");
      return transformResponse(state, this.#makeRewriter());
    }
    #makeRewriter() {
      const registrations = [];
      const chains = [];
      for (let i = 0; i < this.#selected.length; i++) {
        const { element, comments, text, chains: own } = this.#selected[i];
        const hasContentHandlers = comments !== null || text !== null;
        const registration = { __proto__: null, order: i, element, comments, text, hasContentHandlers, active: 0 };
        registrations[i] = registration;
        for (let j = 0; j < own.length; j++) chains[chains.length] = attach(own[j], registration);
      }
      const options = {
        __proto__: null,
        countsChildren: this.#countsChildren,
        countsTypes: this.#countsTypes,
        hasCombinators: this.#hasCombinators,
      };
      return new Rewriter(registrations, slice(this.#documents), chains, options);
    }
  }
  defineInterface(HTMLRewriter);

  /** A copy of a selector's chain that leads to `registration`. */
  function attach(compound, registration) {
    const { name, tests, needle, next, isChild } = compound;
    const attached = next === null ? null : attach(next, registration);
    return { __proto__: null, name, tests, needle, next: attached, isChild, registration };
  }

  /** The new response: the status and headers of the old one, but for the length and an encoding other than UTF-8. */
  function transformResponse(from, rewriter) {
    const { Response, stateOf } = load("response");
    const { createReadableByteStream } = load("streams_late");
    const { KINDS } = load("body");
    const list = [];
    const charset = legacyCharset(from.list);
    for (let i = 0; i < from.list.length; i += 2) {
      const name = from.list[i];
      if (name === "content-length") continue;
      list[list.length] = name;
      list[list.length] = name === "content-type" && charset !== null ? charset.header : from.list[i + 1];
    }
    const source = new Source(from, charset);
    const body = new Body(source, rewriter);
    const response = new Response();
    const state = stateOf(response);
    state.status = from.status;
    state.statusText = from.statusText;
    state.fields = list;
    state.kind = KINDS.STREAM;
    state.stream = createReadableByteStream((controller) => body.pull(controller), (reason) => body.cancel(reason));
    return response;
  }
  /** { decoder, header } where the Content-Type names an encoding other than UTF-8 that can be decoded; else null. */
  function legacyCharset(list) {
    const { extract, parameter, serialize } = load("mime");
    const type = extract(list);
    const label = type === null ? null : parameter(type, "charset");
    if (label === null) return null;
    const encoding = platform.host("encoding").encodingOf(label);
    if (encoding === null || encoding === "replacement" || encoding === "utf-8") return null;
    const { parameters } = type;
    for (let i = 0; i < parameters.length; i += 2) if (parameters[i] === "charset") parameters[i + 1] = "utf-8";
    const decoder = new (load("encoding").TextDecoder)(encoding);
    return { __proto__: null, decoder, header: serialize(type) };
  }

  function readFrom(reader) {
    const { promise, resolve, reject } = platform.withResolvers();
    reader.read({
      __proto__: null,
      chunk(value) {
        // In a box: promises look for a method `then` on what they are resolved with.
        if (buffers.viewTag(value) === "Uint8Array") resolve({ __proto__: null, value });
        else reject(new TypeError("The stream of a body gave a chunk that is no Uint8Array."));
      },
      close: () => resolve(null),
      error: reject,
    });
    return promise;
  }

  /** The old body, in pieces. */
  class Source {
    constructor(state, charset) {
      const { acquireReader, slots } = load("streams_readable");
      const { KINDS } = load("body");
      const stream = load("body_source").streamOf(state);
      this.reader = acquireReader(stream);
      slots(stream).disturbed = true;
      state.kind = KINDS.SPENT;
      this.charset = charset;
      this.chunk = null;
      this.at = 0;
      this.isDone = false;
    }
    /** The next piece as a byte string of UTF-8; after the last, `isDone`. */
    async read() {
      if (this.chunk === null) {
        const result = await readFrom(this.reader);
        if (result === null) {
          this.isDone = true;
          return this.charset === null ? "" : encode(load("encoding").decodeChunk(this.charset.decoder, undefined, false));
        }
        this.chunk = result.value;
        this.at = 0;
      }
      const { chunk, at } = this;
      const left = buffers.viewByteLength(chunk) - at;
      const size = left > PIECE ? PIECE : left;
      const piece =
        size === left && at === 0
          ? chunk
          : new Uint8Array(buffers.viewBuffer(chunk), buffers.viewByteOffset(chunk) + at, size);
      this.at += size;
      if (size === left) this.chunk = null;
      return this.charset === null ? fromBytes(piece) : encode(load("encoding").decodeChunk(this.charset.decoder, piece, true));
    }
  }

  /** The new body: each pull rewrites until there is something to enqueue. */
  class Body {
    constructor(source, rewriter) {
      this.source = source;
      this.rewriter = rewriter;
      /** The reader of a stream that is being inserted */
      this.inserted = null;
      this.isCancelled = false;
    }
    async pull(controller) {
      const { source, rewriter } = this;
      const { written } = rewriter;
      try {
        for (;;) {
          while (written.length > 0) {
            const part = typeof written[0] === "string" ? shift(written) : await this.readInserted(written[0]);
            if (this.isCancelled) return;
            if (part === "") continue;
            controller.enqueue(toBytes(part));
            return;
          }
          if (source.isDone) {
            load("body_source").finish(controller);
            return;
          }
          const piece = await source.read();
          if (this.isCancelled) return;
          await rewriter.run(piece, source.isDone);
          if (this.isCancelled) return;
        }
      } catch (error) {
        const cancelled = this.cancel(error);
        if (cancelled !== undefined) load("streams_core").handled(cancelled);
        throw error;
      }
    }
    /** The next chunk of a stream that a handler inserted; at its end the empty string. */
    async readInserted(part) {
      const result = await readFrom(part.reader);
      if (result === null) {
        shift(this.rewriter.written);
        return "";
      }
      const text = fromBytes(result.value);
      return part.isHtml ? text : escape(text);
    }
    cancel(reason) {
      if (this.isCancelled) return undefined;
      this.isCancelled = true;
      const { written } = this.rewriter;
      for (let i = 0; i < written.length; i++) {
        if (typeof written[i] !== "string") load("streams_core").handled(written[i].reader.cancel(reason));
      }
      return this.source.reader.cancel(reason);
    }
  }

  return { __proto__: null, HTMLRewriter };
}
