// Fetch Standard, section 5.4 (Request class), sentence by sentence.

test("the interface has the shape that WebIDL gives it", async () => {
  isInterface("Request",
    ["method", "url", "headers", "destination", "referrer", "referrerPolicy", "mode", "credentials", "cache",
     "redirect", "integrity", "keepalive", "signal", "duplex", "body", "bodyUsed"],
    { clone: 0, arrayBuffer: 0, blob: 0, bytes: 0, formData: 0, json: 0, text: 0, textStream: 0 }, [], 1);
});

test("the defaults", async () => {
  const r = new Request("https://example.com");
  equal([r.method, r.url, r.destination, r.referrer, r.referrerPolicy, r.mode, r.credentials, r.cache, r.redirect,
         r.integrity, r.keepalive, r.duplex, r.body, r.bodyUsed],
        ["GET", "https://example.com/", "", "about:client", "", "cors", "same-origin", "default", "follow",
         "", false, "half", null, false]);
  ok(r.headers instanceof Headers);
  equal(pairs(r.headers), []);
  ok(r.signal instanceof AbortSignal);
  equal(r.signal.aborted, false);
  equal(r.headers, r.headers);
  equal(r.signal, r.signal);
});

test("attributes are read-only", async () => {
  const r = new Request("https://example.com");
  for (const name of ["method", "url", "headers", "destination", "referrer", "mode", "credentials", "cache", "redirect",
                      "integrity", "keepalive", "signal", "duplex", "body", "bodyUsed"]) {
    throws(TypeError, () => { "use strict"; r[name] = 1; }, name);
  }
});

test("the input is required", async () => {
  throws(TypeError, () => new Request());
});

test("a string is parsed as a URL", async () => {
  equal(new Request("HTTPS://EXAMPLE.com:443/a/../b?q#f").url, "https://example.com/b?q#f");
  equal(new Request(new URL("https://e.com/x")).url, "https://e.com/x");
  equal(new Request({ toString: () => "https://e.com/o" }).url, "https://e.com/o");
  equal(new Request("data:,x").url, "data:,x");
  equal(new Request("about:blank").url, "about:blank");
  for (const bad of ["http://", "http://a b", "//", "https://[::", "relative", "/path", ""]) {
    throws(TypeError, () => new Request(bad), show(bad));
  }
  throws(TypeError, () => new Request(undefined));
  throws(TypeError, () => new Request(null));
  throws(TypeError, () => new Request(Symbol("x")));
});

test("a lone surrogate becomes U+FFFD", async () => {
  equal(new Request("https://e.com/\ud800").url, "https://e.com/%EF%BF%BD");
});

test("a URL with credentials throws", async () => {
  throws(TypeError, () => new Request("https://user@e.com/"));
  throws(TypeError, () => new Request("https://user:pass@e.com/"));
  throws(TypeError, () => new Request("https://:pass@e.com/"));
});

test("init is a dictionary", async () => {
  equal(new Request("https://e.com", null).method, "GET");
  equal(new Request("https://e.com", undefined).method, "GET");
  for (const init of [1, "x", true, Symbol("x"), 1n]) throws(TypeError, () => new Request("https://e.com", init), show(init));
});

test("init's members are read in lexicographical order", async () => {
  const log = [];
  const init = new Proxy({}, { get(target, key) { log.push(key); return undefined; } });
  new Request("https://e.com", init);
  const order = ["body", "cache", "credentials", "duplex", "headers", "integrity", "keepalive", "method", "mode",
                 "priority", "redirect", "referrer", "referrerPolicy", "signal", "window"];
  const seen = log.filter((key) => order.includes(key));
  equal(seen, order.filter((key) => seen.includes(key)));
  for (const key of ["body", "cache", "credentials", "headers", "method", "mode", "redirect", "signal"]) {
    ok(seen.includes(key), key);
  }
});

