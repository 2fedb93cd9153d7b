// New keys of node:crypto, secrets in common and encryption by RSA. The keys are of no use but here.
import crypto from "crypto";
import { Buffer } from "buffer";
import { promisify } from "util";
const PEM = {
  "rsa":
    "MIICdgIBADANBgkqhkiG9w0BAQEFAASCAmAwggJcAgEAAoGBAMZqeEzCjOJQBDYeVwMJ9USipKTYhrJUBkwLWyCUdieKIJx05OCFnDTp2bTFF442yycif64nFgN9IkJ5KIqydVRiEKgnASLDDbsOqh" +
    "h2+a3JLhOm169JNiZ09Ipncr4SiBSS3W++cCtx5BiFfV9WJ+S3YV/YgqfyvZDFe2IYc8yPAgMBAAECgYBfvWo0579hSGjv0C3+KmTt7GjzngNIsyCiuuwKyXhF1fGsbP8vk2jvY1OIVX3rQmc+h/gC" +
    "CZwmrM/GMX4thrTz2/xyiQs9hOddvlCp7jEOt0IJpEMcpdcKW/fZdy9tsLrpu92PTKvEORghJ6T7kndlctlrcHR1IcGrn8/kNRhoIQJBAOqi4aWzZRJpk5pxEERCj5jkKUAKhOK/REN4WPzuOIWfhh" +
    "wX3Wi2ct5tHr5qOW5944SVsB/cPphpxaZe0IM/aZECQQDYe1S4e8p+53hSPkJ4Q0QKQCU0NRQdNCsAxgkXvkqQ9ZYXckTWAyetle4txYcihIgpmbH05YroC+lalYmmQ8QfAkBkvW44YJ+imiW/h4++" +
    "Xv2cXUnAr0OCvzAl78P1RKqL5IQGB9EOJleHXD547s6du/s1b7dg1oUhlzg/SDIqR82hAkEAyQGbJMEswLDEc/kDVw9+OdZdtSAj0QoDc/BtuPIj4n1mI9ciO2Uqjm9MfIuQcmiE1bu0FSSd2eBViJ" +
    "qY+RyrGQJAXC7tfwYmokAcfsGOubHL7m4KeHlXLXzWACxbfr8ZCmy+qtX/qhqJv+HWxmeweJ5E5PnVBfovDE1cpSby+w7CNg==",
  "x25519 a":
    "MC4CAQAwBQYDK2VuBCIEIIhOe5IE6Qf3Lj73YgHxNtfmiotX4KqIOB6OSvXznOVr",
  "x448 a":
    "MEYCAQAwBQYDK2VvBDoEOKhjR/vHSjnT7LmKrW3fawtTU3tOXKUZ2FuQ7J4Erdr5DygAMefqbA60CMET4tKUNdsoNtu9IlaI",
  "x25519 b":
    "MC4CAQAwBQYDK2VuBCIEIGB28PHEH2POVAWJxtxBPhjPKHuosxXH3OEMNTmclLJ1",
  "x448 b":
    "MEYCAQAwBQYDK2VvBDoEOBxXwAtSMQYAvY/XqL90EUwyL/30E9rx/aHCa5TD46fpt/lfAbtWYgEhWeWvSvWelkpqtm0+Bza0",
  "P-256 a":
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgRR5MIhKpag+ZXkL+ykSpqT/VIr+pEq2IbXBZnrp6O9ahRANCAASNflkm0/e006xQMkuXF4R3KFyD4Zh4K8aBXW6V+1zuabIYb2MX32" +
    "nIICq/PzhpMOOm0Zssn8nfguqXmZhnBs8F",
  "P-256 b":
    "MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgJB0Y+tdzPZEz9yJKOrvRKMNqK8HHXFKDUCDetaKjxu+hRANCAARqnHlmIu7lqCbVMZsKTEr3DYk9O6o7xiZODIqDi5SbZ1N3dTTcmi" +
    "nnZI5oPK9w8ip7qCWZQdhZzjLO2YBGI4YA",
  "P-384 a":
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDC5rWFG9wRm1mT4H/lO/O/FOAAexrNak0HkIEn9SR0D7/ddStcL8QLtXp/3p3jExg2hZANiAAQOZCfyAlbZdjmLXgrSWgGHGXOl7Oui+g" +
    "zZwNCokucoZeQzIKUeMwiD6/k8LMg1Mx7Q0wpQYG083A6S7X543X7scTvugCwro9hepzIIUAEyiT3sl79jzSWlLKfG8Tl5wEM=",
  "P-384 b":
    "MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDAV1o6DM8yTmhyULati55E9SsvB4k937rfkx5b7JKGe1djwNYv4CgCBO9aknuRx76ehZANiAARdNQy2mUIGUmvC1gMtAKyK2MqZb5BmpG" +
    "O50q8MFUtEUCCnhbpgrovOzadxXqtrkNLE8nORZgOPJlofq3L4hVOTfMOsHn1QqiIMMZRZzk1bZaZUPOw7tskx/UyfRkkJEmU=",
  "P-521 a":
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIB7PKRbPWgjjKH28i4CAvfGUzrvzmjgFjeYly65bZ/mDDuQCD2eQVAhxQkwKoLvL4n6sCRuVjv2l1o6jDItyesrymhgYkDgYYABAGzQD" +
    "WHd4q4hTd7JN4O9tcM/jDjcAPqH7XTuPjdE+BNwddby8ocVgBa2x828CU0uNwm36IW/bDDCOLNl59aAIv40gHIYo5OGltcg1XkYahJDzhLFacUG0CxSDf522ckw1NcwmCtmgqFi9PvMxcHM5Dnxwrr" +
    "tEgcUplj2oTXGRo+23twNQ==",
  "P-521 b":
    "MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAEiqdy0yELWwFL5tThnsU7bPs65eCOLnlgWU2h/VRO5Xflx0PBo5fJEalzaAn9uF8ponauJQwEeDW3kzT5N5DHyqhgYkDgYYABABq51" +
    "ahhr6uvPf/mJ7jU1Tv09cEYhqZYR1yD+gWF8H+zyuGDjnYj0xbWOtdd3njTlI6LPU9PPGque20ux/sVT+FwwD3bBxUjwbxhbFpYavC3j1V8XXH9eXy52SHLeMVK+U4VYX6si2mK3M/fI2vFu5VC239" +
    "7NmHDehFlOI5KeucxswJLA==",
  "secp256k1 a":
    "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgby+ZlZ9B7w2vUvgaigXTyAlZaNyz9cd56QutAzUD6dKhRANCAAQqnaySwnlSnP9vc5+NIJujGlH94A+3HBgzgdpVyarrhEOzMpqTvZmtq/" +
    "Bb5UgrMtb9xNpQZ5lqIYqNe0xgkDJE",
  "secp256k1 b":
    "MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQgBD8EijBAOa7VF8YTX59X0GoDlt9XjfuE+gFPS4gb06uhRANCAASBqGxco4j8xnd5vR/tfeHhxI510ck4kL80lipjs1EvX9STvudghkFq5t" +
    "W8rmvuTcHqpITE2YP7Hmhg5AesOX4b",
};
const ENCRYPTED = [
  [{}, "PjSvMeJeqtb0BIpEC8MguphZLWncFDvJ3UYmmUilYX4E4FQlzSVyxuRrKYil4MLapwDaqUQzKTvNhhlP7i6fiytQuHiKOTi4srf8AK1czRz4+uO3p4zHX0Ug2MtNAP3JT76zJ78Y7HebRle5/BfFErWq60i0Fc8h3ZPd3mmK9Xg="],
  [{"oaepHash":"sha256"}, "a7XgmNiMfVmmt0UJVhsxLpisMhCgEZbpAQeB+++Lr+++LsBjKdX+vtAb10x4lQ7bXRhxJNOPMUo3JKvV0vPH9btnZXWS9aAWd9YIzT6M3fl0RNCCvks4gxr9aHpAk+F9dapnVyZat+gNgcY44sOStMEvNI1MG2+NhG/ust7wu74="],
  [{"oaepLabel":"label"}, "pcVrK4O6mNyyN00RUs4N9JhegOmTHnR4OHTyiLDRGQ68QbYZ5V+VebTuN1dtFSbpul3CMU3njRVq65xhRSMqBQdXEx6Aiqs2pmwf1UbAe4Usl7nAW/mFQdeMxVq7TV5xRZNo2KsMfHrNjCsRhtXQ0DpQl9paCDW8bjr92VIL0Gw="],
];
const {
  constants, createPrivateKey, createPublicKey, createSecretKey, createSign, createVerify, diffieHellman, generateKey, generateKeyPair, generateKeyPairSync, generateKeySync, privateDecrypt,
  publicEncrypt,
} = crypto;
const t = (name, f) => {
  try {
    console.log(name, f());
  } catch ({ name: type, code, message }) {
    console.log(name, "threw", type, code, JSON.stringify(message));
  }
};
const read = (name) => createPrivateKey(`-----BEGIN PRIVATE KEY-----\n${PEM[name]}\n-----END PRIVATE KEY-----\n`);
const keys = Object.fromEntries(Object.keys(PEM).map((name) => [name, read(name)]));
const rsa = keys.rsa, pub = createPublicKey(rsa), secret = createSecretKey("x", "utf8");

