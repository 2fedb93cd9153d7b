import { app, describe, expect, it } from "nano:test";

describe("chat", () => {
  it("has a page", async () => {
    const response = await app.fetch("/");
    expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
    expect(await response.text()).toContain("<title>Chat</title>");
  });

  it("takes only WebSockets that say who they are", async () => {
    const plain = await app.fetch("/chat?name=Ada");
    expect(plain.status).toBe(426);
    const nameless = await app.fetch("/chat?name=%20", { headers: { upgrade: "websocket" } });
    expect(nameless.status).toBe(400);
  });
});
