// The routes of test_routers.py, as one writes them with itty-router.
import { AutoRouter, StatusError, cors, json, status, text, withCookies } from "itty-router";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const { preflight, corsify } = cors({ origin: "https://site.example", allowMethods: ["GET", "PUT"] });
let finished = 0;
let asked = [];

const withMark = (request) => {
  request.by = "middleware";
};
const withUser = (request) => {
  if (request.headers.get("authorization") !== "Bearer secret") throw new StatusError(401, "Unauthorized");
};
const mark = (response) => {
  const headers = new Headers(response.headers);
  headers.set("x-router", "itty");
  return new Response(response.body, { status: response.status, statusText: response.statusText, headers });
};

const router = AutoRouter({
  before: [withMark, preflight],
  catch: (error) => json({ error: error.message }, { status: error.status ?? 500 }),
  finally: [(response, request) => (request.url.includes("/api/") ? corsify(response, request) : response), mark],
});

router
  .get("/", () => text("Hello from itty"))
  .get("/users/:id", ({ params, query, by }) => ({
    id: params.id,
    q: query.q ?? null,
    tags: [query.tag ?? []].flat(),
    by,
  }))
  .get("/posts/:year/:slug", ({ params }) => params)
  .get("/files/:path+", ({ params }) => text(params.path))
  .post("/users", async (request) => {
    let body;
    try {
      body = await request.json();
    } catch {
      throw new StatusError(400, "bad JSON");
    }
    return json({ created: body }, { status: 201 });
  })
  .put("/users/:id", async (request) => ({ id: request.params.id, ...(await request.json()) }))
  .delete("/users/:id", () => status(204))
  .post("/form", async (request) => {
    const form = await request.formData();
    const file = form.get("file");
    return { name: form.get("name"), file: file ? [file.name, file.type, await file.text()] : null };
  })
  .get("/admin/*", withUser, () => text("for admins"))
  .get("/api/data", () => [1, 2])
  .get("/login", () => {
    const response = text("welcome");
    response.headers.append("set-cookie", "session=a%20b%3Bc; Path=/; HttpOnly; SameSite=Lax");
    response.headers.append("set-cookie", "theme=dark; Max-Age=60; Path=/");
    return response;
  })
  .get("/whoami", withCookies, ({ cookies }) => {
    const { session, theme } = cookies;
    return { session: session === undefined ? null : decodeURIComponent(session), theme: theme ?? null };
  })
  .get("/stream", () => {
    const { readable, writable } = new TransformStream();
    const writer = writable.getWriter();
    const encoder = new TextEncoder();
    asked = Array.from({ length: 6 }, () => Promise.withResolvers());
    (async () => {
      for (let i = 1; i <= 5; i++) {
        if (i > 1) await asked[i].promise;
        await writer.write(encoder.encode(`part ${i}\n`));
      }
      await writer.close();
    })();
    return new Response(readable, { headers: { "content-type": "text/plain" } });
  })
  .get("/ask/:part", ({ params }) => {
    asked[params.part].resolve();
    return "asked";
  })
  .get("/events", () => {
    let i = 0;
    const events = new ReadableStream({
      pull(controller) {
        if (++i > 3) controller.close();
        else controller.enqueue(`event: tick\ndata: tick ${i}\nid: ${i}\n\n`);
      },
    });
    return new Response(events.pipeThrough(new TextEncoderStream()), {
      headers: { "content-type": "text/event-stream" },
    });
  })
  .post("/upload", async (request) => {
    const bytes = new Uint8Array(await request.arrayBuffer());
    return { size: bytes.length, last: bytes[bytes.length - 1] };
  })
  .post(
    "/echo",
    (request) => new Response(request.body, { headers: { "content-type": request.headers.get("content-type") } }),
  )
  .get("/old", () => new Response(null, { status: 301, headers: { location: "/" } }))
  .get("/boom", () => {
    throw new TypeError("boom");
  })
  .get("/teapot", () => {
    throw new StatusError(418, "short and stout");
  })
  .get("/env", (request, env) => ({ greeting: env.GREETING }))
  .get("/later", (request, env, ctx) => {
    ctx.waitUntil(sleep(10).then(() => finished++));
    return { finished };
  })
  .all("*", (request) => json({ error: "Not Found", path: new URL(request.url).pathname }, { status: 404 }));

export default router;
