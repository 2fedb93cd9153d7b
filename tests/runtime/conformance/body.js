// Fetch Standard, sections 5.2 (BodyInit unions) and 5.3 (Body mixin), sentence by sentence.

const POST = (body, init = {}) => new Request("https://e.com", { method: "POST", body, ...init });
const carriers = [(body, init) => new Response(body, init), POST];

test("text() decodes UTF-8, drops one byte order mark and replaces what is malformed", async () => {
  for (const make of carriers) {
    equal(await make("ü😀").text(), "ü😀");
    equal(await make(bytes(0xef, 0xbb, 0xbf, 0x61)).text(), "a");
    equal(await make(bytes(0xef, 0xbb, 0xbf, 0xef, 0xbb, 0xbf, 0x61)).text(), "\ufeffa");
    equal(await make(bytes(0x61, 0xff, 0xc3, 0x62)).text(), "a\ufffd\ufffdb");
    equal(await make(bytes(0xe2, 0x82)).text(), "\ufffd");
    equal(await make(bytes(0xed, 0xa0, 0x80)).text(), "\ufffd\ufffd\ufffd", "a surrogate");
    equal(await make(bytes(0xfe, 0xff, 0, 0x61)).text(), "\ufffd\ufffd\0a", "UTF-16 is not sniffed");
  }
  equal(await new Response("é", { headers: { "content-type": "text/plain; charset=latin1" } }).text(), "é");
});

test("text() of a stream decodes across chunks", async () => {
  const body = streamOf(bytes(0xe2), bytes(0x82, 0xac, 0xf0), bytes(0x9f), bytes(), bytes(0x98, 0x80));
  equal(await new Response(body).text(), "€😀");
});

test("a string body is UTF-8 with lone surrogates replaced", async () => {
  equal(Array.from(new Uint8Array(await new Response("\ud800x\udc00").arrayBuffer())),
        [0xef, 0xbf, 0xbd, 0x78, 0xef, 0xbf, 0xbd]);
});

test("json() parses, also after a byte order mark", async () => {
  for (const make of carriers) {
    equal((await make('{"a":[1,2]}').json()).a, [1, 2]);
    equal(await make("null").json(), null);
    equal(await make(' "x" ').json(), "x");
    equal(await make(bytes(0xef, 0xbb, 0xbf, 0x31)).json(), 1);
    for (const bad of ["", " ", "{", "undefined", "'x'", "{a:1}", "1 2", "\u00a01", "[1,]", "01", "NaN"]) {
      await rejects(SyntaxError, make(bad).json(), bad);
    }
  }
  await rejects(SyntaxError, new Response().json(), "no body");
});

test("json() makes own properties, even __proto__", async () => {
  const value = await new Response('{"__proto__": {"x": 1}}').json();
  equal(Object.hasOwn(value, "__proto__"), true);
  equal(Object.getPrototypeOf(value), Object.prototype);
});

test("arrayBuffer() and bytes() give the bytes", async () => {
  for (const make of carriers) {
    const buffer = await make("aé").arrayBuffer();
    equal(Object.prototype.toString.call(buffer), "[object ArrayBuffer]");
    equal(Array.from(new Uint8Array(buffer)), [0x61, 0xc3, 0xa9]);
    const array = await make("aé").bytes();
    ok(array instanceof Uint8Array);
    equal([array.length, array.byteOffset, array.buffer.byteLength], [3, 0, 3]);
    equal(Array.from(array), [0x61, 0xc3, 0xa9]);
  }
  equal((await new Response().arrayBuffer()).byteLength, 0);
  equal((await new Response().bytes()).length, 0);
});

test("blob() has the body's MIME type, serialised", async () => {
  const type = async (body, contentType) =>
    (await new Response(body, contentType === undefined ? {} : { headers: { "Content-Type": contentType } }).blob()).type.toLowerCase();
  equal(await type("x"), "text/plain;charset=utf-8");
  equal(await type("x", "Text/HTML; Charset=\"UTF-8\""), "text/html;charset=utf-8");
  equal(await type("x", "image/png"), "image/png");
  equal(await type("x", "bad"), "");
  equal(await type("x", ""), "");
  equal(await type(bytes(1)), "");
  const blob = await new Response("aé").blob();
  ok(blob instanceof Blob);
  equal([blob.size, await blob.text()], [3, "aé"]);
  equal((await new Response().blob()).size, 0);
});

