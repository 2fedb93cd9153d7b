// node adapters/node_https.mjs CERT KEY: hello by node:https and node:http, each on a free port that it tells.
import { readFileSync } from "node:fs";
import http from "node:http";
import https from "node:https";

const [cert, key] = process.argv.slice(2).map((path) => readFileSync(path));
const hello = (request, response) => {
  const body = "Hello, world!\n";
  response.writeHead(200, { "content-type": "text/plain;charset=UTF-8", "content-length": body.length });
  response.end(body);
};
const secure = https.createServer({ cert, key }, hello);
const plain = http.createServer(hello);
secure.keepAliveTimeout = plain.keepAliveTimeout = 75_000;
secure.listen(0, "127.0.0.1", () => {
  console.log(`listening on https://127.0.0.1:${secure.address().port}`);
  plain.listen(0, "127.0.0.1", () => console.log(`listening on http://127.0.0.1:${plain.address().port}`));
});
