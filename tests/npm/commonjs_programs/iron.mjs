// packages: ["@hapi/iron"]
import Iron from "@hapi/iron";
const password = "some-passphrase-of-more-than-32-characters", data = { a: 1, b: ["é", null], c: { d: true } };
const attempt = async (name, call) => console.log(name, await call().catch((error) => [error.constructor.name, error.message]));
const sealed = await Iron.seal(data, password, Iron.defaults);
console.log(sealed.startsWith("Fe26.2**"), await Iron.unseal(sealed, password, Iron.defaults));
// With no chance left, the same is sealed by everybody.
const fixed = {
  ...Iron.defaults,
  encryption: { ...Iron.defaults.encryption, salt: "5e55a1", iv: Buffer.alloc(16, 7) },
  integrity: { ...Iron.defaults.integrity, salt: "9a3f" },
};
const known = await Iron.seal(data, password, fixed);
console.log(known, await Iron.unseal(known, { default: password }, fixed));
const counter = { ...fixed, encryption: { ...fixed.encryption, algorithm: "aes-128-ctr" } };
console.log(await Iron.seal("x".repeat(1000), { id: "1", encryption: Buffer.alloc(16, 9), integrity: Buffer.alloc(32, 9) }, counter));
const { encrypted, key } = await Iron.encrypt(password, fixed.encryption, "plain");
console.log(encrypted.toString("hex"), await Iron.decrypt(password, { salt: key.salt, ...fixed.encryption }, encrypted));
await attempt("another password", () => Iron.unseal(known, `${password}!`, fixed));
await attempt("changed", () => Iron.unseal(known.replace(/.$/, (last) => (last === "A" ? "B" : "A")), password, fixed));
await attempt("another key", () => Iron.decrypt(`${password}!`, fixed.encryption, encrypted).then((text) => text === "plain"));
await attempt("cut", () => Iron.decrypt(password, fixed.encryption, encrypted.subarray(0, 15)).catch((error) => [error.code, error.reason]));
await attempt("short", () => Iron.seal(data, "short", Iron.defaults));
await attempt("unknown", () => Iron.seal(data, password, { ...fixed, encryption: { ...fixed.encryption, algorithm: "nope" } }));
