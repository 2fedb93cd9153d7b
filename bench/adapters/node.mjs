// node adapters/node.mjs HANDLER PORT: serves a Workers handler with node:http and Node's own Request and Response.
import http from "node:http";
import { Readable } from "node:stream";
import { pathToFileURL } from "node:url";

const [file, port] = process.argv.slice(2);
const app = (await import(pathToFileURL(file))).default;

const server = http.createServer(async (incoming, outgoing) => {
  const hasBody = incoming.method !== "GET" && incoming.method !== "HEAD";
  const request = new Request(`http://${incoming.headers.host}${incoming.url}`, {
    method: incoming.method,
    headers: incoming.headers,
    body: hasBody ? Readable.toWeb(incoming) : undefined,
    duplex: "half",
  });
  try {
    const response = await app.fetch(request, {}, {});
    const headers = Object.fromEntries(response.headers);
    if (response.headers.has("content-length") || !response.body) {
      outgoing.writeHead(response.status, headers);
      outgoing.end(response.body ? Buffer.from(await response.arrayBuffer()) : undefined);
      return;
    }
    const reader = response.body.getReader();
    const first = await reader.read();
    const second = first.done ? first : await reader.read();
    if (second.done) {
      // A body of one chunk, as strings and JSON are: no need for chunked coding.
      const body = first.value ?? new Uint8Array();
      outgoing.writeHead(response.status, { ...headers, "content-length": body.byteLength });
      outgoing.end(body);
      return;
    }
    outgoing.writeHead(response.status, headers);
    outgoing.write(first.value);
    for (let part = second; !part.done; part = await reader.read()) {
      if (!outgoing.write(part.value)) await new Promise((resolve) => outgoing.once("drain", resolve));
    }
    outgoing.end();
  } catch (error) {
    console.error(error);
    if (!outgoing.headersSent) outgoing.writeHead(500);
    outgoing.end();
  }
});
server.keepAliveTimeout = 75_000;
server.requestTimeout = 0;
server.listen(Number(port), "127.0.0.1");
