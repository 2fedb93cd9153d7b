import crypto, { createHash, createHmac, randomBytes, randomInt, randomUUID, timingSafeEqual, webcrypto, pbkdf2 } from "crypto";
import { Buffer } from "buffer";
for (const name of ["md5", "sha1", "SHA256", "sha384", "sha512", "sha3-256", "RSA-SHA256", "sha512-256", "sha224", "ripemd160"]) {
  console.log(name, createHash(name).update("héllo").update(Buffer.from([1, 2])).digest("hex"), createHmac(name, "key").update("data").digest("base64"));
}
console.log(createHash("sha256").update("ff00", "hex").digest(), createHash("sha1").digest("latin1").length, createHash("md5").update(new Uint16Array([1, 2])).digest("base64url"));
const hash = createHash("sha256").update("a");
const copy = hash.copy().update("b");
console.log(hash.digest("hex"), copy.digest("hex"), createHmac("sha256", Buffer.from("k")).update("").digest("hex"));
console.log(createHash("sha256").update(Buffer.alloc(1_000_000, "x")).digest("hex"));
for (const bad of [() => createHash("nope"), () => createHmac("nope", "k"), () => hash.update("x"), () => hash.digest(), () => createHash("md5").update(5), () => randomBytes("x"), () => randomBytes(-1), () => randomInt(5, 5), () => randomInt(0.5), () => timingSafeEqual(Buffer.from("a"), Buffer.from("ab")), () => timingSafeEqual("a", "a"), () => createHmac("md5", 5)]) {
  try {
    console.log(bad());
  } catch (error) {
    console.log(error.name, error.code);
  }
}
const hmac = createHmac("md5", "k");
hmac.digest();
console.log(hmac.digest("hex") === "", randomBytes(7).length, Buffer.isBuffer(randomBytes(100_000)), randomBytes(8).equals(randomBytes(8)), /^[0-9a-f-]{36}$/.test(randomUUID()));
const drawn = Array.from({ length: 300 }, () => randomInt(3, 6));
console.log([...new Set(drawn)].sort(), randomInt(1), timingSafeEqual(Buffer.from("ab"), new Uint8Array([97, 98])), timingSafeEqual(Buffer.from("ab"), Buffer.from("ac")));
console.log(await new Promise((resolve) => randomBytes(3, (error, bytes) => resolve([error, bytes.length]))));
console.log(await new Promise((resolve) => pbkdf2("secret", "salt", 1000, 20, "sha256", (error, key) => resolve([error, key.toString("hex")]))));
console.log(typeof webcrypto.subtle.digest, crypto.webcrypto === webcrypto, new Uint8Array(await webcrypto.subtle.digest("SHA-1", Buffer.from("a"))).length);
console.log(crypto.getHashes().includes("sha256"), crypto.randomFillSync(new Uint8Array(4)).length);