test("the method: normalised if it is one of six", async () => {
  const method = (method) => new Request("https://e.com", { method }).method;
  for (const name of ["delete", "get", "head", "options", "post", "put"]) {
    equal(method(name), name.toUpperCase());
    equal(method(name[0].toUpperCase() + name.slice(1)), name.toUpperCase());
  }
  equal(method("patch"), "patch");
  equal(method("PATCH"), "PATCH");
  equal(method("pAtCh"), "pAtCh");
  equal(method("foo"), "foo");
  equal(method("!#$%&'*+-.^_`|~0"), "!#$%&'*+-.^_`|~0");
  equal(method(undefined), "GET");
  equal(method(null), "null");
});

test("the method: no token, or forbidden, throws", async () => {
  for (const method of ["", " ", "a b", "a\n", "GET ", "a(b", "{}", "\u0100", "é", "CONNECT", "connect", "TRACE", "trace",
                        "TRACK", "TrAcK"]) {
    throws(TypeError, () => new Request("https://e.com", { method }), show(method));
  }
});

test("headers fill the request's headers", async () => {
  const r = new Request("https://e.com", { headers: { A: "1", b: "2" } });
  equal(pairs(r.headers), [["a", "1"], ["b", "2"]]);
  r.headers.append("c", "3");
  equal(r.headers.get("c"), "3");
  const h = new Headers({ x: "y" });
  ok(new Request("https://e.com", { headers: h }).headers !== h);
  throws(TypeError, () => new Request("https://e.com", { headers: null }));
  throws(TypeError, () => new Request("https://e.com", { headers: "x" }));
  throws(TypeError, () => new Request("https://e.com", { headers: { "a b": "" } }));
});

test("enumerations", async () => {
  const get = (key, value) => new Request("https://e.com", { [key]: value })[key];
  for (const v of ["same-origin", "cors"]) equal(get("mode", v), v);
  for (const v of ["omit", "same-origin", "include"]) equal(get("credentials", v), v);
  for (const v of ["default", "no-store", "reload", "no-cache", "force-cache"]) equal(get("cache", v), v);
  for (const v of ["follow", "error", "manual"]) equal(get("redirect", v), v);
  for (const v of ["", "no-referrer", "no-referrer-when-downgrade", "same-origin", "origin", "strict-origin",
                   "origin-when-cross-origin", "strict-origin-when-cross-origin", "unsafe-url"]) {
    equal(get("referrerPolicy", v), v);
  }
  for (const key of ["mode", "credentials", "cache", "redirect", "referrerPolicy"]) {
    for (const v of ["bad", "CORS", "Follow", null, 1]) throws(TypeError, () => get(key, v), key + " " + v);
    ok(get(key, undefined) !== undefined);
  }
  throws(TypeError, () => get("redirect", ""));
});

test("mode navigate throws", async () => {
  throws(TypeError, () => new Request("https://e.com", { mode: "navigate" }));
});

test("cache only-if-cached needs mode same-origin", async () => {
  throws(TypeError, () => new Request("https://e.com", { cache: "only-if-cached" }));
  throws(TypeError, () => new Request("https://e.com", { cache: "only-if-cached", mode: "cors" }));
  equal(new Request("https://e.com", { cache: "only-if-cached", mode: "same-origin" }).cache, "only-if-cached");
});

test("mode no-cors needs a simple method", async () => {
  equal(new Request("https://e.com", { mode: "no-cors" }).mode, "no-cors");
  for (const method of ["GET", "HEAD", "POST"]) new Request("https://e.com", { mode: "no-cors", method });
  for (const method of ["PUT", "DELETE", "PATCH"]) {
    throws(TypeError, () => new Request("https://e.com", { mode: "no-cors", method }), method);
  }
});

test("window must be null", async () => {
  new Request("https://e.com", { window: null });
  new Request("https://e.com", { window: undefined });
  throws(TypeError, () => new Request("https://e.com", { window: {} }));
  throws(TypeError, () => new Request("https://e.com", { window: "x" }));
});

