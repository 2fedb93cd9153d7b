// bun run adapters/bun_websocket.mjs PORT: what handlers/websocket.js does, by Bun's own rooms.
const NEWS = "x".repeat(100);

Bun.serve({
  port: Number(process.argv[2]),
  hostname: "127.0.0.1",
  fetch: (request, server) => (server.upgrade(request) ? undefined : new Response("no WebSocket", { status: 400 })),
  websocket: {
    idleTimeout: 0,
    open(ws) {
      ws.subscribe("all");
    },
    message(ws, data) {
      if (data === "*") {
        ws.publish("all", NEWS);
        ws.send(NEWS);
      } else ws.send(data);
    },
  },
});