// Secrets in common.
const kinds = ["x25519", "x448", "P-256", "P-384", "P-521", "secp256k1"];
for (const kind of kinds) {
  const [a, b] = [keys[`${kind} a`], keys[`${kind} b`]];
  const common = diffieHellman({ privateKey: a, publicKey: createPublicKey(b) });
  console.log(kind, a.asymmetricKeyType, a.asymmetricKeyDetails, common, diffieHellman({ privateKey: b, publicKey: createPublicKey(a) }).equals(common), diffieHellman({ privateKey: a, publicKey: b }).equals(common));
  for (const [format, type] of [["pem", "spki"], ["der", "spki"], ["jwk"]]) {
    const told = createPublicKey(a).export({ format, type });
    console.log(format, format === "jwk" ? JSON.stringify(Object.entries(told).sort()) : told.toString("base64"), createPublicKey({ key: told, format, type }).equals(createPublicKey(a)));
  }
  t("as a JSON Web Key", () => createPrivateKey({ key: a.export({ format: "jwk" }), format: "jwk" }).equals(a));
}
const zero = createPublicKey({ key: { kty: "OKP", crv: "X25519", x: Buffer.alloc(32).toString("base64url") }, format: "jwk" });
const [x, e, e3] = [keys["x25519 a"], keys["P-256 a"], keys["P-384 a"]];
for (const [name, call] of Object.entries({
  mixed: () => diffieHellman({ privateKey: x, publicKey: e }), curves: () => diffieHellman({ privateKey: e3, publicKey: e }), none: () => diffieHellman(), empty: () => diffieHellman({}), public: () => diffieHellman({ privateKey: createPublicKey(x), publicKey: x }), secret: () => diffieHellman({ privateKey: x, publicKey: secret }),
  zero: () => diffieHellman({ privateKey: x, publicKey: zero }), rsa: () => diffieHellman({ privateKey: rsa, publicKey: pub }), text: () => diffieHellman({ privateKey: "x", publicKey: x }), signs: () => createSign("sha256").update("x").sign(x) && "signed", verifies: () => createVerify("sha256").update("x").verify(createPublicKey(x), Buffer.alloc(64)),
})) t(name, call);

