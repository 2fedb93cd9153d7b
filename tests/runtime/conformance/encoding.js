// Encoding Standard, sections 4 and 7 (API), sentence by sentence.

const enc = (text) => Array.from(new TextEncoder().encode(text));
const dec = (label, list, options) => new TextDecoder(label, options).decode(new Uint8Array(list));
/** The text of each chunk of a stream, then of its end. */
const stream = (label, chunks, options) => {
  const decoder = new TextDecoder(label, options);
  return [...chunks.map((chunk) => decoder.decode(new Uint8Array(chunk), { stream: true })), decoder.decode()];
};

test("the interfaces have the shape that WebIDL gives them", () => {
  isInterface("TextEncoder", ["encoding"], { encode: 0, encodeInto: 2 });
  isInterface("TextDecoder", ["encoding", "fatal", "ignoreBOM"], { decode: 0 });
  for (const [C, name] of [[TextEncoder, "encode"], [TextEncoder, "encodeInto"], [TextDecoder, "decode"]]) {
    throws(TypeError, () => C.prototype[name].call({}, "", new Uint8Array()), name);
  }
});

test("encode makes UTF-8", () => {
  equal(new TextEncoder().encoding, "utf-8");
  equal([enc(""), enc("aé€😀"), enc("\u0000")], [[], [97, 195, 169, 226, 130, 172, 240, 159, 152, 128], [0]]);
  equal([enc(), enc(undefined), enc(null)], [[], [], [110, 117, 108, 108]]);
  equal(enc("\ud800a\udc00"), [239, 191, 189, 97, 239, 191, 189], "lone surrogates");
  const result = new TextEncoder().encode("ab");
  equal([result.constructor, result.byteOffset, result.buffer.byteLength], [Uint8Array, 0, 2]);
  throws(TypeError, () => enc(Symbol()));
});

test("encodeInto writes what fits, whole characters only", () => {
  const into = (text, size) => {
    const target = new Uint8Array(size);
    const { read, written } = new TextEncoder().encodeInto(text, target);
    return [read, written, ...target];
  };
  equal(into("", 2), [0, 0, 0, 0]);
  equal(into("abc", 2), [2, 2, 97, 98]);
  equal(into("a€b", 3), [1, 1, 97, 0, 0]);
  equal(into("€b", 4), [2, 4, 226, 130, 172, 98]);
  equal(into("😀x", 3), [0, 0, 0, 0, 0]);
  equal(into("😀x", 4), [2, 4, 240, 159, 152, 128]);
  equal(into("😀x", 5), [3, 5, 240, 159, 152, 128, 120]);
  equal(into("\ud83d", 3), [1, 3, 239, 191, 189], "a lone surrogate");
  equal(into("ab\ud83d\ude00", 3), [2, 2, 97, 98, 0]);
  equal(into("é", 0), [0, 0]);
});

test("encodeInto keeps to its view, of any kind of memory", () => {
  const buffer = new ArrayBuffer(6);
  equal(new TextEncoder().encodeInto("xyz", new Uint8Array(buffer, 2, 2)).read, 2);
  equal([...new Uint8Array(buffer)], [0, 0, 120, 121, 0, 0]);
  const shared = new Uint8Array(new SharedArrayBuffer(2));
  equal(new TextEncoder().encodeInto("é", shared).written, 2);
  equal([...shared], [195, 169]);
  const detached = new Uint8Array(2);
  structuredClone(detached, { transfer: [detached.buffer] });
  equal(new TextEncoder().encodeInto("a", detached).written, 0);
  for (const target of [undefined, {}, [], new Uint8ClampedArray(1), new DataView(buffer), buffer]) {
    throws(TypeError, () => new TextEncoder().encodeInto("", target));
  }
  throws(TypeError, () => new TextEncoder().encodeInto(""));
});

test("a decoder has a label, in any case, with ASCII white space around", () => {
  for (const [label, name] of [
    ["utf8", "utf-8"], [" UTF-8\n", "utf-8"], ["unicode-1-1-utf-8", "utf-8"], ["latin1", "windows-1252"], ["ASCII", "windows-1252"],
    ["utf-16", "utf-16le"], ["unicodefffe", "utf-16be"], ["GB2312", "gbk"], ["gb18030", "gb18030"], ["sjis", "shift_jis"],
    ["logical", "iso-8859-8-i"], ["visual", "iso-8859-8"], ["koi8-ru", "koi8-u"], ["x-user-defined", "x-user-defined"], [undefined, "utf-8"],
  ]) equal(new TextDecoder(label).encoding, name, label);
  for (const label of ["", "x", "utf-7", "utf-32", "replacement", "hz-gb-2312", "iso-2022-kr", "\u00a0utf-8", "utf-8\u000b", "\u212aoi8-r", null]) {
    throws(RangeError, () => new TextDecoder(label), String(label));
  }
});

