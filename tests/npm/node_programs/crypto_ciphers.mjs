// Ciphers of node:crypto.
import crypto, { createCipheriv, createDecipheriv, createSecretKey, getCipherInfo, getCiphers, Cipheriv, Decipheriv } from "crypto";
import { Buffer } from "buffer";
import { Readable, Transform } from "stream";
import { pipeline } from "stream/promises";
const C = createCipheriv, D = createDecipheriv;
const t = (name, f) => {
  try {
    console.log(name, f());
  } catch ({ name: type, code, message, library, reason }) {
    console.log(name, "threw", type, code, JSON.stringify(message), library, reason);
  }
};
const cycles = {}; // They come again after 256.
const cycle = (seed) => (cycles[seed] ??= Buffer.from(Array.from({ length: 256 }, (_, i) => (i * 31 + seed * 17) & 255)));
const bytes = (size, seed = 1) => Buffer.alloc(size, cycle(seed));
const hex = (buffer) => buffer.toString("hex");
const sum = (buffer) => crypto.createHash("sha256").update(buffer).digest("hex");
const tags = { gcm: [4, 8, 12, 13, 14, 15, 16], ccm: [4, 6, 8, 10, 12, 14, 16], poly1305: [1, 7, 16] };
const names = ["cbc", "ctr", "ecb", "gcm", "ccm"].flatMap((mode) => [128, 192, 256].map((bits) => `aes-${bits}-${mode}`));
names.push("chacha20-poly1305", "AES128", "aes256", "id-aes192-GCM", "id-aes256-ccm");

