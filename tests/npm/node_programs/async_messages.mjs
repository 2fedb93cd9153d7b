// What an AsyncLocalStorage has in listeners of what fires later: signals of timeouts, ports and channels.
import { AsyncLocalStorage } from "node:async_hooks";
const storage = new AsyncLocalStorage();
const lines = [];
const arrived = [];
/** A listener that is added elsewhere than where anything else happens. */
function listen(what, target, type) {
  const { promise, resolve } = withResolvers();
  arrived.push(promise);
  storage.run("listener", () => {
    target.addEventListener(type, () => {
      lines.push(`${what}: ${storage.getStore()}`);
      setTimeout(() => resolve(lines.push(`${what}, later: ${storage.getStore()}`)));
    });
    target.start?.();
  });
}
function withResolvers() {
  let resolve;
  return { promise: new Promise((given) => (resolve = given)), resolve };
}

const signal = storage.run("timeout", () => AbortSignal.timeout(5));
listen("timeout", signal, "abort");
listen("any", storage.run("any", () => AbortSignal.any([signal])), "abort");
listen("without", AbortSignal.timeout(5), "abort");

const channel = storage.run("channel", () => new MessageChannel());
listen("port", channel.port2, "message");
storage.run("sender", () => channel.port1.postMessage(1));

const waiting = storage.run("waiting", () => new MessageChannel());
storage.run("sender", () => waiting.port1.postMessage(1));
listen("port that is started later", waiting.port2, "message");

const plain = new MessageChannel();
listen("port without", plain.port2, "message");
storage.run("sender", () => plain.port1.postMessage(1));

const carrier = storage.run("carrier", () => new MessageChannel());
const carried = storage.run("carried", () => new MessageChannel());
const got = withResolvers();
carrier.port2.onmessage = (event) => storage.exit(() => got.resolve(event.ports[0]));
storage.run("sender", () => carrier.port1.postMessage(1, [carried.port2]));
const port = await got.promise;
listen("port that came", port, "message");
storage.run("sender", () => carried.port1.postMessage(1));

const sending = storage.run("sending", () => new BroadcastChannel("a"));
const receiving = storage.run("receiving", () => new BroadcastChannel("a"));
listen("channel", receiving, "message");
storage.run("sender", () => sending.postMessage(1));

await Promise.all(arrived.splice(0));
listen("close", channel.port2, "close");
storage.run("closer", () => channel.port1.close());
await Promise.all(arrived);
for (const each of [waiting, plain, carrier]) each.port1.close();
carried.port1.close();
sending.close();
receiving.close();
console.log(lines.sort().join("\n"));
