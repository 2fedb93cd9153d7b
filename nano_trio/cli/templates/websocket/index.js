import { publish } from "nano:rooms";
import { page } from "./page.js";

const ROOM = "lobby";

export default {
  /**
   * @param {Request} request
   * @param {object} env
   * @param {any} ctx
   */
  fetch(request, env, ctx) {
    const url = new URL(request.url);
    if (url.pathname === "/") return new Response(page, { headers: { "content-type": "text/html; charset=utf-8" } });
    if (url.pathname !== "/chat") return new Response("Not found\n", { status: 404 });
    if (request.headers.get("upgrade") !== "websocket") return new Response("Expected a WebSocket\n", { status: 426 });
    const name = url.searchParams.get("name")?.trim().slice(0, 40);
    if (!name) return new Response("Who are you? Say ?name=…\n", { status: 400 });
    return ctx.upgrade(request, { data: { name } });
  },

  // All who are connected are in one room; "nano:rooms" reaches them from anywhere in the app.
  websocket: {
    /** @param {any} ws */
    open(ws) {
      ws.subscribe(ROOM);
      publish(ROOM, `${ws.data.name} is here`);
    },

    /** @param {any} ws @param {string | ArrayBuffer} data */
    message(ws, data) {
      if (typeof data === "string") publish(ROOM, `${ws.data.name}: ${data}`);
    },

    /** @param {any} ws */
    close(ws) {
      publish(ROOM, `${ws.data.name} has left`);
    },
  },
};
