// The routes of test_routers.py, as one writes them with H3.
import {
  H3,
  HTTPError,
  createEventStream,
  getCookie,
  getQuery,
  getRouterParam,
  getRouterParams,
  handleCors,
  iterable,
  noContent,
  readBody,
  redirect,
  serve,
  setCookie,
} from "h3";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
let finished = 0;
let asked = [];

const app = new H3({
  onError: (error) =>
    Response.json(
      { error: error.cause?.message || error.message },
      { status: error.status, headers: { "x-router": "h3" } },
    ),
});

app.use((event) => {
  event.context.by = "middleware";
  event.res.headers.set("x-router", "h3");
});
app.use("/api/**", (event) => {
  const answer = handleCors(event, { origin: ["https://site.example"], methods: ["GET", "PUT"] });
  if (answer !== false) return answer;
});
app.use("/admin/**", (event) => {
  if (event.req.headers.get("authorization") !== "Bearer secret")
    throw new HTTPError({ status: 401, message: "Unauthorized" });
});

app.get("/", () => "Hello from h3");
app.get("/users/:id", (event) => {
  const { q = null, tag = [] } = getQuery(event);
  return { id: getRouterParam(event, "id"), q, tags: [tag].flat(), by: event.context.by };
});
app.get("/posts/:year/:slug", (event) => getRouterParams(event));
app.get("/files/**:path", (event) => getRouterParam(event, "path"));
app.post("/users", async (event) => {
  let body;
  try {
    body = await event.req.json();
  } catch {
    throw new HTTPError({ status: 400, message: "bad JSON" });
  }
  event.res.status = 201;
  return { created: body };
});
app.put("/users/:id", async (event) => ({ id: getRouterParam(event, "id"), ...(await readBody(event)) }));
app.delete("/users/:id", () => noContent());
app.post("/form", async (event) => {
  const form = await event.req.formData();
  const file = form.get("file");
  return { name: form.get("name"), file: file ? [file.name, file.type, await file.text()] : null };
});
app.get("/admin/panel", () => "for admins");
app.get("/api/data", () => [1, 2]);
app.get("/login", (event) => {
  setCookie(event, "session", "a b;c", { httpOnly: true, path: "/", sameSite: "lax" });
  setCookie(event, "theme", "dark", { maxAge: 60 });
  return "welcome";
});
app.get("/whoami", (event) => ({
  session: getCookie(event, "session") ?? null,
  theme: getCookie(event, "theme") ?? null,
}));
app.get("/stream", () => {
  asked = Array.from({ length: 6 }, () => Promise.withResolvers());
  return iterable(async function* () {
    for (let i = 1; i <= 5; i++) {
      if (i > 1) await asked[i].promise;
      yield `part ${i}\n`;
    }
  });
});
app.get("/ask/:part", (event) => {
  asked[getRouterParam(event, "part")].resolve();
  return "asked";
});
app.get("/events", (event) => {
  const events = createEventStream(event);
  (async () => {
    for (let i = 1; i <= 3; i++) await events.push({ event: "tick", data: `tick ${i}`, id: String(i) });
    await events.close();
  })();
  return events.send();
});
app.post("/upload", async (event) => {
  const bytes = new Uint8Array(await event.req.arrayBuffer());
  return { size: bytes.length, last: bytes[bytes.length - 1] };
});
app.post("/echo", (event) => {
  event.res.headers.set("content-type", event.req.headers.get("content-type"));
  return event.req.body;
});
app.get("/old", () => redirect("/", 301));
app.get("/boom", () => {
  throw new TypeError("boom");
});
app.get("/teapot", () => {
  throw new HTTPError({ status: 418, message: "short and stout" });
});
app.get("/env", (event) => ({ greeting: event.runtime.cloudflare.env.GREETING }));
app.get("/later", (event) => {
  event.waitUntil(sleep(10).then(() => finished++));
  return { finished };
});
app.all("/**", (event) => {
  event.res.status = 404;
  return { error: "Not Found", path: event.url.pathname };
});

// H3's own adapter for Workers.
export default { fetch: serve(app, { manual: true }).fetch };