test("options of a decoder", () => {
  const { fatal, ignoreBOM } = new TextDecoder("utf-8", { fatal: 1, ignoreBOM: "x" });
  equal([fatal, ignoreBOM], [true, true]);
  equal([new TextDecoder().fatal, new TextDecoder("utf-8", null).ignoreBOM], [false, false]);
  const order = [];
  const options = { get ignoreBOM() { order.push("ignoreBOM"); }, get fatal() { order.push("fatal"); } };
  throws(RangeError, () => new TextDecoder({ toString() { order.push("label"); return "bad"; } }, options));
  equal(order, ["label", "fatal", "ignoreBOM"], "converted before the label is looked up");
  throws(TypeError, () => new TextDecoder("utf-8", 1));
});

test("decode takes any buffer source", () => {
  const { buffer } = new Uint8Array([97, 98, 99, 100]);
  const shared = new SharedArrayBuffer(2);
  new Uint8Array(shared).set([120, 121]);
  const decoder = new TextDecoder();
  equal([buffer, new Uint8Array(buffer, 1, 2), new DataView(buffer, 2), new Uint16Array(buffer, 2), shared, new Uint8Array(shared, 1)]
    .map((source) => decoder.decode(source)), ["abcd", "bc", "cd", "cd", "xy", "y"]);
  equal([decoder.decode(), decoder.decode(undefined), decoder.decode(new ArrayBuffer(0))], ["", "", ""]);
  const detached = new Uint8Array([97]);
  structuredClone(detached, { transfer: [detached.buffer] });
  equal([decoder.decode(detached), decoder.decode(detached.buffer), new TextDecoder("gbk").decode(detached)], ["", "", ""]);
  for (const source of [null, "a", 1, {}, [97]]) throws(TypeError, () => decoder.decode(source));
  throws(TypeError, () => decoder.decode(buffer, 1));
});

test("malformed UTF-8: one replacement for each maximal subpart", () => {
  for (const [list, text] of [
    [[255], "�"], [[192, 128], "��"], [[226, 130], "�"], [[226, 130, 97], "�a"], [[237, 160, 128], "���"], [[240, 159, 152], "�"],
    [[240, 128, 128, 128], "����"], [[244, 144, 128, 128], "����"], [[97, 240, 159, 226, 130, 172], "a�€"], [[128, 97], "�a"],
  ]) {
    equal(dec("utf-8", list), text, String(list));
    throws(TypeError, () => dec("utf-8", list, { fatal: true }), String(list));
    equal(stream("utf-8", list.map((byte) => [byte])).join(""), text, `${list} byte by byte`);
  }
});

test("byte order marks", () => {
  const marked = [239, 187, 191, 97, 239, 187, 191];
  equal([dec("utf-8", marked), dec("utf-8", marked, { ignoreBOM: true })], ["a\ufeff", "\ufeffa\ufeff"]);
  equal([dec("utf-16le", [255, 254, 97, 0]), dec("utf-16be", [254, 255, 0, 97])], ["a", "a"]);
  equal(dec("utf-16le", [254, 255]), "\ufffe");
  equal(dec("utf-8", [255, 254, 97]), "��a", "only the encoding's own");
  equal(dec("windows-1252", marked).slice(0, 4), "ï»¿a");
  equal(stream("utf-8", [[239], [187], [191], [97], [239, 187, 191]]), ["", "", "", "a", "\ufeff", ""]);
  const decoder = new TextDecoder();
  equal([decoder.decode(new Uint8Array(marked)), decoder.decode(new Uint8Array(marked))], ["a\ufeff", "a\ufeff"], "each text anew");
});

test("streams in UTF-8 and UTF-16", () => {
  equal(stream("utf-8", [[226], [130], [172, 240, 159], [152, 128]]), ["", "", "€", "😀", ""]);
  equal(stream("utf-8", [[226, 130]]), ["", "�"]);
  equal(stream("utf-8", [[237, 160], [128]]), ["��", "�", ""]);
  equal(stream("utf-16le", [[61], [216, 0], [222], [97]]), ["", "", "😀", "", "�"]);
  equal(stream("utf-16le", [[61, 216], [97, 0]]), ["", "�a", ""]);
  equal(stream("utf-16be", [[216, 61], [222, 0, 216]]), ["", "😀", "�"]);
  equal(stream("utf-16le", [[0, 222, 61, 216, 0]]), ["�", "�"], "a lead surrogate and half a unit are one error");
});

test("the end of a stream makes the decoder new", () => {
  const decoder = new TextDecoder("utf-8", { fatal: true });
  equal(decoder.decode(bytes(226), { stream: true }), "");
  throws(TypeError, () => decoder.decode());
  equal(decoder.decode(bytes(97)), "a");
  throws(TypeError, () => decoder.decode(bytes(255), { stream: true }));
  equal(decoder.decode(bytes(98), { stream: true }), "b");
  equal(decoder.decode(bytes(239, 187, 191, 99)), "\ufeffc", "still the same stream");
  equal(decoder.decode(bytes(239, 187, 191, 99)), "c");
});

