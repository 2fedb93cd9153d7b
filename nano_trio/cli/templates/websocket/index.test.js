import { app, describe, expect, it } from "nano:test";

/** @param {import("nano:test").TestSocket} socket the client that waits for a message */
const said = async (socket) => JSON.parse(String(await socket.receive()));

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

  it("carries what is said to all who are in a room", async () => {
    const ada = await app.connect("/chat?name=Ada&room=kitchen");
    const elsewhere = await app.connect("/chat?name=Cid&room=cellar");
    const bob = await app.connect("/chat?name=Bob&room=kitchen");
    bob.send("hello");
    expect(await said(ada)).toEqual({ text: "Ada came in", present: 1 });
    for (const each of [ada, bob]) {
      expect(await said(each)).toEqual({ text: "Bob came in", present: 2 });
      expect(await said(each)).toEqual({ from: "Bob", text: "hello" });
    }
    await bob.close();
    expect(await said(ada)).toEqual({ text: "Bob left", present: 1 });
    expect(await said(elsewhere)).toEqual({ text: "Cid came in", present: 1 });
    await expect(elsewhere.receive({ timeout: 10 })).rejects.toThrow("no message came");
  });
});