test("a null body can be read again and again", async () => {
  for (const r of [new Response(), new Response(null), new Request("https://e.com")]) {
    for (let i = 0; i < 2; i++) {
      equal(await r.text(), "");
      equal((await r.arrayBuffer()).byteLength, 0);
      equal(r.bodyUsed, false);
      equal(r.body, null);
    }
  }
});

test("a body can be read once", async () => {
  for (const make of carriers) {
    for (const method of ["text", "json", "arrayBuffer", "blob", "bytes", "formData"]) {
      const r = make("1", { headers: { "content-type": "application/x-www-form-urlencoded" } });
      equal(r.bodyUsed, false);
      const promise = r[method]();
      equal(r.bodyUsed, true, `${method}: used at once`);
      await rejects(TypeError, r[method](), method);
      await rejects(TypeError, r.text(), method);
      await promise;
      equal(r.bodyUsed, true);
      equal(r.body.locked, true, `${method}: locked afterwards`);
    }
  }
});

test("a body that fails to parse is used all the same", async () => {
  const r = new Response("{");
  await rejects(SyntaxError, r.json());
  equal(r.bodyUsed, true);
  await rejects(TypeError, r.text());
});

test("the empty string is a body", async () => {
  const r = new Response("");
  ok(r.body instanceof ReadableStream);
  equal(await r.text(), "");
  equal(r.bodyUsed, true);
  await rejects(TypeError, r.text());
});

test("readers reject on a wrong receiver", async () => {
  for (const C of [Request, Response]) {
    for (const name of ["text", "json", "arrayBuffer", "blob", "bytes", "formData"]) {
      await rejects(TypeError, C.prototype[name].call({}), name);
      await rejects(TypeError, C.prototype[name].call(C.prototype), name);
      await rejects(TypeError, C.prototype[name].call(undefined), name);
    }
  }
  await rejects(TypeError, Request.prototype.text.call(new Response("x")));
});

test("body is one byte stream, the same each time", async () => {
  for (const make of carriers) {
    const r = make("abc");
    ok(r.body instanceof ReadableStream);
    equal(r.body, r.body);
    equal(r.body.locked, false);
    equal(text(await readBytes(r.body)), "abc");
    equal(r.bodyUsed, true);
  }
});

test("the stream of a body from bytes is a byte stream", async () => {
  for (const body of ["abc", bytes(1, 2, 3), new Blob(["abc"]), new URLSearchParams("a=b"), new FormData()]) {
    const reader = new Response(body).body.getReader({ mode: "byob" });
    const { value, done } = await reader.read(new Uint8Array(2));
    equal([value.length > 0, done], [true, false], Object.prototype.toString.call(body));
    await reader.cancel();
  }
});

test("chunks are Uint8Arrays", async () => {
  for (const chunk of await readAll(new Response("abc").body)) ok(chunk instanceof Uint8Array);
});

test("a locked body cannot be read", async () => {
  const r = new Response("x");
  const reader = r.body.getReader();
  equal(r.bodyUsed, false, "locked is not used");
  for (const name of ["text", "json", "arrayBuffer", "blob", "bytes", "formData"]) await rejects(TypeError, r[name](), name);
  reader.releaseLock();
  equal(await r.text(), "x");
});

test("a disturbed body cannot be read", async () => {
  const r = new Response(streamOf(bytes(97), bytes(98)));
  const reader = r.body.getReader();
  await reader.read();
  reader.releaseLock();
  equal(r.bodyUsed, true);
  await rejects(TypeError, r.text());
  const s = new Response("x");
  await s.body.cancel();
  equal(s.bodyUsed, true);
  await rejects(TypeError, s.text());
});

test("a stream body is that stream", async () => {
  const stream = streamOf(bytes(97));
  const r = new Response(stream);
  equal(r.body, stream);
  equal(await r.text(), "a");
  equal(stream.locked, true);
});