test("single-byte encodings", () => {
  equal(dec("windows-1252", [128, 129, 159, 160, 255]), "€\u0081Ÿ\u00a0ÿ");
  equal([dec("koi8-u", [174, 190]), dec("x-mac-cyrillic", [162, 182, 255]), dec("macintosh", [219, 240])], ["ўЎ", "Ґґ€", "€\uf8ff"]);
  equal([dec("windows-1255", [202]), dec("iso-8859-8-i", [224, 253]), dec("ibm866", [128])], ["\u05ba", "א\u200e", "А"]);
  equal(dec("x-user-defined", [127, 128, 255]), "\u007f\uf780\uf7ff");
  equal([dec("windows-1253", [170, 255]), dec("windows-874", [219])], ["��", "�"]);
  throws(TypeError, () => dec("windows-1253", [170], { fatal: true }));
  equal(dec("iso-8859-8", Array.from({ length: 160 }, (_, i) => i)).length, 160);
});

test("gb18030 and gbk", () => {
  for (const label of ["gbk", "gb18030"]) {
    equal(dec(label, [128, 0x81, 0x40, 0xd6, 0xd0, 0x94, 0x39, 0xda, 0x33]), "€丂中💩");
    equal(dec(label, [0xa8, 0xbc, 0x81, 0x35, 0xf4, 0x37, 0xa3, 0xa0, 0xa6, 0xd9]), "ḿ\ue7c7\u3000︐", "the edition of 2022");
    for (const [list, text] of [
      [[255], "�"], [[0x81], "�"], [[0x81, 0x20], "� "], [[0x81, 0x7f], "�\u007f"], [[0x81, 0x30], "�"], [[0x81, 0x30, 0x81], "�"],
      [[0x81, 0x30, 0x81, 0x41], "�0丄"], [[0x84, 0x31, 0xa5, 0x30], "�"], [[0xfe, 0x39, 0xfe, 0x39, 0x61], "�a"], [[0x81, 255], "�"],
    ]) {
      equal(dec(label, list), text, String(list));
      throws(TypeError, () => dec(label, list, { fatal: true }));
      equal(stream(label, list.map((byte) => [byte])).join(""), text, `${list} byte by byte`);
    }
    equal(stream(label, [[0x94], [0x39, 0xda], [0x33, 0x81]]), ["", "", "💩", "�"]);
  }
});

test("Big5", () => {
  equal(dec("big5", [0xa4, 0xa4, 0x87, 0x7a, 0xa1, 0x45, 0xa3, 0xe1, 0x88, 0x62, 0xa1, 0xfe]), "中㡵‧€Ê̄／");
  equal([dec("big5", [0xa4, 0x20]), dec("big5", [0x80]), dec("big5", [0x81, 0x40]), dec("big5", [0xa4, 0xff])], ["� ", "�", "�@", "�"]);
  throws(TypeError, () => dec("big5", [0x81, 0x40], { fatal: true }));
  equal(stream("big5", [[0xa4], [0xa4, 0xa4], [0x20]]), ["", "中", "� ", ""]);
});

test("EUC-JP, Shift_JIS, ISO-2022-JP", () => {
  equal(dec("euc-jp", [0xa4, 0xa2, 0x8e, 0xb1, 0x8f, 0xb0, 0xa1, 0xad, 0xa1, 0xa1, 0xc1, 0x8f, 0xa2, 0xb7]), "あｱ丂①～～");
  equal([dec("euc-jp", [0x8f, 0xa1, 0x61]), dec("euc-jp", [0x8f, 0x61]), dec("euc-jp", [0x8e, 0xe0]), dec("euc-jp", [0x80])], ["�a", "�a", "�", "�"]);
  equal(stream("euc-jp", [[0x8f], [0xb0], [0xa1, 0xa4]]), ["", "", "丂", "�"]);
  equal(dec("shift_jis", [0x82, 0xa0, 0xb1, 0x5c, 0x7e, 0x80, 0x87, 0x40, 0xf0, 0x40]), "あｱ\\~\u0080①\ue000");
  equal([dec("shift_jis", [0xa0]), dec("shift_jis", [0xfd]), dec("shift_jis", [0x81, 0x39]), dec("shift_jis", [0x85, 0x40])], ["�", "�", "�9", "�@"]);
  equal(dec("iso-2022-jp", [0x1b, 0x24, 0x42, 0x24, 0x22, 0x1b, 0x28, 0x4a, 0x5c, 0x7e, 0x1b, 0x28, 0x49, 0x31, 0x1b, 0x28, 0x42, 0x5c]), "あ¥‾ｱ\\");
});

