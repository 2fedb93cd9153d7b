// crypto.subtle and fetch, the same file for every runtime. Its last argument is the URL of a server on this machine.
import { ARGUMENTS, report } from "./measure.js";

const { subtle } = crypto;
const megabyte = new Uint8Array(1 << 20).fill(7);
const aes = await subtle.generateKey({ name: "AES-GCM", length: 256 }, false, ["encrypt"]);
const pair = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, false, ["sign", "verify"]);
const message = new TextEncoder().encode("a message of some length, as tokens are: ".repeat(4));
const iv = new Uint8Array(12);
const url = ARGUMENTS.at(-1);
const FETCHES = 1000, AT_ONCE = 100;

/** 1,000 fetches, 100 at a time, each read to its end. */
async function fetches() {
  let left = FETCHES;
  const worker = async () => {
    while (left-- > 0) await (await fetch(url)).text();
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}

await report({
  "SHA-256 1 MB": () => subtle.digest("SHA-256", megabyte),
  "AES-GCM 1 MB": () => subtle.encrypt({ name: "AES-GCM", iv }, aes, megabyte),
  "ECDSA P-256 sign": () => subtle.sign({ name: "ECDSA", hash: "SHA-256" }, pair.privateKey, message),
  "1,000 fetches, 100 at once": fetches,
});
