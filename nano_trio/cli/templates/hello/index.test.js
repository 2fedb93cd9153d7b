import { app, describe, expect, it } from "nano:test";

describe("hello", () => {
  it("greets the world", async () => {
    const response = await app.fetch("/");
    expect(response.status).toBe(200);
    expect(await response.text()).toBe("Hello, world!\n");
  });

  it("greets by name", async () => {
    const response = await app.fetch("/?name=Ada");
    expect(await response.text()).toBe("Hello, Ada!\n");
  });
});
