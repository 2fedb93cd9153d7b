// node:assert/strict. Node.js API, Assert: https://nodejs.org/api/assert.html#strict-assertion-mode
module.exports = require("node:assert").strict;
