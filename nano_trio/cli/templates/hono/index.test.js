import { app, describe, expect, it } from "nano:test";

describe("routes", () => {
  it("greet", async () => {
    const response = await app.fetch("/");
    expect(await response.text()).toBe("Hello from Hono!\n");
  });

  it("know users", async () => {
    const response = await app.fetch("/users/ada", { headers: { "user-agent": "test" } });
    expect(await response.json()).toEqual({ name: "ada", agent: "test" });
  });

  it("say what is not there", async () => {
    const response = await app.fetch("/nowhere");
    expect(response.status).toBe(404);
    expect(await response.json()).toEqual({ error: "there is no /nowhere" });
  });
});
