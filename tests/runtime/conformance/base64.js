// atob and btoa: HTML Standard, section 8.3, and "forgiving-base64" of the Infra Standard.

test("the functions have the shape that WebIDL gives them", () => {
  for (const name of ["atob", "btoa"]) {
    equal([globalThis[name].name, globalThis[name].length], [name, 1]);
    throws(TypeError, () => globalThis[name](), "without argument");
    throws(TypeError, () => globalThis[name](Symbol()));
  }
});

test("btoa encodes a string of bytes", () => {
  for (const [text, encoded] of [
    ["", ""], ["a", "YQ=="], ["ab", "YWI="], ["abc", "YWJj"], ["\u0000\u00ff\u0080", "AP+A"], [undefined, "dW5kZWZpbmVk"],
    [null, "bnVsbA=="], [12, "MTI="], ["ÿÿÿ", "////"],
  ]) equal(btoa(text), encoded);
});

test("btoa refuses what is no byte", () => {
  for (const text of ["\u0100", "aé€", "\ud800", "😀"]) throws("InvalidCharacterError", () => btoa(text));
  equal(throws("InvalidCharacterError", () => btoa("\u0100")).code, 5);
});

test("a part of a wide string is a string of bytes", () => {
  equal(btoa("aÿ€".slice(0, 2)), "Yf8=");
  equal(btoa("😀ab".slice(2)), "YWI=");
});

test("atob decodes, padded or not, with white space", () => {
  for (const [encoded, text] of [
    ["", ""], ["YQ==", "a"], ["YQ", "a"], ["YWI", "ab"], ["YWJj", "abc"], [" Y\tW\nJ\fj\r ", "abc"], ["AP+A", "\u0000\u00ff\u0080"],
    ["YR", "a"], ["YWJ=", "ab"], ["  ", ""], ["Y Q = =", "a"], [null, "\u009e\u00e9e"],
  ]) equal(atob(encoded), text, String(encoded));
});

test("atob refuses what is malformed", () => {
  for (const encoded of ["Y", "YQ=", "YQ===", "=", "==", "YWJj=", "YWJjZ", "Y=Q=", "YQ==YQ==", "YW-_", "YW\u000bI", "YW\u00a0I", "é", "€AAA", undefined]) {
    throws("InvalidCharacterError", () => atob(encoded), String(encoded));
  }
});

test("there is no limit of size", () => {
  const every = Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)).join("");
  for (const count of [15, 16, 17, 8000]) {
    const text = every.repeat(count);
    const encoded = btoa(text);
    equal(encoded.length, Math.ceil(text.length / 3) * 4);
    ok(atob(encoded) === text);
  }
});

test("a patched platform changes nothing", () => {
  Uint8Array.fromBase64 = Uint8Array.prototype.toBase64 = () => fail("patched");
  Array.prototype[Symbol.iterator] = () => fail("patched");
  equal([atob("YWI="), btoa("ab")], ["ab", "YWI="]);
});

test("long strings are encoded and decoded as short ones", () => {
  for (const length of [98303, 98304, 98305, 196608, 300001]) {
    const bytes = new Uint8Array(length).map((_, i) => i * 7 + (i >> 8));
    let narrow = "";
    for (let at = 0; at < length; at += 1000) narrow += String.fromCharCode(...bytes.subarray(at, at + 1000));
    const encoded = bytes.toBase64();
    for (const text of [narrow, `\u4e00${narrow}`.slice(1)]) {
      equal(btoa(text) === encoded, true);
      throws("InvalidCharacterError", () => btoa(`${text}\u0100`));
    }
    equal(atob(encoded) === narrow, true);
    equal(atob(`${encoded.slice(0, 9)} \n${encoded.slice(9)}`) === narrow, true);
    throws("InvalidCharacterError", () => atob(`${encoded}*`));
  }
});
