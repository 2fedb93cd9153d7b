// node adapters/node_http.mjs NAME PORT: what node:http does without the Web's Request and Response: an upper bound.
import http from "node:http";

const [name, port] = process.argv.slice(2);
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
};
const server = http.createServer(handlers[name]);
server.keepAliveTimeout = 75_000;
server.listen(Number(port), "127.0.0.1");
