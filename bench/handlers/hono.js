// A small shop's interface as one writes it with Hono: ten routes, middleware for all and for some, parameters. What
// mix of requests it gets stands in bench/hono.py.
import { Hono } from "hono";
import { cors } from "hono/cors";

const products = Array.from({ length: 20 }, (_, number) => ({
  id: number,
  name: `A thing of kind ${number}`,
  price: 3.25 + number,
  tags: [number % 2 ? "odd" : "even", `group-${number % 5}`],
}));

const app = new Hono();
app.use(async (c, next) => {
  c.set("by", "the bench");
  await next();
  c.header("x-served-by", c.get("by"));
});
const api = new Hono();
api.use(cors({ origin: "https://shop.example" }));
api.get("/products", (c) => {
  const tag = c.req.query("tag");
  return c.json(products.filter((product) => !tag || product.tags.includes(tag)));
});
api.get("/products/:id", (c) => c.json(products[c.req.param("id")]));
api.get("/products/:id/tags/:index", (c) => c.text(products[c.req.param("id")].tags[c.req.param("index")]));
api.post("/orders", async (c) => {
  const { items, ...order } = await c.req.json();
  return c.json({ ...order, total: items.reduce((sum, item) => sum + item.price * item.count, 0) }, 201);
});
api.put("/orders/:id", async (c) => c.json({ id: c.req.param("id"), ...(await c.req.json()) }));
api.delete("/orders/:id", (c) => c.body(null, 204));

app.get("/", (c) => c.text("A shop"));
app.get("/about", (c) => c.html("<!doctype html><title>About</title><p>A shop"));
app.route("/api", api);
app.get("/static/*", (c) => c.text(c.req.path.slice("/static/".length)));
app.get("/old", (c) => c.redirect("/about", 301));

export default app;
