// node adapters/node_websocket.mjs PORT WS: what handlers/websocket.js does, by the package ws (its path is WS).
import { createRequire } from "node:module";

const [port, path] = process.argv.slice(2);
const { WebSocketServer } = createRequire(import.meta.url)(path);
const NEWS = "x".repeat(100);

const server = new WebSocketServer({ port: Number(port), host: "127.0.0.1" });
server.on("connection", (ws) => {
  ws.on("message", (data, isBinary) => {
    if (data.length === 1 && data[0] === 42) {
      for (const client of server.clients) client.send(NEWS);
    } else ws.send(data, { binary: isBinary });
  });
});
