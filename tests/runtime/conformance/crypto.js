// Web Cryptography: the Crypto interface; HTML: navigator.

const INTEGERS = [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array,
  BigInt64Array, BigUint64Array];

test("Crypto: operations", async () => {
  throws(TypeError, () => new Crypto());
  ok(crypto instanceof Crypto);
  equal([crypto.getRandomValues.length, crypto.randomUUID.length], [1, 0]);
  throws(TypeError, () => crypto.getRandomValues.call({}, new Uint8Array(1)));
  throws(TypeError, () => crypto.randomUUID.call({}));
});

test("getRandomValues fills the array it returns", async () => {
  for (const C of INTEGERS) {
    const array = new C(64);
    equal(crypto.getRandomValues(array), array);
    ok(array.some((value) => value), C.name);
  }
  const bytes = new Uint8Array(64);
  crypto.getRandomValues(bytes.subarray(16, 48));
  ok(bytes.subarray(0, 16).every((b) => b === 0) && bytes.subarray(48).every((b) => b === 0));
  equal(crypto.getRandomValues(new Uint8Array()).length, 0);
});

test("getRandomValues: 65536 bytes at most", async () => {
  equal(crypto.getRandomValues(new Uint8Array(65536)).length, 65536);
  for (const array of [new Uint8Array(65537), new Uint32Array(16385)]) {
    equal(throws("QuotaExceededError", () => crypto.getRandomValues(array)).code, 22);
  }
});

test("getRandomValues: only integer arrays", async () => {
  for (const array of [new Float32Array(1), new Float64Array(1), new DataView(new ArrayBuffer(1))]) {
    throws("TypeMismatchError", () => crypto.getRandomValues(array));
  }
  throws("TypeMismatchError", () => crypto.getRandomValues(new Float64Array(70000)));
  throws(TypeError, () => crypto.getRandomValues());
  throws(TypeError, () => crypto.getRandomValues([1]));
  throws(TypeError, () => crypto.getRandomValues(new ArrayBuffer(1)));
});

test("randomUUID: version 4, no two alike", async () => {
  const seen = new Set();
  for (let i = 0; i < 200; i++) {
    const uuid = crypto.randomUUID();
    ok(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/.test(uuid), uuid);
    seen.add(uuid);
  }
  equal(seen.size, 200);
});
