// Keys and signatures of node:crypto. The keys are of no use but here.
import crypto, {
  KeyObject, constants, createPrivateKey, createPublicKey, createSecretKey, createSign, createVerify, sign, verify,
} from "crypto";
import { Buffer } from "buffer";
const PEM = {
  rsa: `-----BEGIN PRIVATE KEY-----
MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQCfS7/14NTXLrUc
WaHkreSIzitnUXOADBBG/ekJeSeIt8H0zoXXSJtQ/F5WtoqlLxwkjIGn/OqdVAGO
2ntea1owdxtYRnag3cbfUrMzmy2MGgub9/FIxNPaAFswdhsojJG1LaofHyDTkMKp
gp7cEsoeUFe2sTjN7sYHG3HSTucgzPQUAlN6qTiZFMjv2vtmibdiHMMzBdHBoXIL
mIRcsW133DhyK32RW+C8cKyvSVUWk4YPFq8WXdGpYwRI9xkQnlqxrH/eC1+Mc7hI
PRVqu/4yOStQbSi0nTvXEAXR20p4e+p6uqHSrnftBin+vfRdyhZ1lrx+ZLU3n3fZ
GrguMkSPAgMBAAECggEADDNwG4lso/gBio9ZoBCq+B4vzYpmj1XdNU14uO9dANLE
+gGLgibJ2//IdgR7RWsApn1V56OukKhWNOE1ISaV0i/SmgX49hn72S/AvAt/B0PD
bzR5eE+4bkfStDkyRqkloTvt035oiZaFN8M3ybbCtmRZo4uaxI3Xqxmws8wJVfCz
LXXheKXe7vU1Tih6n5cje/y3ieyptXXuBXTQs2NBnMGF3M3hyaE4qU0EoDDhGKZb
FgZyMWcFPFlneV0vXYAr9Oe7MkkuEzDFltCpAUPDKhZ1CMFewHPYl7XjwABTQhTL
CrHwkDI9mmqikcnI7ruyCKuZ1Rll5LjbyBRFhXVi0QKBgQDRy8KC6Zb8RNSeq+Tc
3A3WBjm1LJRRt0BP1aChBWrX1UPblzd12vn17gQM3a5HnazD2K8esSRDUvtejsj7
qfz2ZJ26c3sHW/xZS+jIBeH3T8WbIxC7NFSKmDnkWlmgdpjPI64XPlSY5aQXSl45
IX5hdS5gl2imxYnGBvUSMs9s+QKBgQDCYM+emCSII9P3BsGRKsUportZtaZnvdSs
d65ODilpsKWotW5DM9/jTL/KgvkMABPoFey/EU2MmggMrEH3qQ4mc6nFKQ+4+/qN
gE2UXzg3yJ0wgitf2/wBA55ZD83LABDHa86DS/Eg8ANih/PQW1s5BThgfZL2yvSS
AByf9ffHxwKBgQCOWnkohUGq+TVgWPjZGAPXZq//jDkz3WkpAqaUu+1MeGwr80Zx
lN0pD5D1/fGErKuO1Fe3NrGJcSQZfD9J7IU11v3jhvpC+xqWqNhR6RPz0NAfvUJc
FF0NEc+ub9QC+pYjb21wXh3fBWs7Vn3qvBxaGr4WUoZzKvSaRxxBdfKjWQKBgQCb
iIuZA3R32vNIvoc0eVy6LBRtfARjDmqWdk1q97n7b/WeQU6xR1jmsArnKFXPXGCR
XLnLSTUcREQcn9lJKmTAL9ywfmKuSjH596gcCPUa7dOZdQ7v7T6AMT0LVrH8tVi3
uXPNa37OND8BIHffSLp9rcemrdRi1ZNNH/nHpTFXEQKBgB9PB30P6ic/G4i3zMHO
xmRGzQPb0RXCpHJhWDJxRXOZTV5Ppam90wnpbCbxCz3fUIIGx/Vu8Ld+Du6wXJDr
+miVW8oiFZnHCJyGboFzTrwsfaRoFPfXyH0YxNUBGy8BzN9yQAf2gFEMA2fZZESJ
skRdo9cHS0CBzXOCjbYhAUBc
-----END PRIVATE KEY-----
`,
  p256: `-----BEGIN PRIVATE KEY-----
MIGHAgEAMBMGByqGSM49AgEGCCqGSM49AwEHBG0wawIBAQQgWBQJDNv+5anKI62i
aiwuU9e5c6asEv7PC/fuegPEGcihRANCAAQyjuzcXK06EkVjgFe9pp9C/A1sPRuf
jQIqi1pZu8+smN8rGga2ubw1Rj8whVR4hpzCEDLbXvvp8i+82CpcI6KO
-----END PRIVATE KEY-----
`,
  p384: `-----BEGIN PRIVATE KEY-----
MIG2AgEAMBAGByqGSM49AgEGBSuBBAAiBIGeMIGbAgEBBDDOz5xOcF3HeTzk6jeF
WBWBSKmZqliyT9Ws9aSRCbKu6aajxsuqUI8e69F5uxsMmF6hZANiAAStyFikj1/l
EofKacuo5v95I77mcvk6EjPpqmbaMm9Zs84G8rbkHDmFGrdKwSD15QGOTU9mI8fi
0MnM/GdkTfd+xr7V72CT3C6dBqwfTwARlYLfhRnRa5xQZ2nitA8Dv4E=
-----END PRIVATE KEY-----
`,
  p521: `-----BEGIN PRIVATE KEY-----
MIHuAgEAMBAGByqGSM49AgEGBSuBBAAjBIHWMIHTAgEBBEIAi4r0X9k+Yi4pRYYg
zpA4TROBukH2fFdRHnIcZRqY/PBCvF2yHJJKj2sGuK48BgOPEe4akZva+WDQ/bhh
EiACr9WhgYkDgYYABAHA/5iCcyORiC/YJcu3665sGfSv5+V2g4Buvg3MuO4FFzjX
UmoWFMWVAxmnO5WG8sI+w6PnQnyMgR1sBYrLaFW/ZQHVMq+5rd0BP4QvZwdCh1QL
wDe0MCb5hxGlxmYUSPP3TIJqwazlNZ/ENMt73oNM+tQxdzzIaJtie9EBXOi67brx
pw==
-----END PRIVATE KEY-----
`,
  k1: `-----BEGIN PRIVATE KEY-----
MIGEAgEAMBAGByqGSM49AgEGBSuBBAAKBG0wawIBAQQg/qsbOM96DxI4dTel7+OW
/Vg1MHU0fzE5oVub/04wqUyhRANCAARamn0IkI70AAAnRUYZ9f3op6vchU8n3lI2
xcq1KH89QWs5SAzJHDBoN/8mXcfchUUlN8xLHanlzW8aCT7zkBVC
-----END PRIVATE KEY-----
`,
  ed25519: `-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEIAqTX3pBsgkIB0mC9gGuQuKj6gIhNOkyh5eskRjmvjZN
-----END PRIVATE KEY-----
`,
  ed448: `-----BEGIN PRIVATE KEY-----
MEcCAQAwBQYDK2VxBDsEOXLJCFL4H62xCRR8BmL/pw6Z/vIb2k79qelTP85aV9rw
9WrYu066mZ4LB7VFT8CpSr56F9lOPePQwQ==
-----END PRIVATE KEY-----
`,
};
const t = (name, f) => {
  try {
    console.log(name, f());
  } catch (error) {
    console.log(name, "threw", error.name, error.code);
  }
};
const data = "what is signed, é";
for (const [name, pem] of Object.entries(PEM)) {
  const key = createPrivateKey(pem), pub = createPublicKey(pem), again = createPublicKey(key);
  console.log(name, key.type, pub.type, key.asymmetricKeyType, key.asymmetricKeyDetails, pub.asymmetricKeyDetails, key.symmetricKeySize);
  console.log(String(key), key instanceof KeyObject, key.constructor.name, pub.constructor.name, pub.equals(again), pub.equals(key), key.equals(createPrivateKey({ key: pem, format: "pem" })));
  for (const format of ["pem", "der"]) for (const type of ["pkcs8", "spki", "pkcs1", "sec1", undefined, "x"]) {
    // OpenSSL 3 writes sec1 as others do.
    t(`${format} ${type} private`, () => createPrivateKey({ key: key.export({ type, format }), type, format }).equals(key));
    t(`${format} ${type} public`, () => pub.export({ type, format }).toString("latin1"));
  }
  t("jwk", () => JSON.stringify(Object.entries(key.export({ format: "jwk" })).sort()));
  t("jwk", () => createPublicKey({ key: key.export({ format: "jwk" }), format: "jwk" }).equals(pub));
  t("jwk", () => createPrivateKey({ key: key.export({ format: "jwk" }), format: "jwk" }).equals(key));
  for (const algorithm of ["RSA-SHA256", "sha384", "SHA512", "sha1", "sha512-256", "sha3-256"]) {
    t(`${algorithm} one after the other`, () => {
      const signature = createSign(algorithm).update("what is ").update(Buffer.from("signed, é")).sign(pem);
      const verify = (key, value, ...rest) => createVerify(algorithm).update(data).verify(key, value, ...rest);
      const wrong = Buffer.from(signature);
      wrong[wrong.length - 3] ^= 1;
      return [
        verify(pub, signature), verify(pem, signature.toString("base64"), "base64"), verify({ key: pub.export({ type: "spki", format: "pem" }) }, signature.toString("hex"), "hex"),
        verify(pub, wrong), verify(pub, signature.subarray(1)), verify(pub, ""), createVerify(algorithm).update("other").verify(pub, signature),
        name === "rsa" ? signature.toString("base64") : "", verify(key, sign(algorithm, data, key)), verify(pub, createSign(algorithm).update(data).sign(key, "base64"), "base64"),
      ];
    });
    t(`${algorithm} r and s`, () => {
      const dsaEncoding = "ieee-p1363";
      const signature = sign(algorithm, Buffer.from(data), { key, dsaEncoding });
      return [verify(algorithm, Buffer.from(data), { key: pub, dsaEncoding }, signature), verify(algorithm, Buffer.from(data), pub, signature), name === "rsa" || signature.length];
    });
    for (const saltLength of [undefined, constants.RSA_PSS_SALTLEN_DIGEST, constants.RSA_PSS_SALTLEN_MAX_SIGN, 7, 1000]) {
      t(`${algorithm} PSS ${saltLength}`, () => {
        const padding = constants.RSA_PKCS1_PSS_PADDING, options = { padding, ...(saltLength === undefined ? {} : { saltLength }) };
        const signature = createSign(algorithm).update(data).sign({ key, ...options });
        const verify = (more) => createVerify(algorithm).update(data).verify({ key: pub, ...more }, signature);
        return [verify(options), verify({ padding }), verify({ padding, saltLength: 9 }), verify({}), name !== "rsa" || signature.length];
      });
    }
  }
  t("at once", () => {
    const signature = sign(undefined, Buffer.from(data), key);
    return [verify(null, Buffer.from(data), pub, signature), verify(undefined, Buffer.from("x"), pub, signature), signature.toString("hex").length > 0 && name.startsWith("ed") && signature.toString("hex")];
  });
}
const rsa = createPrivateKey(PEM.rsa), pub = createPublicKey(rsa), secret = createSecretKey(Buffer.from("k"));
const signed = createSign("sha256").update("x");
signed.sign(rsa);
for (const [name, call] of Object.entries({
  algorithm: () => createSign("nope"), verifying: () => createVerify("nope"), number: () => createSign(5),
  text: () => createPrivateKey("secret"), nothing: () => createPublicKey("secret"), undefined: () => createPrivateKey(),
  public: () => createPrivateKey(pub.export({ type: "spki", format: "pem" })), object: () => createPrivateKey(pub), again: () => createPublicKey(pub),
  other: () => createSign("sha256").update("x").sign(pub), none: () => createSign("sha256").update("x").sign(), secret: () => createSign("sha256").update("x").sign(secret),
  twice: () => signed.sign(rsa), update: () => signed.update("x"), options: () => rsa.export(), type: () => rsa.export({ type: "spki", format: "pem" }),
  format: () => rsa.export({ type: "pkcs8", format: "x" }), sec1: () => rsa.export({ type: "sec1", format: "pem" }), der: () => createPublicKey({ key: Buffer.alloc(3), format: "der" }),
  encoding: () => createSign("sha256").update("x").sign({ key: rsa, dsaEncoding: "x" }), "no key": () => createVerify("sha256").update("x").verify("nokey", "abc", "base64"),
  "of secret": () => createPublicKey(secret), handle: () => new KeyObject("public", 5), kind: () => new KeyObject("x", 5), signature: () => createVerify("sha256").update("x").verify(pub),
  callback: () => sign("sha256", Buffer.from("x"), rsa, 5), equals: () => rsa.equals(5), secrets: () => [secret.constructor.name, secret.asymmetricKeyType, secret.type, Object.prototype.toString.call(secret)],
})) t(name, call);
const certificate = `-----BEGIN CERTIFICATE-----
MIIBCzCBsaADAgECAgEBMAoGCCqGSM49BAMCMA8xDTALBgNVBAMMBHRlc3QwHhcN
MjYwMTAxMDAwMDAwWhcNNDYwMTAxMDAwMDAwWjAPMQ0wCwYDVQQDDAR0ZXN0MFkw
EwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEMo7s3FytOhJFY4BXvaafQvwNbD0bn40C
KotaWbvPrJjfKxoGtrm8NUY/MIVUeIacwhAy21776fIvvNgqXCOijjAKBggqhkjO
PQQDAgNJADBGAiEA9TDFpHwhcqSJfhB4Hf7mSpsRjXY15viZeLIdTGjtjlACIQDa
kjjngRPbb6CLtSihpwTqmwG0etGvqaDzSeO+7TJSbw==
-----END CERTIFICATE-----`;
t("certificate", () => createPublicKey(`Some text\n${certificate}\n`).asymmetricKeyDetails);
console.log(await new Promise((resolve) => sign("sha256", Buffer.from(data), rsa, (error, signature) => resolve([error, signature.toString("base64")]))));
console.log(await new Promise((resolve) => verify("sha256", Buffer.from(data), pub, Buffer.alloc(256), (error, is) => resolve([error, is]))));
