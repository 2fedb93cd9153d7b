// ECDH of node:crypto: keys of a curve as bytes.
import crypto, { createECDH, createPrivateKey, createPublicKey, diffieHellman, getCurves, ECDH } from "crypto";
import { Buffer } from "buffer";
const t = (name, f) => {
  try {
    console.log(name, f());
  } catch ({ name: type, code, message }) {
    console.log(name, "threw", type, code, JSON.stringify(message));
  }
};
const CURVES = ["prime256v1", "secp256k1", "secp384r1", "secp521r1"];
for (const curve of [undefined, 5, "nope", "P-256", "secp256r1"]) t(String(curve), () => createECDH(curve));
console.log(createECDH("prime256v1").constructor.name, ECDH.name, ECDH.length, createECDH.length, Object.keys(createECDH("prime256v1")), ECDH("prime256v1") instanceof ECDH, CURVES.every((curve) => getCurves().includes(curve)), crypto.ECDH === ECDH);
for (const curve of CURVES) {
  const a = createECDH(curve), b = createECDH(curve), size = { prime256v1: 32, secp256k1: 32, secp384r1: 48, secp521r1: 66 }[curve];
  t("before", () => a.getPublicKey());
  t("before", () => a.getPrivateKey());
  t("before", () => a.computeSecret(Buffer.alloc(65)));
  const made = a.generateKeys();
  b.setPrivateKey(Buffer.alloc(size, 1));
  console.log(curve, made.length, made[0], a.getPublicKey().equals(made), a.getPublicKey("hex").length, a.getPublicKey("hex", "compressed").length, a.getPublicKey(null, "hybrid")[0] > 5, a.getPrivateKey().length <= size, typeof a.generateKeys("hex"), typeof a.generateKeys("base64", "compressed"));
  console.log(b.getPublicKey("hex"), b.getPublicKey("hex", "compressed"), b.getPublicKey("hex", "hybrid"), b.getPublicKey("base64", null), b.getPrivateKey());
  const common = a.computeSecret(b.getPublicKey());
  for (const form of ["uncompressed", "compressed", "hybrid"]) console.log(form, b.computeSecret(a.getPublicKey("hex", form), "hex").equals(common), b.computeSecret(a.getPublicKey(null, form), null, "latin1") === common.toString("latin1"));
  // As of keys.
  const jwk = (key) => {
    const [x, y] = [key.getPublicKey().subarray(1, size + 1), key.getPublicKey().subarray(size + 1)];
    const crv = { prime256v1: "P-256", secp384r1: "P-384", secp521r1: "P-521" }[curve] ?? curve;
    const d = Buffer.concat([Buffer.alloc(size), key.getPrivateKey()]).subarray(-size);
    return { format: "jwk", key: { kty: "EC", crv, x: x.toString("base64url"), y: y.toString("base64url"), d: d.toString("base64url") } };
  };
  t("as keys", () => diffieHellman({ privateKey: createPrivateKey(jwk(a)), publicKey: createPublicKey(jwk(b)) }).equals(common));
  for (const [name, key] of Object.entries({ zero: Buffer.alloc(size), ones: Buffer.alloc(size, 255), short: Buffer.alloc(3, 1), long: Buffer.alloc(size + 8, 1), empty: Buffer.alloc(0), "zeros before": Buffer.concat([Buffer.alloc(8), Buffer.alloc(size, 1)]), number: 5, text: "01" })) {
    t(name, () => {
      const own = createECDH(curve);
      own.setPrivateKey(key, "hex");
      return [own.getPrivateKey("hex"), own.getPublicKey("base64")];
    });
  }
  t("kept", () => {
    const before = b.getPrivateKey("hex");
    try {
      b.setPrivateKey(Buffer.alloc(size));
    } catch {}
    return b.getPrivateKey("hex") === before;
  });
  const off = Buffer.from(b.getPublicKey()), sign = b.getPublicKey(null, "hybrid");
  off[off.length - 1] ^= 1;
  sign[0] ^= 1;
  for (const [name, key] of Object.entries({ zeros: Buffer.alloc(2 * size + 1), short: Buffer.alloc(5), number: 5, off, sign, form: Buffer.alloc(2 * size + 1, 9), "other curve": createECDH(curve === "prime256v1" ? "secp256k1" : "prime256v1").generateKeys() })) {
    t(name, () => a.computeSecret(key));
    t(name, () => ECDH.convertKey(key, curve));
    t(name, () => createECDH(curve).setPublicKey(key).getPublicKey());
  }
  t("public set", () => createECDH(curve).setPublicKey(b.getPublicKey("hex", "compressed"), "hex").getPublicKey("hex"));
  t("public alone", () => createECDH(curve).setPublicKey(b.getPublicKey()).computeSecret(b.getPublicKey()));
  t("no pair", () => {
    const own = createECDH(curve);
    own.generateKeys();
    own.setPublicKey(b.getPublicKey());
    return own.computeSecret(b.getPublicKey());
  });
  for (const format of ["uncompressed", "compressed", "hybrid", null, undefined, "x", 5]) {
    t(`in ${format}`, () => ["hybrid", "compressed", "uncompressed"].map((form) => ECDH.convertKey(b.getPublicKey("hex", form), curve, "hex", "hex", format)));
    t(`as ${format}`, () => b.getPublicKey("hex", format));
  }
}
const key = createECDH("secp256k1");
key.setPrivateKey("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364140", "hex");
for (const [name, call] of Object.entries({
  last: () => key.getPublicKey("hex"), order: () => key.setPrivateKey("fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141", "hex"), encoding: () => key.getPublicKey("nope"), curve: () => ECDH.convertKey(key.getPublicKey(), "nope"), "curve 5": () => ECDH.convertKey(key.getPublicKey(), 5), "key 5": () => ECDH.convertKey(5, "secp256k1"), bytes: () => ECDH.convertKey(key.getPublicKey(), "secp256k1"),
})) t(name, call);