test("a stream whose chunks are no Uint8Array fails the read with a TypeError", async () => {
  for (const chunk of ["text", 1, null, undefined, {}, [1], new ArrayBuffer(1), new Uint16Array(1), new DataView(new ArrayBuffer(1))]) {
    for (const name of ["text", "arrayBuffer", "bytes", "blob", "json"]) {
      await rejects(TypeError, new Response(streamOf(chunk))[name](), `${name} ${show(chunk)}`);
    }
  }
});

test("an error of the stream rejects the read with that error", async () => {
  const error = new Error("mine");
  for (const name of ["text", "arrayBuffer", "bytes", "blob", "json"]) {
    const failing = new ReadableStream({ start(c) { c.enqueue(bytes(1)); }, pull(c) { c.error(error); } });
    await rejects(error, new Response(failing)[name](), name);
    await rejects(error, new Response(new ReadableStream({ start(c) { c.error(error); } }))[name](), name);
  }
  const odd = new ReadableStream({ start(c) { c.error(undefined); } });
  equal(await new Response(odd).text().then(() => "fulfilled", (reason) => reason), undefined);
});

test("a locked or disturbed stream is no body", async () => {
  const locked = streamOf(bytes(1));
  locked.getReader();
  throws(TypeError, () => new Response(locked));
  const disturbed = streamOf(bytes(1));
  await disturbed.getReader().read();
  throws(TypeError, () => new Response(disturbed));
  const used = new Response("x");
  await used.text();
  throws(TypeError, () => new Response(used.body));
});

test("buffers are copied when the body is made", async () => {
  const source = bytes(1, 2, 3, 4);
  const whole = new Response(source.buffer), part = new Response(source.subarray(1, 3));
  const view = new Response(new DataView(source.buffer, 2));
  source.fill(9);
  equal(Array.from(await whole.bytes()), [1, 2, 3, 4]);
  equal(Array.from(await part.bytes()), [2, 3]);
  equal(Array.from(await view.bytes()), [3, 4]);
});

test("a view of wider elements gives its bytes", async () => {
  equal(Array.from(await new Response(new Uint16Array([0x0201, 0x0403])).bytes()), [1, 2, 3, 4]);
  equal((await new Response(new Float64Array(2)).bytes()).length, 16);
});

test("a detached buffer gives an empty body or throws a TypeError", async () => {
  const array = bytes(1, 2);
  structuredClone(array.buffer, { transfer: [array.buffer] });
  try { equal((await new Response(array).bytes()).length, 0); } catch (error) { ok(error instanceof TypeError, error); }
});

test("URLSearchParams serialise", async () => {
  const params = new URLSearchParams([["a", "1 2"], ["ü", "&="]]);
  const r = new Response(params);
  params.append("late", "x");
  equal(await r.text(), "a=1+2&%C3%BC=%26%3D");
});

test("a Blob gives its bytes and type", async () => {
  const r = new Response(new Blob(["a", bytes(98)], { type: "Text/X" }));
  equal([r.headers.get("content-type"), await r.text()], ["text/x", "ab"]);
  equal(await new Response(new File(["f"], "name", { type: "a/b" })).text(), "f");
});

test("other values become strings", async () => {
  for (const [body, expected] of [[1, "1"], [true, "true"], [{}, "[object Object]"], [[1, [2]], "1,2"], [10n, "10"],
                                  [{ toString: () => "own" }, "own"], [NaN, "NaN"], [new String("s"), "s"], [false, "false"], [0, "0"]]) {
    equal(await new Response(body).text(), expected);
  }
  throws(TypeError, () => new Response(Symbol("x")));
  throws(TypeError, () => new Response({ toString: () => ({}), valueOf: () => ({}) }));
});

test("formData() reads application/x-www-form-urlencoded", async () => {
  for (const make of carriers) {
    const r = make("a=1+2&b=%C3%BC&a=3&c&=d&%ff=%", { headers: { "Content-Type": "application/x-www-form-urlencoded" } });
    const data = await r.formData();
    ok(data instanceof FormData);
    equal(pairs(data), [["a", "1 2"], ["b", "ü"], ["a", "3"], ["c", ""], ["", "d"], ["\ufffd", "%"]]);
  }
  const params = await new Response(new URLSearchParams([["x", "y z"]])).formData();
  equal(pairs(params), [["x", "y z"]]);
  const parameter = await new Response("q=1", { headers: { "content-type": "APPLICATION/X-www-form-urlencoded; charset=x" } }).formData();
  equal(parameter.get("q"), "1");
  equal(pairs(await new Response("", { headers: { "content-type": "application/x-www-form-urlencoded" } }).formData()), []);
});

