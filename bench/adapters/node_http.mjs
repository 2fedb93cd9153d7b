// node adapters/node_http.mjs NAME PORT [UPSTREAM]: what node:http does without the Web's Request and Response: an upper
// bound. UPSTREAM is the port that `proxy` asks.
import http from "node:http";
import { Readable } from "node:stream";

const [name, port, upstream] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true });
const handlers = {
  hello(request, response) {
    const body = "Hello, world!\n";
    response.writeHead(200, { "content-type": "text/plain;charset=UTF-8", "content-length": body.length });
    response.end(body);
  },
  json(request, response) {
    const chunks = [];
    request.on("data", (chunk) => chunks.push(chunk));
    request.on("end", () => {
      const order = JSON.parse(Buffer.concat(chunks).toString());
      const total = order.items.reduce((sum, item) => sum + item.price * item.count, 0);
      const body = JSON.stringify({ ...order, total });
      response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) });
      response.end(body);
    });
  },
  stream(request, response) {
    let left = Number(new URL(request.url, "http://bench").searchParams.get("bytes"));
    const body = new Readable({
      highWaterMark: 65536,
      read() {
        const size = Math.min(65536, left);
        left -= size;
        this.push(size ? Buffer.alloc(size, 97) : null);
      },
    });
    response.writeHead(200);
    body.pipe(response);
  },
  proxy(request, response) {
    const { method, url, headers } = request;
    const outgoing = http.request({ agent, host: "127.0.0.1", port: upstream, method, path: url, headers }, (incoming) => {
      response.writeHead(incoming.statusCode, incoming.headers);
      incoming.pipe(response);
    });
    outgoing.on("error", () => response.destroy());
    request.pipe(outgoing);
  },
};
const server = http.createServer(handlers[name]);
server.keepAliveTimeout = 75_000;
server.listen(Number(port), "127.0.0.1");
