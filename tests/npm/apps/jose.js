// What test_jose.py asks of jose: tokens signed, verified, encrypted and decrypted, with keys that the app makes.
import * as jose from "jose";

const secret = new TextEncoder().encode("0123456789abcdef0123456789abcdef");
const PAIRS = {
  RS256: ["RS256"],
  ES256: ["ES256"],
  EdDSA: ["EdDSA", { crv: "Ed25519" }],
  "RSA-OAEP-256": ["RSA-OAEP-256"],
  "ECDH-ES": ["ECDH-ES"],
};
const pairs = {};
const pairOf = (alg) => (pairs[alg] ??= jose.generateKeyPair(PAIRS[alg][0], { extractable: true, ...PAIRS[alg][1] }));
const isShared = (alg) => alg === "HS256" || alg === "dir";

async function publicKey(alg) {
  return isShared(alg) ? secret : (await pairOf(alg)).publicKey;
}
async function privateKey(alg) {
  return isShared(alg) ? secret : (await pairOf(alg)).privateKey;
}

const routes = {
  async "/jwk"(alg) {
    return Response.json(await jose.exportJWK(await publicKey(alg)));
  },
  async "/sign"(alg, body) {
    const token = new jose.SignJWT(JSON.parse(body)).setProtectedHeader({ alg }).setIssuedAt().setExpirationTime("1h");
    return new Response(await token.sign(await privateKey(alg)));
  },
  async "/verify"(alg, body) {
    const { payload } = await jose.jwtVerify(body, await publicKey(alg), { algorithms: [alg] });
    return Response.json(payload);
  },
  // As an app checks the tokens of an identity provider: the key is chosen from a set.
  async "/verify-by-set"(alg, body) {
    const keys = [{ ...(await jose.exportJWK(await publicKey(alg))), alg, kid: "1" }];
    const { payload } = await jose.jwtVerify(body, jose.createLocalJWKSet({ keys }));
    return Response.json(payload);
  },
  async "/encrypt"(alg, body) {
    const message = new jose.CompactEncrypt(new TextEncoder().encode(body)).setProtectedHeader({ alg, enc: "A256GCM" });
    return new Response(await message.encrypt(await publicKey(alg)));
  },
  async "/decrypt"(alg, body) {
    const { plaintext } = await jose.compactDecrypt(body, await privateKey(alg));
    return new Response(plaintext);
  },
  // Keys as they come from a file.
  async "/pem"(alg, body) {
    const key = await jose.importPKCS8(body, alg);
    return new Response(await new jose.SignJWT({ from: "pem" }).setProtectedHeader({ alg }).sign(key));
  },
};

export default {
  async fetch(request) {
    const url = new URL(request.url);
    try {
      return await routes[url.pathname](url.searchParams.get("alg"), await request.text());
    } catch (error) {
      return Response.json({ code: error.code, name: error.name, message: error.message }, { status: 401 });
    }
  },
};
