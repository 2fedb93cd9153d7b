// The routes of test_routers.py, as one writes them with Hono.
import { Hono } from "hono";
import { bearerAuth } from "hono/bearer-auth";
import { getCookie, setCookie } from "hono/cookie";
import { cors } from "hono/cors";
import { HTTPException } from "hono/http-exception";
import { stream, streamSSE } from "hono/streaming";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const app = new Hono();
let finished = 0;
let asked = [];

app.use(async (c, next) => {
  c.set("by", "middleware");
  await next();
  c.header("x-router", "hono");
});
app.use("/api/*", cors({ origin: "https://site.example", allowMethods: ["GET", "PUT"] }));
app.use("/admin/*", bearerAuth({ token: "secret" }));

app.get("/", (c) => c.text("Hello from hono"));
app.get("/users/:id", (c) =>
  c.json({ id: c.req.param("id"), q: c.req.query("q") ?? null, tags: c.req.queries("tag") ?? [], by: c.get("by") }),
);
app.get("/posts/:year/:slug", (c) => c.json(c.req.param()));
app.get("/files/*", (c) => c.text(c.req.path.slice("/files/".length)));
app.post("/users", async (c) => {
  let body;
  try {
    body = await c.req.json();
  } catch {
    throw new HTTPException(400, { message: "bad JSON" });
  }
  return c.json({ created: body }, 201);
});
app.put("/users/:id", async (c) => c.json({ id: c.req.param("id"), ...(await c.req.json()) }));
app.delete("/users/:id", (c) => c.body(null, 204));
app.post("/form", async (c) => {
  const { name, file } = await c.req.parseBody();
  return c.json({ name, file: file ? [file.name, file.type, await file.text()] : null });
});
app.get("/admin/panel", (c) => c.text("for admins"));
app.get("/api/data", (c) => c.json([1, 2]));
app.get("/login", (c) => {
  setCookie(c, "session", "a b;c", { httpOnly: true, path: "/", sameSite: "Lax" });
  setCookie(c, "theme", "dark", { maxAge: 60 });
  return c.text("welcome");
});
app.get("/whoami", (c) => c.json({ session: getCookie(c, "session") ?? null, theme: getCookie(c, "theme") ?? null }));
app.get("/stream", (c) => {
  asked = Array.from({ length: 6 }, () => Promise.withResolvers());
  return stream(c, async (out) => {
    for (let i = 1; i <= 5; i++) {
      if (i > 1) await asked[i].promise;
      await out.write(`part ${i}\n`);
    }
  });
});
app.get("/ask/:part", (c) => {
  asked[c.req.param("part")].resolve();
  return c.text("asked");
});
app.get("/events", (c) =>
  streamSSE(c, async (out) => {
    for (let i = 1; i <= 3; i++) await out.writeSSE({ data: `tick ${i}`, event: "tick", id: String(i) });
  }),
);
app.post("/upload", async (c) => {
  const bytes = new Uint8Array(await c.req.arrayBuffer());
  return c.json({ size: bytes.length, last: bytes[bytes.length - 1] });
});
app.post("/echo", (c) => c.body(c.req.raw.body, 200, { "content-type": c.req.header("content-type") }));
app.get("/old", (c) => c.redirect("/", 301));
app.get("/boom", () => {
  throw new TypeError("boom");
});
app.get("/teapot", () => {
  throw new HTTPException(418, { message: "short and stout" });
});
app.get("/env", (c) => c.json({ greeting: c.env.GREETING }));
app.get("/later", (c) => {
  c.executionCtx.waitUntil(sleep(10).then(() => finished++));
  return c.json({ finished });
});
app.notFound((c) => c.json({ error: "Not Found", path: c.req.path }, 404));
app.onError((error, c) => {
  if (error instanceof HTTPException && error.res) return error.getResponse();
  return c.json({ error: error.message }, error.status ?? 500);
});

export default app;
