// Fetch Standard, section 5.5 (Response class), sentence by sentence.

test("the interface has the shape that WebIDL gives it", async () => {
  isInterface("Response",
    ["type", "url", "redirected", "status", "ok", "statusText", "headers", "body", "bodyUsed"],
    { clone: 0, arrayBuffer: 0, blob: 0, bytes: 0, formData: 0, json: 0, text: 0, textStream: 0 },
    { error: 0, redirect: 1, json: 1 });
});

test("the defaults", async () => {
  const r = new Response();
  equal([r.type, r.url, r.redirected, r.status, r.ok, r.statusText, r.body, r.bodyUsed],
        ["default", "", false, 200, true, "", null, false]);
  ok(r.headers instanceof Headers);
  equal(pairs(r.headers), []);
  equal(r.headers, r.headers, "the same object");
});

test("attributes are read-only", async () => {
  const r = new Response();
  for (const name of ["type", "url", "redirected", "status", "ok", "statusText", "headers", "body", "bodyUsed"]) {
    throws(TypeError, () => { "use strict"; r[name] = 1; }, name);
  }
});

test("ok for statuses 200 to 299 only", async () => {
  for (const [status, good] of [[200, true], [201, true], [299, true], [300, false], [404, false], [599, false]]) {
    equal([new Response(null, { status }).ok, new Response(null, { status }).status], [good, status]);
  }
});

test("a status outside 200 to 599 is a RangeError", async () => {
  for (const status of [0, 1, 100, 101, 103, 199, 600, 700, 1000, -1, NaN, Infinity, undefined, null, "x"]) {
    if (status === undefined) equal(new Response(null, { status }).status, 200);
    else throws(RangeError, () => new Response(null, { status }), String(status));
  }
});

test("status is an unsigned short", async () => {
  equal(new Response(null, { status: "201" }).status, 201);
  equal(new Response(null, { status: 201.9 }).status, 201);
  equal(new Response(null, { status: 65536 + 201 }).status, 201);
  equal(new Response(null, { status: 201 - 65536 }).status, 201);
  equal(new Response(null, { status: { valueOf: () => 202 } }).status, 202);
  throws(TypeError, () => new Response(null, { status: Symbol("x") }));
  throws(TypeError, () => new Response(null, { status: 200n }));
});

test("statusText is a reason-phrase", async () => {
  for (const statusText of ["", "OK", "\t ~", "\x80\xff", " spaces ", "Not Found"]) {
    equal(new Response(null, { statusText }).statusText, statusText);
  }
  for (const statusText of ["\n", "\r", "a\nb", "\x00", "\x7f", "\x1f", "\u0100", "Ā"]) {
    throws(TypeError, () => new Response(null, { statusText }), show(statusText));
  }
  equal(new Response(null, { statusText: null }).statusText, "null");
  equal(new Response(null, { statusText: undefined }).statusText, "");
});

test("a null body status takes no body", async () => {
  for (const status of [204, 205, 304]) {
    throws(TypeError, () => new Response("", { status }), status);
    throws(TypeError, () => new Response("body", { status }), status);
    throws(TypeError, () => new Response(new ReadableStream(), { status }), status);
    equal(new Response(null, { status }).body, null);
    equal(new Response(undefined, { status }).status, status);
  }
});

test("init is a dictionary", async () => {
  equal(new Response("", null).status, 200);
  equal(new Response("", undefined).status, 200);
  equal(new Response("", {}).status, 200);
  equal(new Response("", () => {}).status, 200);
  for (const init of [1, "x", true, Symbol("x"), 1n]) throws(TypeError, () => new Response("", init), show(init));
});

test("init's members are read in lexicographical order, after the body was converted", async () => {
  const log = [];
  const body = { toString() { log.push("body"); return "x"; } };
  const init = { get statusText() { log.push("statusText"); }, get headers() { log.push("headers"); },
                 get status() { log.push("status"); } };
  new Response(body, init);
  equal(log, ["body", "headers", "status", "statusText"]);
});

