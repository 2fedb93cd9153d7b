import crypto, { hkdf, hkdfSync, pbkdf2, pbkdf2Sync, scrypt, scryptSync, createSecretKey, generateKeyPairSync, randomFill, randomFillSync } from "crypto";
import { promisify } from "util";
const hex = (bytes) => Buffer.from(bytes).toString("hex");
const attempt = (label, call) => {
  try {
    const made = call();
    console.log(label, made === undefined ? made : `${made.constructor.name} ${hex(made)}`);
  } catch (error) {
    console.log(label, error.name, error.code, error.message);
  }
};
for (const digest of ["md5", "sha1", "SHA256", "sha384", "sha512", "sha512-256", "sha3-256", "ripemd160", "blake2b512", "RSA-SHA1", "nope", 5, undefined]) {
  attempt(`pbkdf2 ${digest}`, () => pbkdf2Sync("p", "s", 30, 70, digest));
  attempt(`hkdf ${digest}`, () => hkdfSync(digest, "key", "salt", "info", 70));
}
attempt("long", () => pbkdf2Sync("secret", Buffer.from("salt"), 100_000, 20, "sha512"));
attempt("views", () => pbkdf2Sync(new Uint16Array([1, 2, 3]), new DataView(new ArrayBuffer(4), 1), 2, 10, "sha1"));
attempt("hkdf views", () => hkdfSync("sha1", new Uint8Array([1]).buffer, new Uint16Array([1]), new DataView(new ArrayBuffer(3)), 10));
attempt("hkdf key", () => hkdfSync("sha1", createSecretKey(Buffer.from("key")), "", "", 10));
for (const [size, salt] of [[0, ""], [255 * 20, "s"], [255 * 20 + 1, "s"], [-1, "s"], [1.5, "s"], ["1", "s"], [1, null], [1, 5], [2 ** 33, "s"]]) attempt(`hkdf ${size}`, () => hkdfSync("sha1", "k", salt, "i", size));
attempt("info", () => hkdfSync("sha1", "k", "s", Buffer.alloc(1025), 1));
attempt("info", () => hkdfSync("sha1", "k", "s", undefined, 1));
attempt("ikm", () => hkdfSync("sha1", {}, "s", "i", 1));
for (const args of [["p", "s", 0, 1, "sha1"], ["p", "s", 1.5, 1, "sha1"], ["p", "s", "1", 1, "sha1"], ["p", "s", 1, -1, "sha1"], ["p", "s", 1, 0, "sha1"], ["p", "s", 2 ** 31, 1, "sha1"], ["p", "s", 1, 2 ** 31, "sha1"], [5, "s", 1, 1, "sha1"], ["p", null, 1, 1, "sha1"], ["p", "s", 1, 1], ["p", "s", 1, 0, "nope"]]) {
  attempt(`pbkdf2 ${args}`, () => pbkdf2Sync(...args));
}
attempt("scrypt", () => scryptSync("p", "s", 64));
attempt("scrypt", () => scryptSync(Buffer.from("p"), new Uint8Array(3), 5, { cost: 64, blockSize: 4, parallelization: 3 }));
const OPTIONS = [null, 5, {}, { N: 3 }, { N: 1 }, { N: 1.5 }, { N: -1 }, { N: "x" }, { N: 0, r: 0, p: 0, maxmem: 0 }, { N: 16, cost: 16 }, { r: 1, blockSize: 1 }, { p: 2, parallelization: 2 }, { N: 2 ** 33 }, { maxmem: 1 }, { maxmem: -1 }, { maxmem: 1.5 }, { N: 32768 }, { N: 2 ** 16, r: 1 }, { N: 2, r: 2 ** 31, p: 1 }];
for (const options of OPTIONS) attempt(`scrypt ${JSON.stringify(options)}`, () => scryptSync("p", "s", 16, options));
for (const args of [["p", "s"], ["p", "s", -1], ["p", "s", "x"], ["p", "s", 1.5], [5, "s", 1], ["p", undefined, 1], ["p", "s", 0]]) attempt(`scrypt ${args}`, () => scryptSync(...args));
attempt("no callback", () => pbkdf2("p", "s", 1, 1, "sha1"));
attempt("no digest", () => pbkdf2("p", "s", 1, 1, () => {}));
attempt("no callback", () => hkdf("sha1", "k", "s", "i", 1));
attempt("no callback", () => scrypt("p", "s", 1));
attempt("no callback", () => scrypt("p", "s", 1, {}));
attempt("no callback", () => scrypt("p", "s", 1, {}, 5));
console.log(hex(await promisify(pbkdf2)("p", "s", 1000, 12, "sha3-256")), hex(await promisify(pbkdf2)("p", "s", 1, 0, "sha1")));
console.log(hex(await promisify(scrypt)("p", "s", 12)), hex(await promisify(scrypt)("p", "s", 12, { N: 1024 })), hex(await promisify(scrypt)("p", "s", 0)));
console.log(hex(await promisify(hkdf)("sha512", "k", "s", "i", 12)));
console.log([3, 1, 2].sort((a, b) => scryptSync("p", "s", 1, { N: 1024 })[0] * 0 + a - b), JSON.stringify({ toJSON: () => hex(scryptSync("p", "s", 4, { N: 2048 })) }));
const log = [];
queueMicrotask(() => log.push("microtask"));
setTimeout(() => log.push("timer"), 0);
log.push(scryptSync("p", "s", 4).length);
await new Promise((resolve) => setTimeout(resolve, 5));
console.log(log);
const pair = generateKeyPairSync("rsa", { modulusLength: 1024, publicExponent: 3 });
console.log(pair.privateKey.asymmetricKeyDetails, crypto.verify("sha256", "x", pair.publicKey, crypto.sign("sha256", "x", pair.privateKey)));
const { publicKey, privateKey } = generateKeyPairSync("rsa", { modulusLength: 1024, publicKeyEncoding: { type: "pkcs1", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "der" } });
console.log(publicKey.split("\n")[0], Buffer.isBuffer(privateKey));
const filled = (call) => attempt("fill", () => { const made = call(); return made && new Uint8Array(made.byteLength ?? 0); });
for (const args of [["x"], [null], [Buffer.alloc(4), 5], [Buffer.alloc(4), 1, 5], [Buffer.alloc(4), "1"], [Buffer.alloc(4), 1.5], [Buffer.alloc(4), 0, "x"], [Buffer.alloc(4), -1], [new Uint16Array(4), 1, 2], [new Uint16Array(4), 5], [new ArrayBuffer(3)], [new DataView(new ArrayBuffer(3))], [Buffer.alloc(4), 1, -1], [[]]]) filled(() => randomFillSync(...args));
const half = randomFillSync(new Uint16Array(64), 32);
console.log(half.subarray(0, 32).every((each) => each === 0), half.subarray(32).some((each) => each !== 0));
attempt("no callback", () => randomFill(Buffer.alloc(1)));
attempt("no callback", () => randomFill(Buffer.alloc(1), 0, 1, 5));
attempt("fill", () => randomFill("x", () => {}));
console.log(await promisify(randomFill)(new Uint8Array(0)), (await promisify(randomFill)(new Uint8Array(9), 1)).length);
// Memory that is shared, also where it is hashed in parts.
for (const size of [5, 70_000]) {
  const shared = new Uint8Array(new SharedArrayBuffer(size + 1), 1).fill(7);
  attempt("shared", () => crypto.createHash("md5").update(shared).digest());
  attempt("shared", () => crypto.createHmac("md5", shared).update(shared).digest());
  attempt("shared", () => pbkdf2Sync(shared, shared, 1, 8, "sha1"));
  attempt("shared", () => scryptSync(shared, shared, 8, { N: 2 }));
  attempt("shared", () => hkdfSync("sha1", shared, shared, "", 8));
}
