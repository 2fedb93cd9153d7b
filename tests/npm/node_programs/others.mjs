import assertStrict from "node:assert/strict";
import { createHook, executionAsyncId } from "node:async_hooks";
import console_, { Console } from "node:console";
import crypto, { KeyObject, createHmac, createSecretKey } from "node:crypto";
import channels from "node:diagnostics_channel";
import { addAbortListener } from "node:events";
import fs, { existsSync } from "node:fs";
import { METHODS, STATUS_CODES } from "node:http";
import { createRequire, isBuiltin } from "node:module";
import net from "node:net";
import os from "node:os";
import { performance as timed } from "node:perf_hooks";
import process_ from "node:process";
import punycode from "node:punycode";
import { Writable } from "node:stream";
import { ReadableStream as Stream } from "node:stream/web";
import tty from "node:tty";
import { aborted, parseEnv, promisify, styleText } from "node:util";
import { isMainThread, parentPort } from "node:worker_threads";

// -- globals ------------------------------------------------------------------------------------------------------------
console.log(process === process_, global === globalThis, typeof setImmediate, typeof clearImmediate, typeof Buffer, `${process}`);
process.env.TEXT = 5;
console.log(process.env.TEXT, "TEXT" in process.env, process.env.NOT, delete process.env.TEXT, process.env.TEXT);
const order = [];
process.nextTick((...args) => order.push(...args), "tick", 1);
await new Promise((resolve) => setImmediate((value) => resolve(order.push(value)), "immediate"));
clearImmediate(setImmediate(() => order.push("never")));
await new Promise((resolve) => setTimeout(resolve, 5));
console.log(order.join());
process.once("custom", (value) => console.log("custom", value));
process.emit("custom", 1);
console.log(process.getBuiltinModule("node:buffer").Buffer === Buffer, process.getBuiltinModule("no") === undefined, process.hrtime().length, typeof process.hrtime.bigint(), process.uptime() >= 0);
try {
  process.nextTick("no function");
} catch (error) {
  console.log(error.code);
}

// -- modules ------------------------------------------------------------------------------------------------------------
const require = createRequire(import.meta.url ?? "file:///x.js");
console.log(require("fs") === fs, require("node:path").join("a", "..", "b"), isBuiltin("node:fs"), isBuiltin("zlib"), isBuiltin("no"));
try {
  require("not-there");
} catch (error) {
  console.log(error.code);
}
console.log(existsSync("/there/is/no/such/file"), fs.constants.R_OK, typeof fs.promises.readFile, typeof fs.createReadStream);
console.log(STATUS_CODES[404], STATUS_CODES[503], METHODS.includes("PATCH"), tty.isatty(99), isMainThread, parentPort);
console.log(os.EOL === "\n", os.endianness(), typeof os.cpus().length, timed === performance, Stream === ReadableStream);
for (const text of ["1.2.3.4", "1.2.3", "01.2.3.4", "256.1.1.1", "::1", "fe80::1%eth0", "1::2::3", "::ffff:1.2.3.4", "::ffff:1.2.3", "x", "", "1.2.3.4."]) {
  console.log(JSON.stringify(text), net.isIP(text), net.isIPv4(text), net.isIPv6(text));
}
for (const text of ["mañana.com", "☃-⌘.com", "джумла@пример.рф", "plain.com", "点。com"]) {
  console.log(punycode.toASCII(text), punycode.toUnicode(punycode.toASCII(text)));
}
console.log(punycode.encode("bücher"), punycode.decode("bcher-kva"), punycode.ucs2.decode("a\u{1f600}"), punycode.ucs2.encode([97, 0x1f600]));
for (const wrong of ["é-x", "99999999999", "a-"]) {
  try {
    console.log(JSON.stringify(punycode.decode(wrong)));
  } catch (error) {
    console.log(error.name, error.message);
  }
}

// -- what they do -------------------------------------------------------------------------------------------------------
const channel = channels.channel("a");
const listen = (message, name) => console.log("told", message, name);
console.log(channels.hasSubscribers("a"), channel === channels.channel("a"));
channels.subscribe("a", listen);
channel.publish({ x: 1 });
console.log(channel.hasSubscribers, channels.unsubscribe("a", listen), channels.unsubscribe("a", listen), channel.hasSubscribers);
const traced = channels.tracingChannel("t");
traced.subscribe(Object.fromEntries(["start", "end", "asyncStart", "asyncEnd", "error"].map((name) => [name, ({ result, error }) => console.log(name, result, error?.message)])));
console.log(traced.traceSync((a) => a + 1, {}, null, 1));
console.log(await traced.tracePromise(async () => "later"));
try {
  traced.traceSync(() => { throw new Error("wrong"); });
} catch (error) {
  console.log(error.message);
}
traced.traceCallback((callback) => callback(null, "called"), 0, {}, null, (error, result) => console.log(error, result));
const lines = [];
const own = new Console(new Writable({ decodeStrings: false, write: (text, _, callback) => (lines.push(text), callback()) }));
own.log("%s is %d", "x", 5);
own.group("in");
own.error("a\nb");
own.groupEnd();
own.assert(false, "not so");
console.log(lines, typeof console_.log);
const hmac = (key) => createHmac("sha256", key).update("x").digest("hex");
const key = createSecretKey("secret", "utf8");
console.log(hmac(key) === hmac("secret"), key.type, key.symmetricKeySize, key instanceof KeyObject, key.export(), key.export({ format: "jwk" }), key.equals(createSecretKey(Buffer.from("secret"))));
console.log((await promisify(crypto.scrypt)("password", "salt", 32)).toString("hex"), (await promisify(crypto.scrypt)("p", "s", 16, { N: 2, r: 1, p: 1 })).toString("hex"));
for (const wrong of [{ N: 3 }, { N: 1 << 20 }, { r: -1 }]) {
  try {
    crypto.scrypt("p", "s", 16, wrong, () => {});
  } catch (error) {
    console.log(error.name);
  }
}
console.log(Buffer.from(await promisify(crypto.hkdf)("sha256", "key", "salt", "info", 20)).toString("hex"));
console.log(JSON.stringify(styleText(["bold", "underline"], "y")), parseEnv("A=1\nexport B='two words' # c\n#D=4\nE=\"a\\nb\"\nF= g"));
const controller = new AbortController();
addAbortListener(controller.signal, () => console.log("aborted"));
aborted(controller.signal, {}).then(() => console.log("aborted too"));
controller.abort();
console.log(executionAsyncId() >= 0, typeof createHook({}).enable().disable, assertStrict.strict === assertStrict || typeof assertStrict);
