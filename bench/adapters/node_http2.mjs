// node adapters/node_http2.mjs CERT KEY: hello by node:http2, to HTTP/2 and HTTP/1.1 clients on one free port that it tells,
// and by node:http on another.
import { readFileSync } from "node:fs";
import http from "node:http";
import http2 from "node:http2";

const [cert, key] = process.argv.slice(2).map((path) => readFileSync(path));
const hello = (request, response) => {
  const body = "Hello, world!\n";
  response.writeHead(200, { "content-type": "text/plain;charset=UTF-8", "content-length": body.length });
  response.end(body);
};
const secure = http2.createSecureServer({ cert, key, allowHTTP1: true }, hello);
const plain = http.createServer(hello);
secure.listen(0, "127.0.0.1", () => {
  console.log(`listening on https://127.0.0.1:${secure.address().port}`);
  plain.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${plain.address().port}`));
});
