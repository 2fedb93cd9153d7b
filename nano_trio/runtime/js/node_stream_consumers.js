// node:stream/consumers. Node.js API, Web Streams: https://nodejs.org/api/webstreams.html#utility-consumers
const { Buffer } = require("node:buffer");

async function partsOf(stream) {
  const parts = [];
  for await (const chunk of stream) parts.push(chunk);
  return parts;
}
const blob = async (stream) => new Blob(await partsOf(stream));
const arrayBuffer = async (stream) => (await blob(stream)).arrayBuffer();
const buffer = async (stream) => Buffer.from(await arrayBuffer(stream));
const bytes = async (stream) => new Uint8Array(await arrayBuffer(stream));
async function text(stream) {
  const decoder = new TextDecoder();
  let result = "";
  for await (const chunk of stream) result += typeof chunk === "string" ? chunk : decoder.decode(chunk, { stream: true });
  return result + decoder.decode();
}
const json = async (stream) => JSON.parse(await text(stream));
module.exports = { arrayBuffer, blob, buffer, bytes, json, text };