test("the referrer", async () => {
  equal(new Request("https://e.com", { referrer: "" }).referrer, "");
  equal(new Request("https://e.com", { referrer: "about:client" }).referrer, "about:client");
  throws(TypeError, () => new Request("https://e.com", { referrer: "http://:bad:" }));
});

test("integrity, keepalive", async () => {
  equal(new Request("https://e.com", { integrity: "sha256-x" }).integrity, "sha256-x");
  equal(new Request("https://e.com", { integrity: null }).integrity, "null");
  equal(new Request("https://e.com", { keepalive: 1 }).keepalive, true);
  equal(new Request("https://e.com", { keepalive: "" }).keepalive, false);
});

test("the signal follows the given one", async () => {
  const controller = new AbortController();
  const r = new Request("https://e.com", { signal: controller.signal });
  ok(r.signal !== controller.signal, "a signal of its own");
  let events = 0;
  r.signal.addEventListener("abort", () => events++);
  equal(r.signal.aborted, false);
  controller.abort("why");
  equal([r.signal.aborted, r.signal.reason, events], [true, "why", 1]);
  const aborted = new Request("https://e.com", { signal: AbortSignal.abort("then") });
  equal([aborted.signal.aborted, aborted.signal.reason], [true, "then"]);
  equal(new Request("https://e.com", { signal: null }).signal.aborted, false);
  for (const signal of [{}, 1, "x", true, new EventTarget()]) {
    throws(TypeError, () => new Request("https://e.com", { signal }), show(signal));
  }
});

test("a request made from a request follows its signal, unless init has one", async () => {
  const controller = new AbortController();
  const r = new Request("https://e.com", { signal: controller.signal });
  const follower = new Request(r);
  const free = new Request(r, { signal: null });
  const other = new Request(r, { signal: new AbortController().signal });
  controller.abort(7);
  equal([follower.signal.aborted, follower.signal.reason, free.signal.aborted, other.signal.aborted],
        [true, 7, false, false]);
});

test("a body with GET or HEAD throws", async () => {
  for (const method of [undefined, "GET", "get", "HEAD", "head"]) {
    throws(TypeError, () => new Request("https://e.com", { method, body: "x" }), method);
    throws(TypeError, () => new Request("https://e.com", { method, body: "" }), method);
    equal(new Request("https://e.com", { method, body: null }).body, null);
    equal(new Request("https://e.com", { method, body: undefined }).body, null);
  }
  equal(await new Request("https://e.com", { method: "DELETE", body: "x" }).text(), "x");
});

test("the body's type becomes Content-Type where there is none", async () => {
  const type = (body, headers = {}) => new Request("https://e.com", { method: "POST", body, headers }).headers.get("content-type");
  equal(type("x"), "text/plain;charset=UTF-8");
  equal(type(new URLSearchParams("a=b")), "application/x-www-form-urlencoded;charset=UTF-8");
  equal(type(new Blob(["x"])), null);
  equal(type(new Blob(["x"], { type: "Image/PNG" })), "image/png");
  ok(type(new FormData()).startsWith("multipart/form-data;"));
  equal(type(new ArrayBuffer(1)), null);
  equal(type(null), null);
  equal(type("x", { "Content-Type": "a/b" }), "a/b");
});

test("a stream body needs duplex half", async () => {
  const body = () => streamOf(bytes(104, 105));
  throws(TypeError, () => new Request("https://e.com", { method: "POST", body: body() }));
  throws(TypeError, () => new Request("https://e.com", { method: "POST", body: body(), duplex: "full" }));
  throws(TypeError, () => new Request("https://e.com", { method: "POST", body: "x", duplex: "other" }));
  const r = new Request("https://e.com", { method: "POST", body: body(), duplex: "half" });
  equal(await r.text(), "hi");
});

test("a stream body with keepalive throws", async () => {
  throws(TypeError, () => new Request("https://e.com",
    { method: "POST", body: streamOf(bytes(1)), duplex: "half", keepalive: true }));
});