test("ISO-2022-JP: errors and streams", () => {
  for (const [list, text] of [
    [[0x1b], "�"], [[0x1b, 0x24], "�$"], [[0x1b, 0x61], "�a"], [[0x1b, 0x28, 0x61], "�(a"], [[0x80], "�"], [[0x0e, 0x0f], "��"],
    [[0x1b, 0x28, 0x42, 0x1b, 0x28, 0x42], "�"], [[0x1b, 0x28, 0x42, 0x61, 0x1b, 0x28, 0x42], "a"],
    [[0x1b, 0x24, 0x42, 0x24], "�"], [[0x1b, 0x24, 0x42, 0x24, 0x1b, 0x28, 0x42, 0x61], "�a"], [[0x1b, 0x24, 0x42, 0x24, 0x80, 0x24, 0x22], "�あ"],
    [[0x1b, 0x24, 0x40, 0x0a, 0x24, 0x22], "�あ"], [[0x1b, 0x28, 0x49, 0x60], "�"], [[0x1b, 0x24, 0x42, 0x2a, 0x21], "�"],
  ]) {
    equal(dec("iso-2022-jp", list), text, String(list));
    equal(stream("iso-2022-jp", list.map((byte) => [byte])).join(""), text, `${list} byte by byte`);
  }
  throws(TypeError, () => dec("iso-2022-jp", [0x1b], { fatal: true }));
  equal(stream("iso-2022-jp", [[0x1b], [0x24, 0x42, 0x24], [0x22, 0x1b, 0x28], [0x42, 0x61]]), ["", "", "あ", "a", ""]);
});

test("EUC-KR", () => {
  equal(dec("euc-kr", [0xb0, 0xa1, 0x81, 0x41, 0xc8, 0xfe]), "가갂힝");
  equal([dec("euc-kr", [0xb0, 0x20]), dec("euc-kr", [0x80, 255]), dec("euc-kr", [0xc9, 0xa1]), dec("euc-kr", [0xb0])], ["� ", "��", "�", "�"]);
});

test("long texts", () => {
  for (const text of ["a".repeat(5000), "é".repeat(5000), "€".repeat(5000), "😀".repeat(5000), "ÿa".repeat(300000)]) {
    const encoded = new TextEncoder().encode(text);
    ok(new TextDecoder().decode(encoded) === text);
    ok(dec("utf-16le", new Uint8Array(Uint16Array.from(text, (c) => c.charCodeAt(0)).buffer)).length === [...text].length);
    const target = new Uint8Array(encoded.length);
    equal(new TextEncoder().encodeInto(text, target).read, text.length);
    equal(target[target.length - 1], encoded[encoded.length - 1]);
  }
});

test("surrogates anywhere in a long text, which the host reads in pieces of 32,768 code units", () => {
  const encoder = new TextEncoder();
  for (const at of [32766, 32767, 32768, 65535]) {
    for (const part of ["😀", "\ud83d", "\ude00", "\ude00\ud83d", "€"]) {
      const text = "€".repeat(at) + part + "é".repeat(40000);
      const encoded = encoder.encode(text);
      ok(new TextDecoder().decode(encoded) === text.toWellFormed(), `encode: ${at}, ${escape(part)}`);
      const target = new Uint8Array(3 * at + 2);
      const { read, written } = encoder.encodeInto(text, target);
      equal([read, written, target[written - 1], target[written]], [at, 3 * at, 0xac, 0], `encodeInto: ${at}, ${escape(part)}`);
      equal(encoder.encodeInto(text, new Uint8Array(encoded.length)).read, text.length);
    }
  }
});

test("a text that was put together, of any length", () => {
  for (let text = "", i = 0; i < 40; i++) {
    text += "é".repeat(100) + "\ud83d";
    const encoded = new TextEncoder().encode(text);
    equal(encoded.length, (i + 1) * 203, `after ${i + 1} parts`);
    const { read, written } = new TextEncoder().encodeInto(text, new Uint8Array(5));
    equal([read, written], [2, 4]);
  }
});

test("a patched platform changes nothing", () => {
  const source = new Uint8Array([239, 187, 191, 195, 169]);
  String.prototype.toWellFormed = String.prototype.substring = () => fail("patched");
  Array.prototype[Symbol.iterator] = () => fail("patched");
  Object.defineProperty(Object.getPrototypeOf(Uint8Array.prototype), "buffer", { get: () => fail("patched") });
  Object.prototype.stream = true;
  globalThis.Uint8Array = null;
  const decoder = new TextDecoder("utf-8", { __proto__: null });
  equal([decoder.decode(source), decoder.decode(source, { stream: false }), new TextEncoder().encode("é").length], ["é", "é", 2]);
  equal(new TextEncoder().encodeInto("é", source).written, 2);
});
