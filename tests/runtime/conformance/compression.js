// Compression Standard, sentence by sentence.

const through = (transform, ...chunks) => readBytes(streamOf(...chunks).pipeThrough(transform));
const compress = (format, ...chunks) => through(new CompressionStream(format), ...chunks);
const decompress = (format, ...chunks) => through(new DecompressionStream(format), ...chunks);
const FORMATS = ["deflate", "deflate-raw", "gzip"];
const HELLO = Array.from("hello hello hello", (c) => c.charCodeAt(0));

test("the interfaces have the shape that WebIDL gives them", () => {
  isInterface("CompressionStream", ["readable", "writable"], {}, [], 1);
  isInterface("DecompressionStream", ["readable", "writable"], {}, [], 1);
});

test("the format is required and one of the enumeration", () => {
  for (const C of [CompressionStream, DecompressionStream]) {
    throws(TypeError, () => new C());
    for (const format of ["", "GZIP", "Deflate", "zip", "a", null, undefined, {}, 1]) throws(TypeError, () => new C(format), show(format));
    throws(TypeError, () => new C(Symbol("x")));
    for (const format of FORMATS) {
      const stream = new C(format);
      ok(stream.readable instanceof ReadableStream);
      ok(stream.writable instanceof WritableStream);
      equal(stream.readable, stream.readable);
      equal(stream.writable, stream.writable);
    }
    equal(new C({ toString: () => "gzip" }) instanceof C, true);
  }
});

test("what was compressed decompresses to itself", async () => {
  for (const format of FORMATS) {
    equal(await decompress(format, new Uint8Array(await compress(format, new Uint8Array(HELLO)))), HELLO, format);
    equal(await decompress(format, new Uint8Array(await compress(format))), [], `${format}: nothing`);
    equal(await decompress(format, new Uint8Array(await compress(format, bytes()))), [], `${format}: an empty chunk`);
  }
});

test("many chunks are one stream", async () => {
  for (const format of FORMATS) {
    const packed = await compress(format, bytes(1, 2), bytes(), bytes(3), bytes(4, 5, 6));
    equal(await decompress(format, ...packed.map((byte) => bytes(byte))), [1, 2, 3, 4, 5, 6], format);
  }
});

test("the formats are the specified ones", async () => {
  const zlib = await compress("deflate", bytes(97)), gzip = await compress("gzip", bytes(97)), raw = await compress("deflate-raw", bytes(97));
  equal([zlib[0] & 15, ((zlib[0] << 8) | zlib[1]) % 31], [8, 0], "RFC 1950's header");
  equal(zlib.slice(-4), [0, 98, 0, 98], "Adler-32");
  equal(gzip.slice(0, 4), [0x1f, 0x8b, 8, 0], "RFC 1952's header");
  equal(gzip.slice(-4), [1, 0, 0, 0], "the length");
  equal(gzip.slice(-8, -4), [0x43, 0xbe, 0xb7, 0xe8], "CRC-32");
  equal(zlib.slice(2, -4), raw);
  equal(await decompress("deflate-raw", bytes(0x4b, 4, 0)), [97]);
  equal(await decompress("deflate", bytes(0x78, 0x9c, 0x4b, 4, 0, 0, 98, 0, 98)), [97]);
});

test("chunks are Uint8Arrays", async () => {
  for (const chunk of await readAll(streamOf(bytes(1)).pipeThrough(new CompressionStream("gzip")))) ok(chunk instanceof Uint8Array);
});

test("any buffer source is a chunk", async () => {
  const source = bytes(9, 1, 2, 3, 4, 9);
  for (const chunk of [source.slice(1, 5).buffer, source.subarray(1, 5), new DataView(source.buffer, 1, 4),
                       new Int8Array([1, 2, 3, 4]), new Uint16Array([0x0201, 0x0403]), new Uint32Array([0x04030201])]) {
    equal(await decompress("gzip", new Uint8Array(await compress("gzip", chunk))), [1, 2, 3, 4], Object.prototype.toString.call(chunk));
  }
  const packed = new Uint8Array(await compress("gzip", bytes(7)));
  equal(await decompress("gzip", packed.buffer), [7]);
  equal(await decompress("gzip", new DataView(packed.buffer)), [7]);
});

test("another chunk is a TypeError that errors both sides", async () => {
  for (const make of [() => new CompressionStream("gzip"), () => new DecompressionStream("deflate")]) {
    for (const chunk of [undefined, null, 1, "text", {}, [], [1, 2], true, Symbol("x")]) {
      const stream = make();
      const writer = stream.writable.getWriter(), reader = stream.readable.getReader();
      const read = reader.read();
      read.catch(() => {});
      await rejects(TypeError, writer.write(chunk), show(chunk));
      await rejects(TypeError, read);
      await rejects(TypeError, writer.closed);
      await rejects(TypeError, reader.closed);
    }
  }
});

test("a chunk over shared memory is a TypeError", async () => {
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  for (const chunk of [shared, shared.buffer]) {
    const stream = new CompressionStream("gzip");
    const read = stream.readable.getReader().read();
    read.catch(() => {});
    await rejects(TypeError, stream.writable.getWriter().write(chunk), show(chunk));
    await rejects(TypeError, read);
  }
});