test("init's headers fill the headers", async () => {
  const r = new Response("x", { headers: { a: "1", "Content-Type": "text/css" } });
  equal(pairs(r.headers), [["a", "1"], ["content-type", "text/css"]]);
  const h = new Headers({ b: "2" });
  const s = new Response(null, { headers: h });
  equal(pairs(s.headers), [["b", "2"]]);
  ok(s.headers !== h);
  s.headers.append("c", "3");
  equal(s.headers.get("c"), "3");
  equal(h.has("c"), false);
  throws(TypeError, () => new Response(null, { headers: null }));
  throws(TypeError, () => new Response(null, { headers: { "a b": "c" } }));
});

test("the body's type becomes Content-Type where there is none", async () => {
  const type = (body, init) => new Response(body, init).headers.get("content-type");
  equal(type("x"), "text/plain;charset=UTF-8");
  equal(type(""), "text/plain;charset=UTF-8");
  equal(type(1), "text/plain;charset=UTF-8");
  equal(type({}), "text/plain;charset=UTF-8");
  equal(type(new URLSearchParams("a=b")), "application/x-www-form-urlencoded;charset=UTF-8");
  equal(type(new Blob(["x"])), null);
  equal(type(new Blob(["x"], { type: "image/png" })), "image/png");
  ok(/^multipart\/form-data; ?boundary=.+/.test(type(new FormData())));
  equal(type(new ArrayBuffer(1)), null);
  equal(type(new Uint8Array(1)), null);
  equal(type(new DataView(new ArrayBuffer(1))), null);
  equal(type(new ReadableStream()), null);
  equal(type(null), null);
  equal(type(undefined), null);
  equal(type("x", { headers: { "content-TYPE": "a/b" } }), "a/b");
  equal(type("x", { headers: { "content-type": "" } }), "", "an empty one is one");
});

test("Response.error()", async () => {
  const r = Response.error();
  equal([r.type, r.status, r.ok, r.statusText, r.url, r.redirected, r.body, r.bodyUsed],
        ["error", 0, false, "", "", false, null, false]);
  equal(pairs(r.headers), []);
  throws(TypeError, () => r.headers.append("a", "b"));
  ok(r instanceof Response);
  equal(await r.text(), "");
  equal(r.clone().type, "error");
});

test("Response.redirect()", async () => {
  const r = Response.redirect("https://example.com/a b?ü#f");
  equal([r.status, r.type, r.ok, r.body, r.redirected, r.url, r.statusText], [302, "default", false, null, false, "", ""]);
  equal(r.headers.get("location"), "https://example.com/a%20b?%C3%BC#f");
  equal(pairs(r.headers).length, 1);
  throws(TypeError, () => r.headers.set("location", "x"));
  for (const status of [301, 302, 303, 307, 308]) equal(Response.redirect("https://e.com", status).status, status);
  equal(Response.redirect("https://e.com", undefined).status, 302);
  for (const status of [0, 200, 300, 304, 305, 306, 309, 400, 500, null, NaN]) {
    throws(RangeError, () => Response.redirect("https://e.com", status), status);
  }
  throws(TypeError, () => Response.redirect("http://:bad:"));
  throws(TypeError, () => Response.redirect("http://:bad:", 200), "the URL is parsed first");
  throws(TypeError, () => Response.redirect());
  equal(Response.redirect(new URL("https://e.com/x"), "301").headers.get("location"), "https://e.com/x");
});

