// Encoding Standard, sections 7.5 (TextDecoderStream) and 7.6 (TextEncoderStream).

const through = (transform, ...chunks) => readAll(streamOf(...chunks).pipeThrough(transform));
const encoded = async (...chunks) => (await through(new TextEncoderStream(), ...chunks)).map((chunk) => [...chunk]);

test("the interfaces have the shape that WebIDL gives them", () => {
  isInterface("TextEncoderStream", ["encoding", "readable", "writable"], {});
  isInterface("TextDecoderStream", ["encoding", "fatal", "ignoreBOM", "readable", "writable"], {});
});

test("attributes", () => {
  const decoder = new TextDecoderStream("latin1", { fatal: true, ignoreBOM: true });
  equal([decoder.encoding, decoder.fatal, decoder.ignoreBOM], ["windows-1252", true, true]);
  const plain = new TextDecoderStream();
  equal([plain.encoding, plain.fatal, plain.ignoreBOM, new TextEncoderStream().encoding], ["utf-8", false, false, "utf-8"]);
  ok(plain.readable instanceof ReadableStream && plain.writable instanceof WritableStream);
  equal([plain.readable, plain.writable], [plain.readable, plain.writable], "the same each time");
  throws(RangeError, () => new TextDecoderStream("bad"));
});

test("a decoder's chunks are strings; characters may be cut anywhere", async () => {
  equal(await through(new TextDecoderStream(), bytes(240, 159), bytes(152), bytes(128, 97), bytes(226)), ["😀a", "�"]);
  equal(await through(new TextDecoderStream(), bytes(239), bytes(187, 191), bytes(98).buffer), ["b"]);
  equal(await through(new TextDecoderStream("utf-16be"), bytes(0), new DataView(bytes(97, 0).buffer), bytes(98)), ["a", "b"]);
  equal(await through(new TextDecoderStream("shift_jis"), bytes(0x82), bytes(0xa0)), ["あ"]);
});

test("a decoder with fatal errors the streams", async () => {
  await rejects(TypeError, through(new TextDecoderStream("utf-8", { fatal: true }), bytes(255)));
  await rejects(TypeError, through(new TextDecoderStream("utf-8", { fatal: true }), bytes(226)), "at the end");
  for (const chunk of [undefined, null, "a", 1, [97], {}]) await rejects(TypeError, through(new TextDecoderStream(), chunk));
});

test("an encoder's chunks are Uint8Arrays; empty ones are left out", async () => {
  equal(await encoded("aé", "", "€"), [[97, 195, 169], [226, 130, 172]]);
  equal(await encoded(), []);
  equal(await encoded(null, 1, undefined).then((chunks) => text(chunks.flat())), "null1undefined");
  ok((await through(new TextEncoderStream(), "a"))[0].constructor === Uint8Array);
  await rejects(TypeError, through(new TextEncoderStream(), Symbol()));
});

test("an encoder joins surrogates across chunks", async () => {
  const replacement = [239, 191, 189];
  equal(await encoded("\ud83d", "\ude00"), [[240, 159, 152, 128]]);
  equal(await encoded("a\ud83d", "", "\ude00b"), [[97], [240, 159, 152, 128, 98]]);
  equal(await encoded("\ud83d", "a"), [[...replacement, 97]]);
  equal(await encoded("\ud83d", "\ud83d", "\ude00"), [replacement, [240, 159, 152, 128]]);
  equal(await encoded("\ude00", "\ud83d"), [replacement, replacement]);
});

test("a patched platform changes nothing", async () => {
  Object.defineProperty(TextDecoder.prototype, "encoding", { get: () => fail("patched") });
  TextDecoder.prototype.decode = TextEncoder.prototype.encode = () => fail("patched");
  globalThis.TextDecoder = globalThis.TransformStream = null;
  const decoder = new TextDecoderStream();
  equal(decoder.encoding, "utf-8");
  equal(await through(decoder, bytes(195), bytes(169)), ["é"]);
  equal(await encoded("é"), [[195, 169]]);
});
