// node:assert/strict. Node.js API, Assert: https://nodejs.org/api/assert.html#strict-assertion-mode
export * from "node:assert";
export { strict as default } from "node:assert";