test("formData() reads what a FormData body writes", async () => {
  const data = new FormData();
  data.append("text", "vä\r\nlue");
  data.append('quo"te\r\n', "x");
  data.append("text", "");
  data.append("file", new Blob([bytes(0, 13, 10, 255)], { type: "a/b" }), 'n"a\u00fcm\ne');
  data.append("plain", new Blob(["p"]));
  for (const make of carriers) {
    const back = await make(data).formData();
    equal([...back.keys()], ["text", 'quo"te\r\n', "text", "file", "plain"]);
    equal(back.getAll("text"), ["vä\r\nlue", ""]);
    const file = back.get("file");
    ok(file instanceof File);
    equal([file.name, file.type], ['n"aüm\ne', "a/b"]);
    equal(Array.from(new Uint8Array(await file.arrayBuffer())), [0, 13, 10, 255]);
    equal([back.get("plain").name, back.get("plain").type], ["blob", "application/octet-stream"]);
  }
});

test("formData() reads multipart/form-data", async () => {
  const multipart = (body, boundary = "b") =>
    new Response(body.replaceAll("\n", "\r\n"), { headers: { "Content-Type": `multipart/form-data; boundary=${boundary}` } }).formData();
  equal(pairs(await multipart('--b\nContent-Disposition: form-data; name="a"\n\n1\n--b--')), [["a", "1"]]);
  equal(pairs(await multipart('--b\nContent-Disposition: form-data; name="a"\n\n1\n--b--\n')), [["a", "1"]]);
  equal(pairs(await multipart('--b\ncontent-disposition: form-data; name="a%22%0D%0Ab"\n\n--c\n--b--')), [['a"\r\nb', "--c"]]);
  const data = await multipart(
    '--b\nX-Other: y\nContent-Disposition: form-data; name="f"; filename="n.txt"\nContent-Type: text/x\n\nline\n\n--b--');
  equal([data.get("f").name, data.get("f").type, await data.get("f").text()], ["n.txt", "text/x", "line\r\n"]);
  const untyped = await multipart('--b\nContent-Disposition: form-data; name="f"; filename="n"\n\nx\n--b--');
  equal(untyped.get("f").type, "text/plain", "the default type");
  equal(pairs(await multipart("--b--")), []);
});

test("formData() rejects what it cannot parse", async () => {
  const read = (body, type) => new Response(body, { headers: { "Content-Type": type } }).formData();
  for (const type of ["text/plain", "application/json", "", "multipart/form-data", "multipart/mixed; boundary=b", "bad"]) {
    await rejects(TypeError, read("--b--", type), type);
  }
  for (const body of ["", "x", "--b", "--b\r\n", "--c--", "--b\r\n\r\n1\r\n--b--", '--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
                      '--b\r\nContent-Disposition: attachment; name="a"\r\n\r\n1\r\n--b--',
                      "--b\r\nContent-Disposition: form-data\r\n\r\n1\r\n--b--"]) {
    await rejects(TypeError, read(body, "multipart/form-data; boundary=b"), body);
  }
  await rejects(TypeError, new Response(bytes(1)).formData(), "no type at all");
  await rejects(TypeError, new Response().formData(), "no body, no type");
});