// Encryption by RSA.
for (const [options, encrypted] of ENCRYPTED) {
  const bytes = Buffer.from(encrypted, "base64");
  t(JSON.stringify(options), () => String(privateDecrypt({ key: rsa, ...options }, bytes)));
  for (const key of [rsa, pub]) t("both ways", () => String(privateDecrypt({ key: rsa, ...options }, publicEncrypt({ key, ...options }, "what é"))));
}
const oaep = Buffer.from(ENCRYPTED[0][1], "base64"), changed = Buffer.from(oaep);
changed[9] ^= 4;
for (const [name, call] of Object.entries({
  pkcs1: () => publicEncrypt({ key: pub, padding: constants.RSA_PKCS1_PADDING }, Buffer.from("hi")).length, "most of pkcs1": () => publicEncrypt({ key: pub, padding: constants.RSA_PKCS1_PADDING }, Buffer.alloc(117)).length, "too much of pkcs1": () => publicEncrypt({ key: pub, padding: constants.RSA_PKCS1_PADDING }, Buffer.alloc(118)).length,
  most: () => publicEncrypt(pub, Buffer.alloc(86)).length, "too much": () => publicEncrypt(pub, Buffer.alloc(87)), "of a large hash": () => publicEncrypt({ key: pub, oaepHash: "sha512" }, ""), nothing: () => privateDecrypt(rsa, publicEncrypt(pub, "")).length, pem: () => String(privateDecrypt(rsa.export({ type: "pkcs1", format: "pem" }), publicEncrypt(pub.export({ type: "spki", format: "pem" }), "pem"))),
  changed: () => privateDecrypt(rsa, changed), short: () => privateDecrypt(rsa, oaep.subarray(1)), long: () => privateDecrypt(rsa, Buffer.concat([oaep, oaep])), label: () => privateDecrypt({ key: rsa, oaepLabel: "other" }, oaep), hash: () => privateDecrypt({ key: rsa, oaepHash: "sha256" }, oaep), "encoded hash": () => String(privateDecrypt({ key: rsa, encoding: "base64" }, ENCRYPTED[0][1])),
  "label 5": () => publicEncrypt({ key: pub, oaepLabel: 5 }, "x"), "hash 5": () => publicEncrypt({ key: pub, oaepHash: 5 }, "x"), "no hash": () => publicEncrypt({ key: pub, oaepHash: "nope" }, "x"), "data 5": () => publicEncrypt(pub, 5), "no data": () => privateDecrypt(rsa), "padding 7": () => publicEncrypt({ key: pub, padding: 7 }, "x") && "", curve: () => publicEncrypt(e, "x"), "curve's": () => privateDecrypt(e, Buffer.alloc(9)),
  secret: () => publicEncrypt(secret, "x").length, public: () => privateDecrypt(pub, oaep), "no longer": () => { try { privateDecrypt({ key: rsa, padding: constants.RSA_PKCS1_PADDING }, oaep); } catch ({ code, message }) { return [code, message.split(",")[0]]; } },
})) t(name, call);

