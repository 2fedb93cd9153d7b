// node:stream/promises. Node.js API, Stream: https://nodejs.org/api/stream.html#streams-promises-api
module.exports = require("node:stream").promises;
