// The load for `websocket`, run by bun or node: raw sockets with frames made beforehand, so that it is never the
// bottleneck. It counts the bytes of answers whose length it knows and looks at nothing else.
//
//   websocket_load.mjs PORT echo CONNECTIONS SECONDS SIZE   one message in flight on each connection
//   websocket_load.mjs PORT room MEMBERS SECONDS            one broadcast after the other, when all have the last
//
// Prints OPEN when all connections are, then RESULT and JSON: messages (received), us (that it took), p50, p99, max (in us; of a broadcast: to its last).
import net from "node:net";

const [port, mode, connections, seconds, size] = process.argv.slice(2).map((value) => Number(value) || value);
const HANDSHAKE =
  `GET / HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n";
const NEWS_FRAME = 2 + 100;

function frame(text) {
  const payload = Buffer.from(text);
  const head = payload.length < 126 ? [0x81, 0x80 | payload.length] : [0x81, 0xfe, payload.length >> 8, payload.length & 255];
  const mask = [0x37, 0xfa, 0x21, 0x3d];
  return Buffer.from([...head, ...mask, ...payload.map((octet, index) => octet ^ mask[index % 4])]);
}

// Calls opened() once, then arrived(bytes) for whatever comes; returns what sends.
function connect(opened, arrived) {
  let open = false;
  const receive = (length, text) => {
    if (open) arrived(length);
    else {
      const head = text();
      const end = head.indexOf("\r\n\r\n");
      if (!head.startsWith("HTTP/1.1 101 ") || end < 0) fail(`no WebSocket: ${head.slice(0, 200)}`);
      open = true;
      opened();
      if (length > end + 4) arrived(length - end - 4);
    }
  };
  if (typeof Bun !== "undefined") {
    const connection = { send: null };
    Bun.connect({
      hostname: "127.0.0.1",
      port,
      socket: {
        open(socket) {
          connection.send = (data) => socket.write(data);
          socket.write(HANDSHAKE);
        },
        data: (_, data) => receive(data.length, () => Buffer.from(data).toString("latin1")),
        close: () => fail("a connection was closed"),
        error: (_, error) => fail(error.message),
      },
    }).catch((error) => fail(error.message));
    return connection;
  }
  const socket = net.connect({ port, host: "127.0.0.1", noDelay: true }, () => socket.write(HANDSHAKE));
  socket.on("data", (data) => receive(data.length, () => data.toString("latin1")));
  socket.on("close", () => fail("a connection was closed"));
  socket.on("error", (error) => fail(error.message));
  return { send: (data) => socket.write(data) };
}

function fail(why) {
  console.log(`FAILED ${why}`);
  process.exit(1);
}

const times = [];
let messages = 0;
let began = 0;

function finish() {
  const us = Math.round((performance.now() - began) * 1000);
  times.sort((one, other) => one - other);
  const at = (quantile) => Math.round(1000 * (times[Math.min(times.length - 1, Math.floor(times.length * quantile))] ?? 0));
  console.log(`RESULT ${JSON.stringify({ messages, us, p50: at(0.5), p99: at(0.99), max: at(1) })}`);
  process.exit(0);
}

// Opens all connections, a hundred at a time, then calls begin.
function openAll(arrived, begin) {
  const all = [];
  let open = 0;
  const more = () => {
    const index = all.length;
    all.push(
      connect(
        () => {
          open += 1;
          if (open === connections) begin(all);
          else if (all.length < connections) more();
        },
        (length) => arrived(index, length),
      ),
    );
  };
  for (let count = 0; count < Math.min(100, connections); count++) more();
}

if (mode === "echo") {
  const message = frame("x".repeat(size));
  const expected = message.length - 4;
  const missing = new Array(connections).fill(expected);
  const sentAt = new Array(connections).fill(0);
  let all;
  const arrived = (index, length) => {
    missing[index] -= length;
    if (missing[index] > 0) return;
    const now = performance.now();
    times.push(now - sentAt[index]);
    messages += 1;
    if (now - began > seconds * 1000) finish();
    missing[index] = expected;
    sentAt[index] = now;
    all[index].send(message);
  };
  openAll(arrived, (opened) => {
    console.log("OPEN");
    all = opened;
    began = performance.now();
    all.forEach((connection, index) => {
      sentAt[index] = performance.now();
      connection.send(message);
    });
  });
} else {
  const message = frame("*");
  let all;
  let missing = 0;
  let sentAt = 0;
  let rest = 0;
  const publish = () => {
    missing = NEWS_FRAME * connections;
    sentAt = performance.now();
    all[(rest = (rest + 7) % connections)].send(message);
  };
  const arrived = (_, length) => {
    missing -= length;
    if (missing > 0) return;
    const now = performance.now();
    times.push(now - sentAt);
    messages += connections;
    if (now - began > seconds * 1000 && times.length >= 3) finish();
    publish();
  };
  openAll(arrived, (opened) => {
    all = opened;
    setTimeout(() => {
      console.log("OPEN");
      began = performance.now();
      publish();
    }, 500);
  });
}
