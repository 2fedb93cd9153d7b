// Bodies that flow: nothing here is held in memory whole.
//
//   GET  /ticks?n=5&ms=200   a line every `ms` milliseconds, written by a ReadableStream
//   POST /upper              the request's body in upper case, chunk by chunk, through a TransformStream
//   GET  /events             server-sent events (open it with EventSource in a browser)
const encoder = new TextEncoder();
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** A number from the query, within bounds. */
function number(url, name, otherwise, most) {
  const value = Number(url.searchParams.get(name) ?? otherwise);
  return Number.isFinite(value) ? Math.min(Math.max(value, 0), most) : otherwise;
}

function ticks(url) {
  const count = number(url, "n", 5, 1000);
  const pause = number(url, "ms", 200, 10_000);
  let sent = 0;
  // `pull` is called when the client has taken what was sent before: a slow reader slows the app down, not its memory.
  const body = new ReadableStream({
    async pull(controller) {
      if (sent === count) return controller.close();
      if (sent > 0) await sleep(pause);
      controller.enqueue(encoder.encode(`tick ${++sent} of ${count}\n`));
    },
    cancel() {
      console.log(`the reader left after tick ${sent}`);
    },
  });
  return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8" } });
}

function upperCase(request) {
  if (request.method !== "POST") {
    return new Response("send a body with POST\n", { status: 405, headers: { allow: "POST" } });
  }
  // The decoder keeps what is left of a character that two chunks share.
  const decoder = new TextDecoder();
  const upper = new TransformStream({
    transform(chunk, controller) {
      const text = decoder.decode(chunk, { stream: true });
      if (text !== "") controller.enqueue(encoder.encode(text.toUpperCase()));
    },
    flush(controller) {
      const rest = decoder.decode();
      if (rest !== "") controller.enqueue(encoder.encode(rest));
    },
  });
  const body = request.body === null ? null : request.body.pipeThrough(upper);
  return new Response(body, { headers: { "content-type": "text/plain; charset=utf-8" } });
}

function events(request, url) {
  const pause = number(url, "ms", 1000, 60_000);
  const most = number(url, "n", Infinity, Infinity);
  let id = Number(request.headers.get("last-event-id") ?? 0) || 0;
  let sent = 0;
  const body = new ReadableStream({
    async pull(controller) {
      if (sent >= most) return controller.close();
      if (sent++ > 0) await sleep(pause);
      const data = JSON.stringify({ time: new Date().toISOString() });
      controller.enqueue(encoder.encode(`id: ${++id}\nevent: time\ndata: ${data}\n\n`));
    },
  });
  return new Response(body, { headers: { "content-type": "text/event-stream", "cache-control": "no-store" } });
}

export default {
  fetch(request) {
    const url = new URL(request.url);
    switch (url.pathname) {
      case "/ticks":
        return ticks(url);
      case "/upper":
        return upperCase(request);
      case "/events":
        return events(request, url);
      default:
        return new Response("see /ticks, /upper and /events\n", { status: url.pathname === "/" ? 200 : 404 });
    }
  },
};
