// node:util/types. Node.js API, Util: https://nodejs.org/api/util.html#utiltypes
module.exports = require("node:util").types;