test("malformed input is a TypeError", async () => {
  for (const format of FORMATS) {
    const packed = await compress(format, new Uint8Array(HELLO));
    await rejects(TypeError, decompress(format, bytes(0xff, 0xff, 0xff, 0xff)), format);
    const broken = packed.slice();
    broken[0] ^= 0xff;
    await rejects(TypeError, decompress(format, new Uint8Array(broken)), `${format}: the first byte`);
    if (format !== "deflate-raw") {
      const wrongSum = packed.slice();
      wrongSum[packed.length - 5 + (format === "deflate" ? 1 : -3)] ^= 1;
      await rejects(TypeError, decompress(format, new Uint8Array(wrongSum)), `${format}: the checksum`);
    }
  }
  const wrongLength = await compress("gzip", new Uint8Array(HELLO));
  wrongLength[wrongLength.length - 1] ^= 1;
  await rejects(TypeError, decompress("gzip", new Uint8Array(wrongLength)), "gzip: the length");
});

test("input that ends too early is a TypeError", async () => {
  for (const format of FORMATS) {
    const packed = new Uint8Array(await compress(format, new Uint8Array(HELLO)));
    for (let length = 0; length < packed.length; length++) {
      await rejects(TypeError, decompress(format, packed.subarray(0, length)), `${format} cut to ${length}`);
    }
    await rejects(TypeError, decompress(format), `${format}: nothing at all`);
  }
});

test("input after the end is a TypeError", async () => {
  for (const format of FORMATS) {
    const packed = await compress(format, new Uint8Array(HELLO));
    await rejects(TypeError, decompress(format, new Uint8Array([...packed, 0])), `${format}: in one chunk`);
    await rejects(TypeError, decompress(format, new Uint8Array(packed), bytes(1)), `${format}: in a chunk of its own`);
    equal(await decompress(format, new Uint8Array(packed), bytes()), HELLO, `${format}: an empty chunk does not count`);
  }
});

test("what was decompressed before the error is delivered", async () => {
  const packed = new Uint8Array(await compress("deflate", new Uint8Array(HELLO)));
  const stream = new DecompressionStream("deflate");
  const writer = stream.writable.getWriter(), reader = stream.readable.getReader();
  writer.write(packed).catch(() => {});
  const { value } = await reader.read();
  equal(Array.from(value), HELLO);
  await rejects(TypeError, Promise.all([writer.write(bytes(1)), reader.read()]));
});

test("back-pressure: a write waits until what it made was read", async () => {
  const stream = new CompressionStream("deflate-raw");
  equal(stream.writable.getWriter().desiredSize, 1);
});

test("aborting and cancelling work as in any transform", async () => {
  const aborted = new CompressionStream("gzip"), reason = new Error("why");
  await aborted.writable.abort(reason);
  await rejects(reason, aborted.readable.getReader().read());
  const cancelled = new DecompressionStream("gzip");
  await cancelled.readable.cancel(reason);
  await rejects(reason, cancelled.writable.getWriter().write(bytes(1)));
});

test("much data compresses well and comes back", async () => {
  const big = new Uint8Array(1 << 20);
  for (let i = 0; i < big.length; i += 4096) big[i] = i >> 12;
  for (const format of FORMATS) {
    const packed = await readAll(streamOf(big).pipeThrough(new CompressionStream(format)));
    let size = 0;
    for (const chunk of packed) size += chunk.length;
    ok(size < 20000, `${format}: ${size}`);
    let total = 0, sum = 0;
    for (const chunk of await readAll(streamOf(...packed).pipeThrough(new DecompressionStream(format)))) {
      total += chunk.length;
      for (let i = 0; i < chunk.length; i += 1) sum += chunk[i];
    }
    equal([total, sum], [1 << 20, big.reduce((a, b) => a + b)], format);
  }
});

test("a detached chunk is an empty one", async () => {
  for (const make of [(b) => b, (b) => new Uint8Array(b)]) {
    const buffer = new ArrayBuffer(4), chunk = make(buffer);
    structuredClone(buffer, { transfer: [buffer] });
    equal(await decompress("gzip", new Uint8Array(await compress("gzip", bytes(1), chunk, bytes(2)))), [1, 2]);
  }
});

test("gzip's optional header fields are skipped", async () => {
  const [, , , , ...rest] = await compress("gzip", bytes(97));
  const body = rest.slice(6);
  const withFlags = (flags, ...fields) => bytes(0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3, ...fields, ...body);
  equal(await decompress("gzip", withFlags(0)), [97]);
  equal(await decompress("gzip", withFlags(1)), [97], "FTEXT");
  equal(await decompress("gzip", withFlags(4, 2, 0, 9, 9)), [97], "FEXTRA");
  equal(await decompress("gzip", withFlags(8, 110, 0)), [97], "FNAME");
  equal(await decompress("gzip", withFlags(16, 110, 0)), [97], "FCOMMENT");
  equal(await decompress("gzip", withFlags(8 | 16, 110, 0, 0)), [97]);
  await rejects(TypeError, decompress("gzip", bytes(0x1f, 0x8b, 7, 0, 0, 0, 0, 0, 0, 3, ...body)), "another method");
  await rejects(TypeError, decompress("gzip", withFlags(0xe0)), "reserved flags");
});

test("a second gzip member is input after the end", async () => {
  const member = await compress("gzip", bytes(97));
  await rejects(TypeError, decompress("gzip", new Uint8Array([...member, ...member])));
});

test("zlib's header is checked", async () => {
  const packed = await compress("deflate", bytes(97));
  const changed = (index, value) => { const copy = packed.slice(); copy[index] = value; return new Uint8Array(copy); };
  await rejects(TypeError, decompress("deflate", changed(0, 0x79)), "another method");
  await rejects(TypeError, decompress("deflate", changed(1, packed[1] ^ 1)), "the check bits");
  await rejects(TypeError, decompress("deflate", bytes(0x78, 0xbb, ...packed.slice(2))), "a dictionary is asked for");
});
