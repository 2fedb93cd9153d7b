// node:fs, refused: an app has no files. Node.js API, File system: https://nodejs.org/api/fs.html
const constants = Object.freeze({ F_OK: 0, X_OK: 1, W_OK: 2, R_OK: 4, COPYFILE_EXCL: 1, O_RDONLY: 0, O_WRONLY: 1, O_RDWR: 2 });
module.exports = { ...modules.refuse("fs"), constants, existsSync: () => false, promises: require("node:fs/promises") };
