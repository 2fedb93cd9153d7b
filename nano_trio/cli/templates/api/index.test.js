import { app, describe, expect, it } from "nano:test";

/** @param {string} method @param {string} path @param {unknown} [body] */
const send = (method, path, body) =>
  app.fetch(path, {
    method,
    headers: body === undefined ? {} : { "content-type": "application/json" },
    body: body === undefined ? undefined : JSON.stringify(body),
  });

describe("tasks", () => {
  it("are made, changed, listed and removed", async () => {
    const made = await send("POST", "/tasks", { text: "Buy milk" });
    expect(made.status).toBe(201);
    const path = made.headers.get("location") ?? "";
    const { id } = await made.json();

    const changed = await send("PATCH", path, { done: true });
    expect(await changed.json()).toEqual({ id, text: "Buy milk", done: true });

    const listed = await send("GET", "/tasks");
    expect(await listed.json()).toEqual([{ id, text: "Buy milk", done: true }]);

    expect((await send("DELETE", path)).status).toBe(204);
    expect((await send("GET", path)).status).toBe(404);
  });

  it("need a text", async () => {
    expect((await send("POST", "/tasks", { text: " " })).status).toBe(400);
  });
});