test("Response.json()", async () => {
  const r = Response.json({ a: [1, "ü"] });
  equal([r.status, r.type, r.headers.get("content-type")], [200, "default", "application/json"]);
  equal(await r.text(), '{"a":[1,"ü"]}');
  const s = Response.json(null, { status: 404, statusText: "no", headers: { "content-type": "a/b", x: "y" } });
  equal([s.status, s.statusText, s.headers.get("content-type"), s.headers.get("x"), await s.json()],
        [404, "no", "a/b", "y", null]);
  equal(await Response.json("x").text(), '"x"');
  equal(await Response.json({ toJSON: () => 5 }).text(), "5");
  for (const value of [undefined, () => {}, Symbol("x")]) throws(TypeError, () => Response.json(value), show(value));
  throws(TypeError, () => Response.json());
  throws(TypeError, () => Response.json(1n));
  const cycle = {};
  cycle.cycle = cycle;
  throws(TypeError, () => Response.json(cycle));
  const error = new Error("mine");
  throws(error, () => Response.json({ get a() { throw error; } }));
  for (const status of [204, 205, 304]) throws(TypeError, () => Response.json({}, { status }));
  throws(RangeError, () => Response.json({}, { status: 99 }));
  r.headers.append("a", "b");
  equal(r.headers.get("a"), "b", "the headers are mutable");
});

test("clone() copies everything and tees the body", async () => {
  const r = new Response("body", { status: 201, statusText: "made", headers: { a: "b" } });
  const c = r.clone();
  ok(c instanceof Response && c !== r);
  equal([c.status, c.statusText, c.headers.get("a"), c.type, c.url], [201, "made", "b", "default", ""]);
  ok(c.headers !== r.headers);
  c.headers.set("a", "c");
  equal(r.headers.get("a"), "b");
  ok(c.body !== r.body);
  equal(await r.text(), "body");
  equal([r.bodyUsed, c.bodyUsed], [true, false]);
  equal(await c.text(), "body");
  equal(new Response().clone().body, null);
});

test("clone() of a used or locked body throws", async () => {
  const r = new Response("x");
  await r.text();
  throws(TypeError, () => r.clone());
  const s = new Response("x");
  const reader = s.body.getReader();
  throws(TypeError, () => s.clone());
  reader.releaseLock();
  equal(await s.clone().text(), "x");
  const t = new Response("x");
  await t.body.cancel();
  throws(TypeError, () => t.clone());
});

test("clone() keeps the guard", async () => {
  const c = Response.redirect("https://e.com").clone();
  throws(TypeError, () => c.headers.append("a", "b"));
});

test("both branches of a clone stream the same chunks", async () => {
  const r = new Response(streamOf(bytes(1, 2), bytes(3)));
  const c = r.clone();
  equal(await readBytes(r.body), [1, 2, 3]);
  equal(await readBytes(c.body), [1, 2, 3]);
});

test("a clone's chunks are not shared with the original", async () => {
  const r = new Response(streamOf(bytes(1, 2, 3)));
  const c = r.clone();
  const { value } = await r.body.getReader().read();
  value[0] = 9;
  equal(await readBytes(c.body), [1, 2, 3]);
});

test("static methods belong to the class", async () => {
  throws(TypeError, () => new Response.error());
  throws(TypeError, () => new Response.json({}));
  equal("error" in Response.prototype, false);
  equal("redirect" in Response.prototype, false);
});

test("a subclass works", async () => {
  class Mine extends Response { get extra() { return this.status + 1; } }
  const r = new Mine("x", { status: 201 });
  equal([r.extra, r instanceof Mine, await r.text()], [202, true, "x"]);
});

test("a clone's chunks are structured clones, of whatever type they are", async () => {
  const types = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
                 Float32Array, Float64Array, BigInt64Array, BigUint64Array];
  const chunks = types.map((Type) => new Type(new ArrayBuffer(8)));
  for (const chunk of [...chunks, new ArrayBuffer(8), new DataView(new ArrayBuffer(8)), "text", { a: 1 }]) {
    const response = new Response(streamOf(chunk));
    const clone = response.clone();
    const [first, second] = [await readAll(response.body), await readAll(clone.body)];
    equal([first.length, second.length], [1, 1]);
    equal(first[0], chunk, "the original's chunk is the chunk itself");
    if (typeof chunk !== "object") continue;
    ok(second[0] !== chunk, "the clone's is another");
    equal(second[0].constructor, chunk.constructor);
    if (ArrayBuffer.isView(chunk)) ok(second[0].buffer !== chunk.buffer);
    equal(second[0].byteLength, chunk.byteLength);
  }
});