// All that goes in comes out: of each mode, in one piece and in many.
for (const name of names) {
  const { keyLength, ivLength = 0, mode } = getCipherInfo(name);
  console.log(name, getCipherInfo(name), JSON.stringify(getCipherInfo(name)));
  const key = bytes(keyLength), iv = ivLength === 0 ? null : bytes(ivLength, 2), aad = bytes(21, 3), isAead = !["cbc", "ctr", "ecb"].includes(mode);
  for (const authTagLength of isAead ? tags[mode === "stream" ? "poly1305" : mode] : [undefined]) {
    for (const size of authTagLength === 16 || !isAead ? [0, 1, 15, 16, 17, 31, 32, 33, 1000, 65535, 65536, 65537, 200003] : [40]) {
      const text = bytes(size, 5), parts = mode === "ccm" ? [text] : [text.subarray(0, 3), text.subarray(3, 32), text.subarray(32, 33), text.subarray(33)];
      const run = (cipher, pieces) => Buffer.concat([...pieces.map((piece) => cipher.update(piece)), cipher.final()]);
      const cipher = C(name, key, iv, { authTagLength });
      if (isAead) cipher.setAAD(aad, { plaintextLength: size });
      const made = run(cipher, parts), tag = isAead ? cipher.getAuthTag() : undefined;
      console.log(authTagLength, size, made.length, sum(made), tag);
      for (const [change, padding] of [[0, true], [1, true], [0, false]]) {
        t(`decrypted ${change} ${padding}`, () => {
          const decipher = D(name, createSecretKey(key), iv, { authTagLength });
          if (isAead) decipher.setAuthTag(tag).setAAD(aad, { plaintextLength: size });
          const changed = Buffer.from(made);
          if (change && made.length > 0) changed[0] ^= 128;
          decipher.setAutoPadding(padding);
          const pieces = mode === "ccm" ? [changed] : [changed.subarray(0, 16), changed.subarray(16, 41), changed.subarray(41)];
          const back = run(decipher, pieces);
          return [back.length, back.equals(text), sum(back)];
        });
      }
    }
  }
}
const k = bytes(16), iv = bytes(16, 2), n = bytes(12, 3), kc = bytes(32, 4);
const cbc = () => C("aes-128-cbc", k, iv), gcm = (options) => C("aes-128-gcm", k, n, options), ungcm = (options) => D("aes-128-gcm", k, n, options);
const ccm = () => C("aes-128-ccm", k, n, { authTagLength: 16 }), unccm = () => D("aes-128-ccm", k, n, { authTagLength: 16 });
const chacha = (length, iv = n) => C("chacha20-poly1305", kc, iv, { authTagLength: length });
const tagOf = (cipher, text) => [cipher.update(text, "utf8", "hex"), cipher.final("hex"), hex(cipher.getAuthTag())];
for (const size of [8, 11, 12, 13, 16, 128]) t(`vector of ${size}`, () => tagOf(C("aes-256-gcm", kc, bytes(size, 6)), "text"));
for (const size of [7, 8, 9, 10, 11, 12, 13]) t(`nonce of ${size}`, () => tagOf(C("aes-192-ccm", bytes(24), bytes(size, 6), { authTagLength: 12 }), "text"));
for (const size of [0, 1, 13, 14, 15, 16, 17, 65279, 65280, 65281, 70000]) {
  t(`additional ${size}`, () => [gcm(), ccm(), chacha(16)].map((cipher) => tagOf(cipher.setAAD(bytes(size), { plaintextLength: 4 }), "text")));
}
for (const length of [0, 1, 4, 5, 8, 12, 15, 16, 17]) {
  t(`tag ${length}`, () => D("chacha20-poly1305", kc, n).setAuthTag(bytes(length)).final());
  t(`tag ${length} of gcm`, () => ungcm().setAuthTag(bytes(length)).final());
}
// What is refused, and how. (After some errors Node tells of them once more with the next that OpenSSL has no words for.)
for (const [name, call] of Object.entries({
  number: () => C(5, k, iv), null: () => C(null, k, iv), unknown: () => C("nope", k, iv), "key's length": () => C("aes-128-cbc", bytes(5), iv), "no key": () => C("aes-128-cbc", undefined, iv),
  "key's type": () => C("aes-128-cbc", 5, iv), array: () => C("aes-128-cbc", [1], iv), boolean: () => C("aes-128-cbc", true, iv), function: () => C("aes-128-cbc", function named() {}, iv), symbol: () => C("aes-128-cbc", Symbol("s"), iv),
  bigint: () => C("aes-128-cbc", 5n, iv), bare: () => C("aes-128-cbc", Object.create(null), iv), text: () => C("aes-128-cbc", "0123456789abcdef", "fedcba9876543210").final("hex"), views: () => C("aes-128-cbc", new Uint16Array(8), new DataView(new ArrayBuffer(16))).final("hex"),
  buffers: () => C("aes-128-cbc", new Uint8Array(16).buffer, new SharedArrayBuffer(16)).final("hex"), secret: () => C("aes-256-cbc", createSecretKey(k), iv), encoding: () => C("aes-128-ecb", "00".repeat(16), null, { encoding: "hex" }).final("hex"), "no encoding": () => C("aes-128-ecb", k, null, { encoding: 5 }),
  vector: () => C("aes-128-cbc", k, n), "vector null": () => C("aes-128-cbc", k, null), "no vector": () => C("aes-128-cbc", k), "vector 5": () => C("aes-128-cbc", k, 5), "vector object": () => C("aes-128-cbc", k, {}),
  "ecb with": () => C("aes-128-ecb", k, iv), "ecb empty": () => C("aes-128-ecb", k, "").final("hex"), "ecb without": () => C("aes-128-ecb", k), "gcm empty": () => C("aes-128-gcm", k, ""), "gcm null": () => C("aes-128-gcm", k, null), "gcm long": () => C("aes-128-gcm", k, bytes(129)),
  "vector before key": () => C("aes-128-cbc", bytes(3), n), "tag before key": () => C("aes-128-ccm", bytes(3), n, { authTagLength: 5 }), "vector before tag": () => C("aes-128-gcm", bytes(3), "", { authTagLength: 5 }), "chacha's key": () => C("chacha20-poly1305", k, n), options: () => C("aes-128-cbc", k, iv, 5).final("hex"), "options null": () => C("aes-128-cbc", k, iv, null).final("hex"),
  "tag length x": () => gcm({ authTagLength: "x" }), "tag length -1": () => gcm({ authTagLength: -1 }), "tag length 1.5": () => gcm({ authTagLength: 1.5 }), "tag length {}": () => gcm({ authTagLength: { a: 1 } }), "tag length null": () => tagOf(gcm({ authTagLength: null }), "x"), "tag length of cbc": () => C("aes-128-cbc", k, iv, { authTagLength: 5 }).final("hex"),
  "tag early": () => gcm().getAuthTag(), "tag of cbc": () => cbc().getAuthTag(), "tag of cbc late": () => { const c = cbc(); c.final(); return c.getAuthTag(); }, "tag for cbc": () => D("aes-128-cbc", k, iv).setAuthTag(iv), "tag is a copy": () => { const c = gcm(); c.final(); c.getAuthTag()[0] ^= 1; return c.getAuthTag(); },
  "tag differs": () => ungcm({ authTagLength: 12 }).setAuthTag(iv), "tag as text": () => ungcm().setAuthTag("00".repeat(16), "hex").final(), "tag as number": () => ungcm().setAuthTag(5), "tag twice": () => ungcm().setAuthTag(iv).setAuthTag(iv), "no tag": () => ungcm().final(), "no tag, with data": () => { const d = ungcm(); d.update("x"); return d.final(); },
  "tag late": () => { const c = gcm(), d = ungcm(), x = c.update("abc"); c.final(); const y = d.update(x); return [d.setAuthTag(c.getAuthTag()).final().length, String(y)]; }, "tag too late": () => { const d = ungcm(); try { d.final(); } catch {} return d.setAuthTag(iv); }, "short tag": () => { const c = gcm(); c.final(); return ungcm().setAuthTag(c.getAuthTag().subarray(0, 12)).final().length; },
  "aad twice": () => tagOf(gcm().setAAD(bytes(3)).setAAD(bytes(20)), "x"), "aad of chacha twice": () => tagOf(chacha(16).setAAD(bytes(3)).setAAD(bytes(20)), "x"), "aad of ccm twice": () => tagOf(ccm().setAAD("ab", { plaintextLength: 1 }).setAAD("cd", { plaintextLength: 1 }), "x"), "aad of ccm": () => tagOf(ccm().setAAD("cd", { plaintextLength: 1 }), "x"), "aad empty": () => tagOf(ccm().setAAD("", { plaintextLength: 1 }), "x"),
  "aad late": () => { const c = gcm(); c.update("x"); c.setAAD(iv); }, "aad later": () => { const c = gcm(); c.final(); c.setAAD(iv); }, "aad late, empty": () => { const c = gcm(); c.update("x"); return tagOf(c.setAAD(""), ""); }, "aad after nothing": () => { const c = gcm(); c.update(""); return tagOf(c.setAAD(iv), "x"); }, "aad of cbc": () => cbc().setAAD(iv), "aad as number": () => gcm().setAAD(5), "aad as hex": () => tagOf(gcm().setAAD("6162", { encoding: "hex" }), "x"), "aad's encoding": () => gcm().setAAD("6162", { encoding: 5 }), "aad, options null": () => tagOf(gcm().setAAD("6162", null), "x"),
  "data 5": () => cbc().update(5), "no data": () => cbc().update(), "data null": () => cbc().update(null), "data array": () => cbc().update([1]), "data buffer": () => cbc().update(new ArrayBuffer(3)), "data words": () => cbc().update(new Uint16Array(8).fill(258), undefined, "hex"), "unknown encoding": () => [cbc().update("0123456789abcdef", "nope", "hex"), cbc().update("0123456789abcdef", "buffer", "hex")], "unknown output": () => cbc().update("abc", "utf8", "nope"), "odd hex": () => cbc().update("abc", "hex"), "unknown final": () => cbc().final("nope"),
  late: () => { const c = cbc(); c.final(); c.update("x"); }, twice: () => { const c = cbc(); c.final(); c.final(); }, "padding late": () => { const c = cbc(); c.final(); c.setAutoPadding(); }, chained: () => { const c = cbc(); return [c.setAutoPadding(false) === c, gcm().setAutoPadding(false).setAAD("x") instanceof Cipheriv]; }, "padding undefined": () => { const c = cbc(); c.setAutoPadding(); c.update("x"); c.final(); },
  "no padding": () => { const c = cbc().setAutoPadding(false); c.update("abc"); c.final(); }, "no padding, undone": () => { const d = D("aes-128-cbc", k, iv).setAutoPadding(false); d.update("abc"); d.final(); }, "no padding, nothing": () => D("aes-128-cbc", k, iv).setAutoPadding(false).final().length, "no padding, at once": () => hex(D("aes-128-cbc", k, iv).setAutoPadding(false).update(bytes(32))), "padding, later": () => hex(D("aes-128-cbc", k, iv).update(bytes(32))),
  "no padding any more": () => { const d = D("aes-128-cbc", k, iv), a = d.update(bytes(32)); d.setAutoPadding(false); return [hex(a), hex(d.update(bytes(16))), hex(d.final())]; }, "bad decrypt": () => { const d = D("aes-128-cbc", k, iv); d.update(bytes(16)); d.final(); }, "bad, again": () => { const d = D("aes-128-cbc", k, iv); d.update(bytes(16)); try { d.final(); } catch {} d.final(); }, nothing: () => D("aes-128-cbc", k, iv).final(),
  "b64 in parts": () => { const c = C("aes-128-ctr", k, iv); return [c.update("ab", "utf8", "base64"), c.update("cde", "utf8", "base64"), c.final("base64")]; }, "then bytes": () => { const c = cbc(); c.update("x".repeat(20), "utf8", "base64"); return c.final(); }, aliases: () => { const c = cbc(); return [c.update("x", "utf8", "utf-8"), c.update("x", "utf8", "utf8"), c.final("UTF8").length > 0]; },
  "characters cut": () => { const c = C("aes-128-ctr", k, iv), x = Buffer.concat([c.update("é€x"), c.final()]), d = D("aes-128-ctr", k, iv); return [d.update(x.subarray(0, 1), null, "utf8"), d.update(x.subarray(1, 4), null, "utf8"), d.update(x.subarray(4), undefined, "utf8"), d.final("utf8")]; }, "character lost": () => { const c = C("aes-128-ctr", k, iv), x = c.update("é"), d = D("aes-128-ctr", k, iv); return [d.update(x.subarray(0, 1), null, "utf8"), d.final("utf8")]; },
  "another encoding": () => { const c = cbc(); c.update("x", "utf8", "hex"); try { c.final("base64"); } catch (error) { return [error.code, error.message.split("\n")[0]]; } }, "other functions": () => [typeof ungcm().getAuthTag, typeof gcm().setAuthTag],
  "ccm without": () => C("aes-128-ccm", k, n), "ccm's vector": () => C("aes-128-ccm", k, iv, { authTagLength: 16 }), "ccm's short vector": () => C("aes-128-ccm", k, bytes(6), { authTagLength: 16 }), "ccm, aad alone": () => ccm().setAAD("ab"), "ccm, length x": () => ccm().setAAD("ab", { plaintextLength: "x" }), "ccm, length -1": () => ccm().setAAD("ab", { plaintextLength: -1 }), "ccm, two updates": () => { const c = ccm(); c.update("a"); c.update("b"); }, "ccm, wrong length": () => ccm().setAAD("ab", { plaintextLength: 5 }).update("abcd"),
  "ccm, nothing": () => ccm().final(), "ccm, aad and nothing": () => ccm().setAAD("ab", { plaintextLength: 0 }).final(), "ccm, empty": () => tagOf(ccm(), ""), "ccm, empty with aad": () => tagOf(ccm().setAAD("ab", { plaintextLength: 0 }), ""), "ccm, long": () => C("aes-128-ccm", k, bytes(13), { authTagLength: 16 }).update(bytes(65536)), "ccm, long told": () => C("aes-128-ccm", k, bytes(13), { authTagLength: 16 }).setAAD("a", { plaintextLength: 65536 }), "ccm, longest": () => sum(C("aes-128-ccm", k, bytes(13), { authTagLength: 16 }).update(bytes(65535))),
  "ccm, no tag": () => { const d = unccm(); return [d.update("abc").length, d.final()]; }, "ccm, neither": () => unccm().final().length, "ccm, forged": () => { const d = unccm().setAuthTag(iv), made = d.update("hello"); console.log(made.length); return d.final(); }, "ccm, tag differs": () => unccm().setAuthTag(iv.subarray(8)), "ccm, tag late": () => { const d = unccm(); d.update("x"); d.setAuthTag(iv); return d.final(); }, "ccm, length differs": () => { const d = unccm().setAuthTag(iv).setAAD("ab", { plaintextLength: 5 }); console.log(d.update("x").length); return d.final(); },
  "ccm, twice": () => { const c = ccm(), x = c.update("hello"); c.final(); const d = unccm().setAuthTag(c.getAuthTag()); console.log(String(d.update(x)), d.update("y").length); return d.final(); }, "ccm, read": () => { const c = ccm(), x = c.update("hello"); c.final(); const d = unccm().setAuthTag(c.getAuthTag()); return [d.update(x, null, "utf8"), d.final("utf8")]; },
  "info of object": () => getCipherInfo({}), "info's options": () => getCipherInfo("aes-128-cbc", 5), "info, null": () => getCipherInfo("aes-128-cbc", null), "info, key x": () => getCipherInfo("aes-128-cbc", { keyLength: "x" }), "info, key 1.5": () => getCipherInfo("aes-128-cbc", { keyLength: 1.5 }), "info, big": () => getCipherInfo(2 ** 40), "info, vector": () => getCipherInfo("aes-128-cbc", { ivLength: -1 }), "info, none": () => [getCipherInfo("nope"), getCipherInfo(""), getCipherInfo(1)], "by number": () => [419, 426, 896, 901, 904, 1018].map((nid) => getCipherInfo(nid).name),
})) t(name, call);
for (const length of [0, 1, 2, 3, 4, 5, 8, 10, 12, 15, 16, 17, 18]) {
  t(`length ${length}`, () => [tagOf(chacha(length), "x")]);
  t(`length ${length} of gcm`, () => [tagOf(gcm({ authTagLength: length }), "x")]);
  t(`length ${length} of ccm`, () => [tagOf(C("aes-128-ccm", k, n, { authTagLength: length }), "x")]);
  t(`vector ${length}`, () => tagOf(chacha(16, bytes(length)), "x"));
  for (const name of ["aes-128-gcm", "aes-128-ccm", "aes-128-ecb", "aes-128-cbc", "chacha20-poly1305"]) t(`${name} ${length}`, () => [getCipherInfo(name, { ivLength: length }), getCipherInfo(name, { keyLength: length })]);
}
const own = ["aes-128-cbc", "aes-192-ecb", "aes-256-ctr", "aes-256-gcm", "aes-128-ccm", "chacha20-poly1305", "aes256", "id-aes128-GCM", "id-aes192-CCM"];
console.log(own.every((name) => getCiphers().includes(name)), crypto.getCiphers().includes("nope"), new Set(getCiphers()).size === getCiphers().length);

