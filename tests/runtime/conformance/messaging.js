// HTML 9.4 and 9.5: channel messaging and BroadcastChannel.

const next = (target, type = "message") => new Promise((resolve) => target.addEventListener(type, resolve, { once: true }));
const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const close = (...ports) => ports.forEach((port) => port.close());

test("MessageChannel and MessagePort: the interfaces have the shape that WebIDL gives them", async () => {
  isInterface("MessageChannel", ["port1", "port2"], {});
  isInterface("MessagePort", ["onmessage", "onmessageerror"], { postMessage: 1, start: 0, close: 0 });
  throws(TypeError, () => new MessagePort());
  equal(Object.getPrototypeOf(MessagePort), EventTarget);
});

test("BroadcastChannel: the interface has the shape that WebIDL gives it", async () => {
  isInterface("BroadcastChannel", ["name", "onmessage", "onmessageerror"], { postMessage: 1, close: 0 }, [], 1);
  throws(TypeError, () => new BroadcastChannel());
});

test("a port delivers a copy, later, as a MessageEvent", async () => {
  const { port1, port2 } = new MessageChannel();
  const message = { a: [1] };
  const received = new Promise((resolve) => { port2.onmessage = resolve; });
  port1.postMessage(message);
  message.a[0] = 2;
  const e = await received;
  ok(e instanceof MessageEvent && e.target === port2 && e.data.a[0] === 1);
  equal([e.type, e.origin, e.lastEventId, e.source, e.ports], ["message", "", "", null, []]);
  close(port1, port2);
});

test("messages keep their order, each in a turn of its own", async () => {
  const { port1, port2 } = new MessageChannel();
  const order = [];
  port2.onmessage = ({ data }) => { order.push(data); queueMicrotask(() => order.push("micro")); };
  port1.postMessage(1);
  port1.postMessage(2);
  await wait(15);
  equal(order, [1, "micro", 2, "micro"]);
  close(port1, port2);
});

test("messages wait until the port is started: by start(), by onmessage, not by a listener", async () => {
  const { port1, port2 } = new MessageChannel();
  const seen = [];
  port2.addEventListener("message", (e) => seen.push(e.data));
  port1.postMessage("early");
  await wait(10);
  equal(seen, []);
  port2.start();
  port2.start();
  await wait(10);
  equal(seen, ["early"]);
  close(port1, port2);
});

test("a transferred port takes its waiting messages along, and is found in ports", async () => {
  const a = new MessageChannel(), b = new MessageChannel();
  b.port1.postMessage("waiting");
  const received = new Promise((resolve) => { a.port2.onmessage = resolve; });
  a.port1.postMessage({ port: b.port2 }, [b.port2]);
  const { data, ports } = await received;
  ok(ports.length === 1 && ports[0] === data.port && data.port !== b.port2);
  const messages = [];
  data.port.onmessage = (e) => { messages.push(e.data); if (e.data === "late") data.port.postMessage("answer"); };
  b.port1.postMessage("late");
  const answer = new Promise((resolve) => { b.port1.onmessage = resolve; });
  equal((await answer).data, "answer");
  equal(messages, ["waiting", "late"]);
  throws("DataCloneError", () => a.port1.postMessage(1, [b.port2]));
  close(a.port1, a.port2, b.port1, data.port);
});

test("postMessage takes a sequence or options, and refuses anything else", async () => {
  const { port1, port2 } = new MessageChannel();
  const [x, y] = [new ArrayBuffer(1), new ArrayBuffer(1)];
  port1.postMessage(x, [x]);
  port1.postMessage(y, { transfer: new Set([y]) });
  equal([x.byteLength, y.byteLength], [0, 0]);
  port1.postMessage(1, undefined);
  port1.postMessage(1, null);
  throws(TypeError, () => port1.postMessage());
  throws(TypeError, () => port1.postMessage(1, 2));
  throws(TypeError, () => port1.postMessage(1, [2]));
  throws("DataCloneError", () => port1.postMessage(1, [port1]));
  throws("DataCloneError", () => port1.postMessage(() => {}));
  throws("DataCloneError", () => port1.postMessage(port2));
  close(port1, port2);
});

