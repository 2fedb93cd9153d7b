import { Buffer, Blob, atob, btoa, constants, isUtf8, isAscii, transcode } from "buffer";
const show = (...values) => console.log(...values.map((value) => (Buffer.isBuffer(value) ? `<${value.toString("hex")}>` : typeof value === "bigint" ? `${value}n` : JSON.stringify(value) ?? String(value))));
const attempt = (action) => {
  try {
    show(action());
  } catch (error) {
    console.log(error.name, error.code, error instanceof RangeError, error instanceof TypeError);
  }
};
const texts = ["", "a", "héllo wörld", "日本語 🦆", "\ud800lone", "ff00zz", "abc", "YWJj", "_-8=", "a=b", "YQ==YQ==", "Y Q\n=", "\u0000\u00ff\u0100"];
const encodings = ["utf8", "hex", "base64", "base64url", "latin1", "binary", "ascii", "utf16le", "ucs2", "UTF-8"];
for (const text of texts) {
  for (const encoding of encodings) {
    const buffer = Buffer.from(text, encoding);
    show(text, encoding, buffer, Buffer.byteLength(text, encoding), ...encodings.map((to) => buffer.toString(to)));
  }
}
show(Buffer.from([1, 256, -1, 2.7, "3"]), Buffer.from(new Uint16Array([1, 300])), Buffer.from(new Uint8Array([1, 2]).buffer, 1), Buffer.from({ length: 2, 0: 5, 1: 6 }));
show(Buffer.from({ type: "Buffer", data: [1, 2] }), Buffer.from(Buffer.from("x")), Buffer.from(new String("boxed")), Buffer.of(1, 2));
show(Buffer.alloc(3), Buffer.alloc(5, "ab"), Buffer.alloc(5, 7), Buffer.alloc(4, "ff0", "hex"), Buffer.alloc(3, Buffer.from([9, 8])));
for (const bad of [() => Buffer.from(5), () => Buffer.from(null), () => Buffer.from("x", "nope"), () => Buffer.alloc(-1), () => Buffer.alloc("5"), () => Buffer.concat("x"), () => Buffer.concat([1]), () => Buffer.alloc(2, "zz", "hex")]) attempt(bad);
show(Buffer.concat([Buffer.from("ab"), new Uint8Array([1])]), Buffer.concat([Buffer.from("abc")], 2), Buffer.concat([Buffer.from("a")], 3), Buffer.concat([]));
const b = Buffer.from("the quick brown fox the end");
show(b.slice(4, 9), b.subarray(-3), b.slice(-8, -4), b.toString("utf8", 4, 9), b.toString("latin1", -5, 3), b.toJSON().data.length, b.slice(5, 2).length);
for (const [value, offset, encoding] of [["the"], ["the", 1], ["the", -5], [116], [116, 5], [Buffer.from("fox")], ["zzz"], ["", 3], ["", 99], ["746865", 0, "hex"], ["666f78", "hex"], [99.9], ["end", 24], ["end", 25]]) {
  show(value, b.indexOf(value, offset, encoding), b.lastIndexOf(value, offset, encoding), b.includes(value, offset, encoding));
}
const wide = Buffer.from("abcabc", "utf16le");
show(wide.indexOf("c", 0, "utf16le"), wide.indexOf("c", 6, "utf16le"), wide.lastIndexOf("b", undefined, "utf16le"));
show(Buffer.compare(Buffer.from("a"), Buffer.from("b")), Buffer.from("ab").compare(Buffer.from("a")), b.equals(Buffer.from(b)), b.equals(new Uint8Array(2)), Buffer.from("xaby").compare(Buffer.from("ab"), 0, 2, 1, 3));
attempt(() => b.equals("x"));
const w = Buffer.alloc(16);
const numbers = { UInt8: [0, 255, 256], Int8: [-128, 127, 128], UInt16LE: [65535, -1], UInt16BE: [258], Int16LE: [-2], Int16BE: [-32768], UInt32LE: [4294967295], UInt32BE: [16909060, 2 ** 32], Int32LE: [-5], Int32BE: [2147483647], FloatLE: [1.5, NaN], FloatBE: [-0.1], DoubleLE: [Math.PI], DoubleBE: [1e300], BigInt64LE: [-5n], BigInt64BE: [5n], BigUInt64LE: [2n ** 64n - 1n], BigUInt64BE: [1n, -1n] };
for (const [name, values] of Object.entries(numbers)) {
  for (const value of values) {
    w.fill(0);
    attempt(() => w[`write${name}`](value, 3));
    show(w);
    attempt(() => w[`read${name}`](3));
    attempt(() => w[`read${name}`](15.5));
    attempt(() => w[`read${name}`](16));
    attempt(() => w[`read${name}`]("1"));
  }
}
for (const size of [1, 2, 3, 4, 5, 6]) {
  for (const order of ["LE", "BE"]) {
    show(w.fill(0), w[`writeUInt${order}`](0x7a, 1, size), w, w[`readUInt${order}`](1, size), w[`writeInt${order}`](-3, 2, size), w, w[`readInt${order}`](2, size));
  }
}
attempt(() => w.readUIntBE(0, 7));
attempt(() => w.writeUIntBE(256, 0, 1));
show(w.fill(0).write("héé", 1), w, w.write("ffee", 2, "hex"), w, w.write("日本", 14), w, w.write("ab", 0, 1), w.write("日", 1, 5, "utf16le"), w);
show(w.fill("ab", 1, 6), w.fill(5, 10), w.fill(""), w.fill("6162", 0, 4, "hex"));
const t = Buffer.alloc(4);
show(b.copy(t, 1, 4), t, b.copy(t, 3, 0, 9), t, b.copy(t, 9));
show(Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]).swap16(), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]).swap32(), Buffer.from([1, 2, 3, 4, 5, 6, 7, 8]).swap64());
attempt(() => Buffer.from([1]).swap16());
show(Buffer.isBuffer(new Uint8Array(1)), Buffer.isEncoding("HEX"), Buffer.isEncoding("nope"), Buffer.isEncoding(""), Buffer.from("ab") instanceof Uint8Array, Buffer.from("a").map((x) => x + 1), b.constructor === Buffer);
show(isUtf8(Buffer.from([0xff])), isAscii(Buffer.from("a")), transcode(Buffer.from("é"), "utf8", "latin1"), atob("YQ=="), btoa("a"), constants.MAX_LENGTH > 2 ** 31);
console.log(await new Blob([Buffer.from("blob")]).text(), Buffer.from("inspect me"), Buffer.alloc(60, 1));
console.log([...Buffer.from("ab").entries()], [...Buffer.from("ab")], Object.prototype.toString.call(b), b.buffer instanceof ArrayBuffer, JSON.stringify(Buffer.from("a")));

// -- functions that packages call with `new` ------------------------------------------------------------------------------
for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow", "from"]) {
  const made = new Buffer[name](name === "from" ? [1, 2, 3] : 3);
  console.log(name, Buffer[name].name, Buffer.isBuffer(made), made.length);
}