// As a stream, and as a class.
console.log(Cipheriv("aes-128-cbc", k, iv) instanceof Cipheriv, Decipheriv("aes-128-cbc", k, iv) instanceof Decipheriv, cbc() instanceof Transform, Cipheriv.name, Decipheriv.name, C.name, D.length, cbc().constructor === Cipheriv);
class Mine extends Cipheriv {
  constructor() {
    super("aes-128-cbc", k, iv);
  }
  update(...args) {
    return super.update(...args).reverse();
  }
}
console.log(new Mine() instanceof Mine, new Mine().update("x".repeat(16)), new Mine().final());
const all = async (stream) => Buffer.concat(await stream.toArray());
const sealed = await all(Readable.from([bytes(5), bytes(70000), bytes(3)]).pipe(cbc()));
console.log(sealed.length, sum(sealed));
const parts = [];
await pipeline(Readable.from([sealed.subarray(0, 100), sealed.subarray(100)]), D("aes-128-cbc", k, iv), async (source) => {
  for await (const part of source) parts.push(part);
});
console.log(Buffer.concat(parts).equals(Buffer.concat([bytes(5), bytes(70000), bytes(3)])));
console.log(await pipeline(Readable.from([sealed.subarray(0, 100)]), D("aes-128-cbc", k, iv), all).catch(({ code }) => code));
const written = cbc().setEncoding("base64");
written.write("hello");
written.write("20776f726c64", "hex");
written.end(Buffer.from(", hello"));
console.log((await written.toArray()).join(""));
const tagged = gcm().setAAD("x");
tagged.end("hello");
console.log(hex(await all(tagged)), tagged.getAuthTag());
const forged = ungcm().setAAD("x").setAuthTag(iv);
forged.end("hello");
console.log(await all(forged).catch((error) => error.message));
