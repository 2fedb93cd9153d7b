// node:module: what there is of Node's modules. Node.js API, Module: https://nodejs.org/api/module.html
const builtinModules = modules.names().split(" ");
const isBuiltin = (name) => modules.isModule(`${name}`.replace(/^node:/, ""));
/** A `require` for Node's modules: an app's own are imported. */
function createRequire() {
  const own = (name) => require(name);
  own.resolve = (name) => {
    require(name);
    return name;
  };
  return own;
}
module.exports = { ...modules.refuse("module"), builtinModules, createRequire, isBuiltin };
