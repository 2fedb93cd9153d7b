// node ws_client.mjs NODE_MODULES URL...: talks to the echo app with the package ws; prints what it saw as JSON.
import { createRequire } from "node:module";
import { randomBytes } from "node:crypto";

const [modules, ...urls] = process.argv.slice(2);
const WebSocket = createRequire(import.meta.url)(`${modules}/ws`);

function open(url, options = {}, protocols = []) {
  const ws = new WebSocket(url, protocols, { maxPayload: 1 << 26, ...options });
  const waiting = [];
  const arrived = [];
  ws.on("message", (data, isBinary) => {
    const message = isBinary ? data : data.toString();
    if (waiting.length) waiting.shift()(message);
    else arrived.push(message);
  });
  ws.next = () => (arrived.length ? Promise.resolve(arrived.shift()) : new Promise((resolve) => waiting.push(resolve)));
  ws.closed = new Promise((resolve) => ws.on("close", (code, reason) => resolve([code, reason.toString()])));
  ws.on("error", (error) => (ws.failure = error.message));
  return new Promise((resolve) => {
    ws.on("open", () => resolve(ws));
    ws.on("error", () => resolve(ws));
  });
}

async function visit(url) {
  const seen = {};
  const large = randomBytes(2_000_000);
  const text = JSON.stringify(Array.from({ length: 5000 }, (_, number) => ({ number, name: `häus ${number}` })));
  for (const perMessageDeflate of [false, true, { serverMaxWindowBits: 10, clientMaxWindowBits: 10, threshold: 0 }]) {
    const ws = await open(url, { perMessageDeflate });
    const same = [];
    for (const message of ["hello", "", "ünïcödé 🚀", text]) {
      ws.send(message);
      same.push((await ws.next()) === message);
    }
    for (const message of [Buffer.alloc(0), Buffer.from([0, 255]), large]) {
      ws.send(message);
      same.push(message.equals(await ws.next()));
    }
    ws.send("frag", { fin: false });
    ws.send("mented", { fin: true });
    same.push((await ws.next()) === "fragmented");
    const pong = new Promise((resolve) => ws.once("pong", (data) => resolve(data.toString())));
    ws.ping("are you there");
    same.push((await pong) === "are you there");
    ws.close(4100, "from node");
    (seen.chats ??= []).push([ws.extensions, same.every(Boolean), await ws.closed]);
  }
  const closed = await open(url);
  closed.send("close");
  seen.closed = await closed.closed;
  const fault = await open(url);
  fault.send("throw");
  seen.fault = (await fault.closed)[0];
  const chosen = await open(url, {}, ["one", "two"]);
  seen.protocol = chosen.protocol;
  chosen.terminate();
  seen.refused = (await open(`${url}/refused`)).failure;
  return seen;
}

const all = {};
for (const url of urls) all[url.split(":")[0]] = await visit(url);
console.log(JSON.stringify(all));