test("a chunk that cannot be cloned errors both branches of a clone", async () => {
  const response = new Response(streamOf(() => {}));
  const clone = response.clone();
  await rejects("DataCloneError", response.body.getReader().read());
  await rejects("DataCloneError", clone.body.getReader().read());
});

test("cancelling one branch of a clone leaves the other", async () => {
  let cancelled;
  const stream = new ReadableStream({ start(c) { c.enqueue(bytes(97)); c.close(); }, cancel(reason) { cancelled = reason; } });
  const response = new Response(stream);
  const clone = response.clone();
  response.body.cancel("why");
  equal(await clone.text(), "a");
  equal(cancelled, undefined);
});

test("cancelling both branches cancels the stream with both reasons", async () => {
  let cancelled;
  const response = new Response(new ReadableStream({ cancel(reason) { cancelled = reason; } }));
  const clone = response.clone();
  await Promise.all([response.body.cancel("a"), clone.body.cancel("b")]);
  equal(cancelled, ["a", "b"]);
});

test("a response made of another's body and itself has its status, its text and a copy of its headers", async () => {
  const init = { status: 201, statusText: "Made", headers: { "X-A": "1", "Content-Type": "text/css" } };
  for (const first of [new Response("ab", init), new Response("ab"), new Response(streamOf(bytes(97, 98)), init), Response.json("ab", init)]) {
    first.headers;
    const second = new Response(first.body, first);
    equal([second.status, second.statusText, [...second.headers]], [first.status, first.statusText, [...first.headers]]);
    second.headers.set("X-B", "2");
    equal([first.headers.has("x-b"), second.body === first.body, second === first], [false, true, false]);
    equal((await second.text()).replaceAll('"', ""), "ab");
    equal(first.bodyUsed, true);
    throws(TypeError, () => new Response(first.body, first));
  }
});

test("a response made of another's body and itself asks what an app has put in its place", async () => {
  const of = (change) => {
    const first = new Response("ab", { status: 201, headers: { a: "1" } });
    first.body;
    return new Response(first.body, change(first) ?? first);
  };
  equal(of((first) => { Object.defineProperty(first, "status", { value: 202 }); }).status, 202);
  equal([...of((first) => { Object.defineProperty(first, "headers", { value: { b: "2" } }); }).headers], [["b", "2"]]);
  equal([...of((first) => { first.headers[Symbol.iterator] = function* () { yield ["c", "3"]; }; }).headers], [["c", "3"]]);
  equal(of(() => new (class extends Response { get statusText() { return "Mine"; } })(null)).statusText, "Mine");
  const entries = Headers.prototype[Symbol.iterator];
  Headers.prototype[Symbol.iterator] = function* () { yield ["d", "4"]; };
  try { equal(of(() => undefined).headers.get("d"), "4"); } finally { Headers.prototype[Symbol.iterator] = entries; }
  for (const [name, value] of [["status", 203], ["statusText", "Ours"], ["headers", { e: "5" }]]) {
    const before = Object.getOwnPropertyDescriptor(Response.prototype, name);
    let made;
    Object.defineProperty(Response.prototype, name, { get: () => value, configurable: true });
    try { made = of(() => undefined); } finally { Object.defineProperty(Response.prototype, name, before); }
    equal(name === "headers" ? made.headers.get("e") : made[name], name === "headers" ? "5" : value);
  }
});

test("a response made of another's body and an error, or a status without a body, is refused", () => {
  const first = new Response("ab");
  throws(RangeError, () => new Response(first.body, Response.error()));
  throws(TypeError, () => new Response(first.body, new Response(null, { status: 204 })));
});
