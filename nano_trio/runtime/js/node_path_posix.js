// node:path/posix. Node.js API, Path: https://nodejs.org/api/path.html#pathposix
module.exports = require("node:path").posix;