test("a FormData body is multipart/form-data in the specified form", async () => {
  const data = new FormData();
  data.append("a", "1\n2");
  data.append('n"\r\n', "\ud800");
  data.append("f", new File([bytes(10)], 'x"y\n', { type: "" }));
  data.append("g", new File(["z"], "", { type: "t/u" }));
  const r = new Response(data);
  const [, boundary] = /^multipart\/form-data; ?boundary=([\w'()+,.:=?\/-]{1,70})$/.exec(r.headers.get("content-type"));
  equal(await r.text(), [
    `--${boundary}`, 'Content-Disposition: form-data; name="a"', "", "1", "2",
    `--${boundary}`, 'Content-Disposition: form-data; name="n%22%0D%0A"', "", "\ufffd",
    `--${boundary}`, 'Content-Disposition: form-data; name="f"; filename="x%22y%0A"', "Content-Type: application/octet-stream", "", "\n",
    `--${boundary}`, 'Content-Disposition: form-data; name="g"; filename=""', "Content-Type: t/u", "", "z",
    `--${boundary}--`, "",
  ].join("\r\n"));
});

test("each FormData body has a boundary of its own", () => {
  const type = () => new Response(new FormData()).headers.get("content-type");
  ok(type() !== type());
});

test("a FormData body is fixed when it is made", async () => {
  const data = new FormData();
  data.append("a", "1");
  const r = new Response(data);
  data.append("b", "2");
  ok(!(await r.text()).includes('name="b"'));
});

test("an empty FormData body", async () => {
  const r = new Response(new FormData());
  const boundary = r.headers.get("content-type").split("boundary=")[1];
  ok((await r.clone().text()).startsWith(`--${boundary}--`));
  equal(pairs(await r.formData()), []);
});

test("reading many times over large bodies keeps the bytes", async () => {
  const big = "0123456789".repeat(20000);
  equal((await new Response(big).text()).length, 200000);
  equal((await new Response(new Blob([big, big])).arrayBuffer()).byteLength, 400000);
  let total = 0;
  for (const chunk of await readAll(new Response(big).body)) total += chunk.length;
  equal(total, 200000);
});

test("piping a body disturbs it at once", async () => {
  const piped = new Response("x");
  const done = piped.body.pipeTo(new WritableStream());
  equal([piped.bodyUsed, piped.body.locked], [true, true]);
  await rejects(TypeError, piped.text());
  await done;
  const through = new Response("x");
  const readable = through.body.pipeThrough(new TransformStream());
  equal(through.bodyUsed, true);
  equal(text(await readBytes(readable)), "x");
});

test("tee() of a body locks it", async () => {
  const r = new Response("ab");
  const [one, two] = r.body.tee();
  equal([r.body.locked, r.bodyUsed], [true, false]);
  await rejects(TypeError, r.text());
  equal([text(await readBytes(one)), text(await readBytes(two))], ["ab", "ab"]);
});

test("a then on Object.prototype sees nothing of a body's read", async () => {
  for (const name of ["text", "arrayBuffer", "json"]) {
    const response = new Response(streamOf(bytes(34, 97, 34)));
    let promise, seen = 0;
    Object.defineProperty(Object.prototype, "then", {
      configurable: true,
      get() { if ("done" in this || "value" in this) seen++; return undefined; },
    });
    try { promise = response[name](); await new Promise((resolve) => setTimeout(resolve, 1)); } finally { delete Object.prototype.then; }
    await promise;
    equal(seen, 0, name);
  }
});

test("a stream that closes without chunks is an empty body", async () => {
  equal(await new Response(streamOf()).text(), "");
  equal((await new Response(streamOf(bytes())).arrayBuffer()).byteLength, 0);
});

test("an async stream of chunks", async () => {
  let i = 0;
  const stream = new ReadableStream({
    async pull(controller) {
      await new Promise((resolve) => setTimeout(resolve, 1));
      if (i === 5) controller.close(); else controller.enqueue(bytes(97 + i++));
    },
  });
  equal(await new Response(stream).text(), "abcde");
});

test("cancelling a body cancels its source", async () => {
  let reason;
  const r = new Response(new ReadableStream({ cancel(why) { reason = why; } }));
  await r.body.cancel("enough");
  equal([reason, r.bodyUsed], ["enough", true]);
});

test("a read that fails cancels the stream it read from", async () => {
  let cancelled = false;
  const stream = new ReadableStream({ start(c) { c.enqueue("no bytes"); }, cancel() { cancelled = true; } });
  const error = await rejects(TypeError, new Response(stream).text());
  ok(error instanceof TypeError);
});

test("formData() without a body: empty where the type is urlencoded, else an error", async () => {
  const make = (type) => POST(undefined, { headers: type === undefined ? {} : { "Content-Type": type } });
  equal(pairs(await make("application/x-www-form-urlencoded").formData()), []);
  await rejects(TypeError, make().formData());
  await rejects(TypeError, make("multipart/form-data; boundary=b").formData());
  await rejects(TypeError, make("text/plain").formData());
});

test("the first Content-Type that is a MIME type counts, combined ones by the rules of Fetch", async () => {
  const type = async (...values) => {
    const headers = new Headers();
    for (const value of values) headers.append("Content-Type", value);
    return (await new Response("x", { headers }).blob()).type.toLowerCase();
  };
  equal(await type("text/plain", "text/html"), "text/html", "the last essence");
  equal(await type("text/html;charset=gbk", "text/plain"), "text/plain");
  equal(await type("text/html;charset=gbk", "text/html"), "text/html;charset=gbk", "the charset stays with its essence");
  equal(await type("text/html;charset=gbk", "bad", "text/html;x=y"), "text/html;x=y;charset=gbk");
  equal(await type("text/html", "*/*"), "text/html", "*/* does not count");
  equal(await type('text/html;x=",text/plain"'), 'text/html;x=",text/plain"', "a comma within quotes");
});

test("json() looks once for a then on what it gives, and calls it", async () => {
  for (const then of [undefined, function (resolve) { delete Object.prototype.then; resolve([this.a, "then"]); }]) {
    let seen = 0, promise;
    Object.defineProperty(Object.prototype, "then", {
      configurable: true,
      get() {
        if (this.a === 1) seen++;
        return this.a === 1 ? then : undefined;
      },
    });
    try { promise = new Response('{"a":1}').json(); } finally { if (then === undefined) delete Object.prototype.then; }
    equal([promise instanceof Promise, seen], [true, 1]);
    equal(JSON.stringify(await promise), then === undefined ? '{"a":1}' : '[1,"then"]');
    delete Object.prototype.then;
  }
});

test("a body that was read cannot be read again, which is told by a promise", async () => {
  const response = new Response('{"a":1}');
  equal([(await response.json()).a, response.bodyUsed], [1, true]);
  await rejects(TypeError, response.json());
  await rejects(SyntaxError, new Response("{").json());
  await rejects(TypeError, Response.prototype.json.call({}));
});

test("textStream() is the body through a decoder of UTF-8, whatever its type says", async () => {
  const texts = async (stream) => { const all = []; for await (const text of stream) all.push(text); return all; };
  const pieces = ReadableStream.from([[0xef], [0xbb, 0xbf, 0xe4], [0xb8, 0x80, 0xff], [], [0xe4]].map((bytes) => new Uint8Array(bytes)));
  equal(await texts(new Response(pieces, { headers: { "Content-Type": "text/plain;charset=koi8-r" } }).textStream()), ["一\ufffd", "\ufffd"]);
  equal((await texts(POST("aé").textStream())).join(""), "aé");
  equal((await texts(new Blob(["a", "é"]).textStream())).join(""), "aé");
  equal((await texts(new File(["\ufeffa"], "f").textStream())).join(""), "a");

  const response = new Response("x"), { body } = response, stream = response.textStream();
  equal([response.bodyUsed, body.locked, response.body === body, stream === body], [true, true, true, false]);
  throws(TypeError, () => response.textStream());
  await rejects(TypeError, response.text());
  equal(await texts(stream), ["x"]);
  throws(TypeError, () => Response.prototype.textStream.call({}));

  const empty = new Response(null);
  equal([await texts(empty.textStream()), empty.bodyUsed, await empty.text()], [[], false, ""], "a null body is never used");
  const failing = new Response(ReadableStream.from(["no bytes"]));
  await rejects(TypeError, texts(failing.textStream()));
});

test("textStream() uses nothing that an app has replaced", async () => {
  const readable = Object.getOwnPropertyDescriptor(TextDecoderStream.prototype, "readable");
  const { pipeThrough } = ReadableStream.prototype, { TextDecoderStream: own } = globalThis;
  const broken = () => { throw new Error("called"); };
  Object.defineProperty(own.prototype, "readable", { configurable: true, get: broken });
  ReadableStream.prototype.pipeThrough = globalThis.TextDecoderStream = broken;
  try {
    equal((await new Response("x").textStream().getReader().read()).value, "x");
  } finally {
    Object.defineProperty(own.prototype, "readable", readable);
    ReadableStream.prototype.pipeThrough = pipeThrough;
    globalThis.TextDecoderStream = own;
  }
});