test("a closed port neither sends nor receives, and its peer hears of it", async () => {
  const { port1, port2 } = new MessageChannel();
  const seen = [];
  port2.onmessage = (e) => seen.push(e.data);
  port1.onmessage = (e) => seen.push(e.data);
  const closed = next(port1, "close");
  port1.postMessage("lost");
  port2.close();
  port2.close();
  port1.postMessage("lost too");
  port2.postMessage("not sent");
  await closed;
  await wait(5);
  equal(seen, []);
  throws("DataCloneError", () => structuredClone(port2, { transfer: [port2] }));
});

test("structuredClone transfers a port", async () => {
  const { port1, port2 } = new MessageChannel();
  const moved = structuredClone({ port2 }, { transfer: [port2] }).port2;
  ok(moved instanceof MessagePort && moved !== port2);
  const received = new Promise((resolve) => { moved.onmessage = resolve; });
  port1.postMessage("hi");
  equal((await received).data, "hi");
  close(port1, moved);
});

test("an exception in a listener is reported, and the next message still comes", async () => {
  const { port1, port2 } = new MessageChannel();
  const errors = [], data = [];
  onerror = (message, file, line, column, error) => { errors.push(error); return true; };
  port2.onmessage = (e) => { data.push(e.data); throw e.data; };
  port1.postMessage(1);
  port1.postMessage(2);
  await wait(10);
  onerror = null;
  equal([data, errors], [[1, 2], [1, 2]]);
  close(port1, port2);
});

test("BroadcastChannel reaches the others of its name, in the order of their making", async () => {
  const [a, b, c, other] = ["n", "n", "n", "m"].map((name) => new BroadcastChannel(name));
  const seen = [];
  for (const [key, channel] of Object.entries({ a, b, c, other })) channel.onmessage = (e) => seen.push(key + e.data.x);
  a.postMessage({ x: 1 });
  c.postMessage({ x: 2 });
  await wait(15);
  equal(seen, ["b1", "c1", "a2", "b2"]);
  close(a, b, c, other);
});

test("BroadcastChannel gives each receiver a copy of its own", async () => {
  const [a, b, c] = ["own", "own", "own"].map((name) => new BroadcastChannel(name));
  const received = Promise.all([next(b), next(c)]);
  let reads = 0;
  a.postMessage({ get x() { reads++; return []; } });
  const [first, second] = await received;
  ok(first.data !== second.data && first.data.x !== second.data.x);
  equal([reads, first.type, first.source, first.ports], [1, "message", null, []]);
  close(a, b, c);
});

test("BroadcastChannel hears a message sent before its listener was there", async () => {
  const [a, b] = [new BroadcastChannel("q"), new BroadcastChannel("q")];
  a.postMessage(1);
  equal((await next(b)).data, 1);
  close(a, b);
});

test("BroadcastChannel: a listening channel lives without a reference", async () => {
  const seen = [];
  (() => { new BroadcastChannel("lives").onmessage = (e) => { seen.push(e.data); e.target.close(); }; })();
  await wait(1);
  const sender = new BroadcastChannel("lives");
  sender.postMessage(1);
  await wait(10);
  equal(seen, [1]);
  sender.close();
});

test("BroadcastChannel: closed ones are silent and refuse", async () => {
  const [a, b] = [new BroadcastChannel("z"), new BroadcastChannel("z")];
  b.onmessage = () => fail("a closed channel heard");
  a.postMessage(1);
  b.close();
  await wait(10);
  throws("InvalidStateError", () => b.postMessage(1));
  throws("InvalidStateError", () => b.postMessage(Symbol()));
  throws("DataCloneError", () => a.postMessage(Symbol()));
  throws(TypeError, () => a.postMessage());
  a.close();
});
