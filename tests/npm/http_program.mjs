// The client of node:http and node:https. The argument is the port of http_server.mjs.
import http, { ClientRequest, IncomingMessage, request } from "node:http";
import https from "node:https";
import { PassThrough, Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { gunzip } from "node:zlib";

const port = Number(globalThis.scriptArgs?.[0] ?? process.argv[2]);
const base = `http://127.0.0.1:${port}`;
const on = (emitter, name) => new Promise((resolve) => emitter.once(name, resolve));
/** The response and its body. */
const answered = (asked) =>
  new Promise((resolve, reject) => {
    asked.on("error", reject);
    asked.on("response", (response) => {
      const parts = [];
      response.on("data", (part) => parts.push(part));
      response.on("error", reject);
      response.on("end", () => resolve([response, Buffer.concat(parts)]));
    });
  });
/** What the server saw. */
function seen([, body]) {
  const { method, url, headers, body: sent } = JSON.parse(body);
  const names = ["x-y", "content-length", "transfer-encoding", "authorization"];
  return [method, url, ...names.map((name) => headers[name]), headers.host === `127.0.0.1:${port}`, sent];
}
const failure = (error) => console.log(error.name, error.message, error.code);
/** The names of events in their order, with the codes of errors. */
function told(emitter, names) {
  const events = [];
  for (const name of names) emitter.on(name, (error) => events.push(error?.code ? `${name} ${error.code}` : name));
  return events;
}

// -- what is asked and answered -----------------------------------------------------------------------------------------
const first = await answered(http.get(`${base}/a?b=1`, { headers: { "X-Y": "z" } }));
const { statusCode, statusMessage, headers, complete, httpVersion } = first[0];
console.log(statusCode, statusMessage, headers["x-a"], headers["set-cookie"], complete, httpVersion, first[0] instanceof IncomingMessage, seen(first));
const posted = request({ host: "127.0.0.1", port, path: "/p", method: "post", auth: "u:p" }, () => console.log("called"));
const answer = answered(posted);
posted.end("bödy");
console.log(posted instanceof ClientRequest, posted.method, seen(await answer));
for (const [name, options, parts] of [
  ["chunks", { headers: { "X-Y": ["1", "2"] } }, ["a", new Uint8Array([98]), "c"]],
  ["length", { headers: { "Content-Length": 3 } }, ["a", "bc"]],
  ["list", { headers: ["Host", `127.0.0.1:${port}`, "X-Y", "1", "X-Y", "2"] }, ["a"]],
  ["pairs", { headers: [["Host", `127.0.0.1:${port}`], ["X-Y", "1"]] }, ["a"]],
]) {
  const put = request(new URL(`${base}/${name}`), { method: "PUT", ...options });
  const answer = answered(put);
  for (const part of parts) put.write(part);
  put.end();
  console.log(name, seen(await answer));
}
const empty = request(`${base}/empty`, { method: "POST" });
const events = told(empty, ["finish", "response", "close"]);
const closed = on(empty, "close");
const socket = on(empty, "socket");
empty.end();
(await on(empty, "response")).resume();
await closed;
console.log(events, empty.destroyed, (await socket).setNoDelay(true) === empty.socket);
const [redirected] = await answered(http.get(`${base}/redirected`));
console.log(redirected.statusCode, redirected.headers.location);
const [zipped, bytes] = await answered(http.get(`${base}/zipped`));
const text = zipped.headers["content-encoding"] === "gzip" ? await new Promise((resolve) => gunzip(bytes, (_, plain) => resolve(plain))) : bytes;
console.log(String(text));

// -- as streams ---------------------------------------------------------------------------------------------------------
const large = request(`${base}/large`, { method: "POST" });
const whole = answered(large);
await pipeline(Readable.from(Array.from({ length: 50 }, () => Buffer.alloc(20_000, 97))), large);
console.log(seen(await whole).at(-1).length);
const through = new PassThrough();
http.get(`${base}/piped`, (response) => response.pipe(through));
let piped = 0;
for await (const part of through) piped += part.length;
console.log(piped > 10);
const iterated = await on(http.get(`${base}/iterated`), "response");
iterated.setEncoding("utf8");
let read = "";
for await (const part of iterated) read += part;
console.log(JSON.parse(read).url, iterated.readableEnded);
const waits = request(`${base}/waits`, { method: "PUT", headers: { Expect: "100-continue" } });
const late = answered(waits);
waits.flushHeaders();
await on(waits, "continue");
waits.end("late");
console.log(seen(await late));

// -- what goes wrong ----------------------------------------------------------------------------------------------------
await answered(http.get(`${base}/cut`)).catch(failure);
await answered(http.get("http://127.0.0.1:1/")).catch((error) => console.log(error.code));
const never = (options) => {
  const asked = http.get(`${base}/never`, options);
  return [asked, told(asked, ["error", "abort", "close", "timeout"]), on(asked, "close")];
};
for (const end of [(asked) => asked.destroy(), (asked) => asked.destroy(new Error("mine")), (asked) => asked.abort()]) {
  const [asked, events, isClosed] = never();
  asked.on("error", ({ message }) => console.log(message));
  await on(asked, "socket");
  end(asked);
  await isClosed;
  console.log(events.sort(), asked.aborted, asked.destroyed);
}
const [late_, lateEvents, lateClosed] = never({ timeout: 20 });
late_.on("timeout", () => late_.destroy());
await lateClosed;
console.log(lateEvents);
const aborting = new AbortController();
const [signalled, , signalledClosed] = never({ signal: aborting.signal });
signalled.on("error", failure);
signalled.on("socket", () => aborting.abort());
await signalledClosed;
const left = http.get(`${base}/half`);
left.on("error", () => {});
const leaving = await on(left, "response");
const leftEvents = told(leaving, ["aborted", "error", "close"]);
left.destroy();
await on(leaving, "close");
console.log(leftEvents, leaving.complete);
const refused = {
  scheme: () => request("ftp://x/"), other: () => https.request("http://x/"), path: () => request({ path: "/a b" }), method: () => request({ method: "a b" }),
  name: () => request({ headers: { "a b": 1 } }), value: () => request({ headers: { a: "\n" } }), host: () => request({ host: 5 }),
  "a name": () => http.validateHeaderName("x y"), "no value": () => http.validateHeaderValue("x", undefined), "a value": () => http.validateHeaderValue("x", "ж"),
};
for (const [name, call] of Object.entries(refused)) {
  try {
    call();
    console.log(name);
  } catch (error) {
    console.log(name, error.name, error.code, error.message.slice(0, 60));
  }
}

// -- headers, agents ----------------------------------------------------------------------------------------------------
const asked = request(`${base}/h`, { headers: { A: 1, b: "2" } });
asked.setHeader("C", ["x", "y"]);
asked.appendHeader("C", "z");
asked.removeHeader("b");
console.log(asked.getHeader("a"), asked.hasHeader("B"), asked.getHeaderNames().filter((name) => name !== "host"), asked.getHeader("c"), asked.path, asked.host, asked.protocol);
const last = answered(asked);
asked.end();
await last;
try {
  asked.setHeader("d", 1);
} catch (error) {
  console.log(error.code);
}
console.log(new http.Agent({ keepAlive: true, maxSockets: 5 }).maxSockets, http.globalAgent.protocol, https.globalAgent.defaultPort, new https.Agent() instanceof http.Agent);