// New keys.
const look = ({ publicKey, privateKey }) => [publicKey.type, privateKey.type, publicKey.asymmetricKeyType, publicKey.asymmetricKeyDetails, createPublicKey(privateKey).equals(publicKey)];
const pair = (type, options) => generateKeyPairSync(type, options), called = (make) => new Promise((resolve) => make((error, ...rest) => resolve([error?.code ?? error, ...rest])));
for (const type of ["ed25519", "ed448", "x25519", "x448"]) t(type, () => look(pair(type)));
for (const namedCurve of ["P-256", "prime256v1", "secp256r1", "P-384", "secp384r1", "P-521", "secp521r1", "secp256k1", "nope", "constructor", 5]) t(namedCurve, () => look(pair("ec", { namedCurve, paramEncoding: "named" })));
for (const type of ["pkcs8", "sec1", "pkcs1", "spki", "x", undefined]) for (const format of ["pem", "der", "x", undefined]) {
  t(`${format} ${type}`, () => String(pair("ec", { namedCurve: "P-256", privateKeyEncoding: { type, format } }).privateKey).length > 50);
  t(`${format} ${type} public`, () => String(pair("ed25519", { publicKeyEncoding: { type, format } }).publicKey).slice(0, 30).split("\n")[0].replace(/[^ -~]/g, "").slice(0, 4));
}
for (const [name, call] of Object.entries({
  jwk: () => Object.values(pair("ed25519", { publicKeyEncoding: { format: "jwk" }, privateKeyEncoding: { format: "jwk" } })).map((key) => Object.keys(key).sort()), 5: () => pair(5), none: () => pair(), nope: () => pair("nope"), ec: () => pair("ec"), "ec {}": () => pair("ec", {}), parameters: () => pair("ec", { namedCurve: "P-256", paramEncoding: "x" }), options: () => pair("ed25519", 5), encoding: () => pair("ed25519", { publicKeyEncoding: 5 }), "of null": () => look(pair("ed25519", { privateKeyEncoding: null })),
  rsa: () => pair("rsa"), "rsa {}": () => pair("rsa", {}), "rsa x": () => pair("rsa", { modulusLength: "x" }), "rsa -1": () => pair("rsa", { modulusLength: -1 }), "rsa 1.5": () => pair("rsa", { modulusLength: 1.5 }), exponent: () => pair("rsa", { modulusLength: 1024, publicExponent: "x" }), "no callback": () => generateKeyPair("ed25519", {}), "callback 5": () => generateKeyPair("ed25519", 5), unknown: () => generateKeyPair("nope", {}, () => {}),
  aes: () => [128, 192, 256].map((length) => generateKeySync("aes", { length }).symmetricKeySize), hmac: () => [8, 9, 15, 64, 1024].map((length) => generateKeySync("hmac", { length }).export().length), differ: () => generateKeySync("aes", { length: 128 }).equals(generateKeySync("aes", { length: 128 })), "aes 5": () => generateKeySync("aes", { length: 5 }), "aes x": () => generateKeySync("aes", { length: "x" }), "hmac 7": () => generateKeySync("hmac", { length: 7 }), "hmac 8.5": () => generateKeySync("hmac", { length: 8.5 }),
  "hmac long": () => generateKeySync("hmac", { length: 2 ** 31 }), "hmac {}": () => generateKeySync("hmac", {}), "hmac alone": () => generateKeySync("hmac"), "secret nope": () => generateKeySync("nope", { length: 8 }), "secret 5": () => generateKeySync(5, { length: 8 }), "no callback for one": () => generateKey("aes", { length: 128 }), "before the callback": () => generateKey("aes", { length: 5 }, () => {}),
})) t(name, call);
for (const publicExponent of [undefined, 3, 65537]) {
  const [error, publicKey, privateKey] = await called((done) => generateKeyPair("rsa", { modulusLength: 1024, publicExponent }, done));
  console.log(error, look({ publicKey, privateKey }), String(privateDecrypt(privateKey, publicEncrypt(publicKey, "x"))), createVerify("sha256").update("x").verify(publicKey, createSign("sha256").update("x").sign(privateKey)));
}
const texts = { publicKeyEncoding: { type: "pkcs1", format: "pem" }, privateKeyEncoding: { type: "pkcs8", format: "pem" } };
console.log((await called((done) => generateKeyPair("rsa", { modulusLength: 1024, ...texts }, done))).map((text) => text?.split("\n")[0]));
console.log((await called((done) => generateKeyPair("x25519", done))).map((key) => key?.type), (await called((done) => generateKeyPair("ec", { namedCurve: "P-384" }, done))).map((key) => key?.asymmetricKeyType));
console.log(look(await promisify(generateKeyPair)("ed25519")), (await promisify(generateKeyPair)("rsa", { modulusLength: 1024, ...texts })).privateKey.length > 800, await promisify(generateKeyPair)("rsa", { modulusLength: 1024, publicExponent: 2 }).catch((error) => error instanceof Error));
console.log((await called((done) => generateKey("hmac", { length: 64 }, done)))[1].symmetricKeySize, (await promisify(generateKey)("aes", { length: 256 })).type);
