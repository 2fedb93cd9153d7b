import { Hono } from "hono";

const app = new Hono();

app.get("/", (c) => c.text("Hello from Hono!\n"));

app.get("/users/:name", (c) => c.json({ name: c.req.param("name"), agent: c.req.header("user-agent") ?? null }));

app.notFound((c) => c.json({ error: `there is no ${c.req.path}` }, 404));

export default app;
