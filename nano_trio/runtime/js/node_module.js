// node:module: what there is of Node's modules. Node.js API, Module: https://nodejs.org/api/module.html
const builtinModules = modules.names().split(" ");
const isBuiltin = (name) => modules.isModule(`${name}`.replace(/^node:/, ""));
const createRequire = (filename) => modules.createRequire(filename);
module.exports = { ...modules.refuse("module"), builtinModules, createRequire, isBuiltin };
