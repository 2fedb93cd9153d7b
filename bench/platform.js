// Microbenchmarks of the Web platform, the same file for every runtime.
import { report } from "./measure.js";

const order = {
  customer: "Ada Lovelace",
  paid: true,
  note: null,
  items: Array.from({ length: 12 }, (_, n) => ({
    id: `item-${String(n).padStart(4, "0")}`,
    name: `A thing of kind ${n}`,
    price: 3.25 + n,
    count: (n % 4) + 1,
  })),
};
const text = "The quick brown fox jumps over the lazy dog. ".repeat(23302).slice(0, 1 << 20);
const mixed = "Füchse, naïve façades, 東京 and 😀; ".repeat(40000).slice(0, 600000);
const bytes = new TextEncoder().encode(text);
const mixedBytes = new TextEncoder().encode(mixed);
const binary = String.fromCharCode(...new Uint8Array(1024).map((_, i) => i)).repeat(1024);
const encoded = btoa(binary);
const chunk = new Uint8Array(65536).fill(97);
let sink = 0;

/** 64 chunks of 64 KB through a TransformStream that passes on a new view of each. */
async function transform() {
  let left = 64;
  const source = new ReadableStream({
    pull(controller) {
      if (left-- > 0) controller.enqueue(chunk);
      else controller.close();
    },
  });
  const passOn = new TransformStream({
    transform(part, controller) {
      controller.enqueue(new Uint8Array(part));
    },
  });
  for await (const part of source.pipeThrough(passOn)) sink += part.byteLength;
}

const cases = {
  "new URL": () => (sink += new URL("https://user@example.com:8080/a/../b/c?x=1&y=2#top").href.length),
  "Headers of 10": () => {
    const headers = new Headers({
      "content-type": "text/html; charset=utf-8",
      "cache-control": "public, max-age=60",
      etag: '"abc"',
      vary: "accept-encoding",
      "x-request-id": "0123456789",
    });
    headers.set("x-one", "1");
    headers.append("x-two", "2");
    headers.append("accept", "text/html");
    headers.append("accept", "application/json");
    headers.set("x-five", "5");
    headers.set("server-timing", "app;dur=1");
    sink += headers.get("accept").length + (headers.has("etag") ? 1 : 0);
    for (const [name] of headers) sink += name.length;
  },
  "Response.json 1 KB": () => (sink += Response.json(order).status),
  "structuredClone 1 KB": () => (sink += structuredClone(order).items.length),
  "TransformStream 64 × 64 KB": transform,
  "TextDecoder 1 MB ASCII": () => (sink += new TextDecoder().decode(bytes).length),
  "TextEncoder 1 MB ASCII": () => (sink += new TextEncoder().encode(text).length),
  "TextDecoder 1 MB mixed": () => (sink += new TextDecoder().decode(mixedBytes).length),
  "TextEncoder 1 MB mixed": () => (sink += new TextEncoder().encode(mixed).length),
  "btoa 1 MB": () => (sink += btoa(binary).length),
  "atob 1 MB": () => (sink += atob(encoded).length),
};

await report(cases);
