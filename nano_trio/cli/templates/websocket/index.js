import { count, publish } from "nano:rooms";
import { page } from "./page.js";

const MOST_CHARACTERS = 500;

/** @param {string | null} text what somebody chose to be called, or a room */
const short = (text) => text?.trim().slice(0, 40);

/** @param {string} room @param {string} text */
const announce = (room, text) => publish(room, JSON.stringify({ text, present: count(room) }));

/** @type {NanoTrio.App<{}, { name: string, room: string }>} */
const app = {
  // The page is at /, its WebSockets at /chat?room=…&name=….
  fetch(request, env, ctx) {
    const { pathname, searchParams } = new URL(request.url);
    if (pathname === "/") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (pathname !== "/chat") return new Response("There is nothing here. Try /\n", { status: 404 });
    const name = short(searchParams.get("name"));
    if (!name) return new Response("Who are you? Say ?name=…&room=…\n", { status: 400 });
    if (request.headers.get("upgrade")?.toLowerCase() !== "websocket") {
      return new Response("This is for WebSockets.\n", { status: 426, headers: { upgrade: "websocket" } });
    }
    return ctx.upgrade(request, { data: { name, room: short(searchParams.get("room")) || "lobby" } });
  },

  // Each connection subscribes to its room; `publish` reaches all who did, from anywhere in the app.
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

export default app;
