// A chat with rooms: https://chat.localhost:3443/ or http://chat.localhost:3000/ (room "lobby"), …/?room=kitchen, …
import { count, publish } from "nano:rooms";
import { page } from "./page.js";

const MOST_CHARACTERS = 500;

export default {
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (url.pathname !== "/socket") return new Response("Not found\n", { status: 404 });
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("This is for WebSockets.\n", { status: 426, headers: { upgrade: "websocket" } });
    }
    const name = url.searchParams.get("name")?.trim();
    const room = url.searchParams.get("room")?.trim();
    if (!name || name.length > 40 || !room || room.length > 40) {
      return new Response("Give a name and a room, each of 40 characters at most.\n", { status: 400 });
    }
    return ctx.upgrade(request, { data: { name, room } });
  },

  websocket: {
    open(ws) {
      ws.subscribe(ws.data.room);
      announce(ws.data.room, `${ws.data.name} came in`);
    },
    message(ws, text) {
      if (typeof text !== "string" || text.length > MOST_CHARACTERS) {
        ws.close(1008, `text of ${MOST_CHARACTERS} characters at most, please`);
        return;
      }
      publish(ws.data.room, JSON.stringify({ from: ws.data.name, text }));
    },
    close(ws) {
      announce(ws.data.room, `${ws.data.name} left`);
    },
  },
};

function announce(room, text) {
  publish(room, JSON.stringify({ text, present: count(room) }));
}
