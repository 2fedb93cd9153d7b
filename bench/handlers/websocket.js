// Echo; every connection is in one room, and "*" from any of them is a broadcast to all.
const NEWS = "x".repeat(100);

export default {
  fetch: (request, env, ctx) => ctx.upgrade(request),
  websocket: {
    open(ws) {
      ws.subscribe("all");
    },
    message(ws, data, ctx) {
      if (data === "*") {
        ws.publish("all", NEWS);
        ws.send(NEWS);
      } else ws.send(data);
    },
  },
};