test("a locked or disturbed stream cannot be a body", async () => {
  const locked = streamOf(bytes(1));
  locked.getReader();
  throws(TypeError, () => new Request("https://e.com", { method: "POST", body: locked, duplex: "half" }));
  const used = streamOf(bytes(1));
  await used.cancel();
  throws(TypeError, () => new Request("https://e.com", { method: "POST", body: used, duplex: "half" }));
});

test("a request made from a request copies it", async () => {
  const r = new Request("https://e.com/x", { method: "PUT", headers: { a: "b" }, cache: "reload", credentials: "omit",
    redirect: "error", integrity: "i", keepalive: true, referrer: "", referrerPolicy: "origin", mode: "same-origin" });
  const c = new Request(r);
  for (const key of ["url", "method", "cache", "credentials", "redirect", "integrity", "keepalive", "referrer",
                     "referrerPolicy", "mode"]) equal(c[key], r[key], key);
  equal(pairs(c.headers), [["a", "b"]]);
  ok(c.headers !== r.headers);
  c.headers.set("a", "c");
  equal(r.headers.get("a"), "b");
});

test("init overrides what it names", async () => {
  const r = new Request("https://e.com/x", { method: "PUT", headers: { a: "b" }, cache: "reload" });
  const c = new Request(r, { method: "POST", headers: { c: "d" } });
  equal([c.method, c.cache, c.url], ["POST", "reload", "https://e.com/x"]);
  equal(pairs(c.headers), [["c", "d"]], "headers replace the old ones as a whole");
  equal(pairs(new Request(r, { headers: {} }).headers), []);
  equal(pairs(new Request(r, {}).headers), [["a", "b"]]);
});

test("a request made from a request takes its body", async () => {
  const r = new Request("https://e.com", { method: "POST", body: "text", headers: { x: "y" } });
  const c = new Request(r);
  equal([r.bodyUsed, c.bodyUsed], [true, false]);
  equal(await c.text(), "text");
  equal(c.headers.get("content-type"), "text/plain;charset=UTF-8");
  await rejects(TypeError, r.text());
  throws(TypeError, () => new Request(r));
  throws(TypeError, () => new Request(r, { method: "PUT" }));
});

test("with a body of its own, init may reuse a used request", async () => {
  const r = new Request("https://e.com", { method: "POST", body: "text" });
  await r.text();
  equal(await new Request(r, { body: "new" }).text(), "new");
  const s = new Request("https://e.com", { method: "POST", body: "text" });
  new Request(s, { body: "new" });
  equal(s.bodyUsed, false, "the input's body is left alone");
  throws(TypeError, () => new Request(r, { body: null }));
});

test("a failing constructor does not take the body", async () => {
  const r = new Request("https://e.com", { method: "POST", body: "text" });
  throws(TypeError, () => new Request(r, { mode: "navigate" }));
  throws(TypeError, () => new Request(r, { method: "GET" }), "the input has a body");
  equal(r.bodyUsed, false);
  equal(await r.text(), "text");
});

test("clone() copies everything and tees the body", async () => {
  const r = new Request("https://e.com/x", { method: "POST", body: "body", headers: { a: "b" }, redirect: "manual" });
  const c = r.clone();
  ok(c instanceof Request && c !== r);
  equal([c.url, c.method, c.redirect, c.headers.get("a")], ["https://e.com/x", "POST", "manual", "b"]);
  c.headers.set("a", "c");
  equal(r.headers.get("a"), "b");
  equal(await r.text(), "body");
  equal(c.bodyUsed, false);
  equal(await c.text(), "body");
  throws(TypeError, () => r.clone());
  const s = new Request("https://e.com/x", { method: "POST", body: "body" });
  s.body.getReader();
  throws(TypeError, () => s.clone());
});

