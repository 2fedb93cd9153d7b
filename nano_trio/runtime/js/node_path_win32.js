// node:path/win32. Node.js API, Path: https://nodejs.org/api/path.html#pathwin32
module.exports = require("node:path").win32;