test("a clone follows the original's signal", async () => {
  const controller = new AbortController();
  const r = new Request("https://e.com", { signal: controller.signal });
  const c = r.clone();
  ok(c.signal !== r.signal);
  controller.abort("x");
  equal([c.signal.aborted, c.signal.reason], [true, "x"]);
  const aborted = new Request("https://e.com", { signal: AbortSignal.abort("y") });
  equal(aborted.clone().signal.reason, "y");
});

test("a subclass works", async () => {
  class Mine extends Request { get extra() { return this.method + "!"; } }
  const r = new Mine("https://e.com", { method: "POST", body: "x" });
  equal([r.extra, r instanceof Mine, await r.text()], ["POST!", true, "x"]);
  equal((await new Request(new Mine("https://e.com/s")).url), "https://e.com/s");
});

test("a stream body is that stream", () => {
  const stream = streamOf(bytes(1));
  const request = new Request("https://e.com", { method: "POST", body: stream, duplex: "half" });
  equal(request.body, stream);
  equal(request.bodyUsed, false);
});

test("duplex may be left out where the body is no stream", () => {
  for (const body of [null, undefined, "x", bytes(1), new Blob(["x"]), new URLSearchParams(), new FormData()]) {
    equal(new Request("https://e.com", { method: "POST", body }).duplex, "half");
    equal(new Request("https://e.com", { method: "POST", body, duplex: "half" }).duplex, "half");
    throws(TypeError, () => new Request("https://e.com", { method: "POST", body, duplex: "full" }));
  }
});

test("a request whose body is locked or was read from cannot be made into another", async () => {
  const make = () => new Request("https://e.com", { method: "POST", body: streamOf(bytes(1), bytes(2)), duplex: "half" });
  const locked = make();
  locked.body.getReader();
  throws(TypeError, () => new Request(locked));
  throws(TypeError, () => new Request(locked, { method: "PUT" }));
  const read = make();
  const reader = read.body.getReader();
  await reader.read();
  reader.releaseLock();
  equal(read.bodyUsed, true);
  throws(TypeError, () => new Request(read));
});

test("a request's stream body moves into the request made of it", async () => {
  const request = new Request("https://e.com", { method: "POST", body: streamOf(bytes(97)), duplex: "half" });
  const next = new Request(request);
  equal([request.bodyUsed, next.bodyUsed, next.duplex], [true, false, "half"]);
  equal(request.body.locked, true);
  equal(await next.text(), "a");
});

test("the priority is one of the enumeration", () => {
  for (const priority of ["high", "low", "auto", undefined]) new Request("https://e.com", { priority });
  for (const priority of ["invalid", "", null, 1]) throws(TypeError, () => new Request("https://e.com", { priority }));
  equal("priority" in Request.prototype, false);
});

test("arguments are converted before the URL is parsed", () => {
  const log = [];
  const input = { toString() { log.push("input"); return "bad"; } };
  throws(TypeError, () => new Request(input, { get method() { log.push("method"); } }));
  equal(log, ["input", "method"]);
});

test("navigation attributes are there and false", () => {
  const request = new Request("https://e.com");
  equal([request.isReloadNavigation, request.isHistoryNavigation], [false, false]);
});

test("a stream is locked until the request that was made of its request has read it, and then free again", async () => {
  const make = () => {
    const stream = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([120])); c.close(); } });
    const old = new Request("http://a/", { method: "POST", body: stream, duplex: "half" });
    return { stream, old, next: new Request(old) };
  };
  for (const read of [(next) => next.text(), (next) => next.body.cancel(), (next) => next.clone().text()]) {
    const { stream, old, next } = make();
    equal([stream.locked, old.bodyUsed, old.body === stream, next.bodyUsed, next.body === stream], [true, true, true, false, false]);
    await read(next);
    equal([stream.locked, old.bodyUsed], [false, true]);
    await rejects(TypeError, old.text());
  }
  const failing = new ReadableStream({ pull() { throw new RangeError("no"); } });
  const next = new Request(new Request("http://a/", { method: "POST", body: failing, duplex: "half" }));
  await rejects(RangeError, next.text());
  equal(failing.locked, false);
});
