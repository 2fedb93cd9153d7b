// CommonJS: require(), and the modules that it runs. Node.js API, Modules: CommonJS modules, https://nodejs.org/api/modules.html
//
// A module is a function that the engine has compiled of its file (nano_trio/engine/commonjs.py says when). It runs here, in
// the app's turn, when it is first required, and stays in `require.cache` unless it throws. Files are named by their path
// in the app's folder, with a slash before it, as `import.meta.url` and `fileURLToPath` have it.
(platform) => {
  "use strict";
  const { Error, SyntaxError, TypeError } = platform.constructors;
  const { create, defineProperty, getOwnPropertyDescriptor, keys } = platform.statics.Object;
  const { apply } = platform.statics.Reflect;
  const { parse } = platform.statics.JSON;
  const { toStringTag } = platform.constructors.Symbol;
  const indexOf = platform.uncurry("String", "indexOf");
  const lastIndexOf = platform.uncurry("String", "lastIndexOf");
  const slice = platform.uncurry("String", "slice");
  const startsWith = platform.uncurry("String", "startsWith");
  const endsWith = platform.uncurry("String", "endsWith");
  const host = platform.host("commonjs");
  const ours = platform.load("modules")["nano:modules"]();

  /** `require.cache`: modules by their file names. */
  const cache = { __proto__: null };
  const extensions = { __proto__: null };
  /** Namespaces of the ES modules that may be required, by their files; and what requiring them gives. */
  const namespaces = { __proto__: null };
  const required = { __proto__: null };
  let main;

  function coded(error, code) {
    if (code !== "") {
      defineProperty(error, "code", { __proto__: null, value: code, writable: true, enumerable: true, configurable: true });
    }
    return error;
  }
  /** As push() does, but where an app has put a setter for an index on Object.prototype, that is not asked. */
  function append(list, value) {
    defineProperty(list, list.length, { __proto__: null, value, writable: true, enumerable: true, configurable: true });
  }
  /** The error that the host tells of, behind an exclamation mark. */
  function failure(told) {
    const space = indexOf(told, " ");
    const first = indexOf(told, "\n");
    const second = indexOf(told, "\n", first + 1);
    const name = slice(told, 1, space);
    const error = new (platform.constructors[name] ?? Error)(slice(told, first + 1, second));
    const frames = slice(told, second + 1);
    if (frames !== "") platform.load("stack").keep(error, frames);
    return coded(error, slice(told, space + 1, first));
  }
  function check(specifier) {
    if (typeof specifier !== "string") {
      throw coded(new TypeError('The "id" argument must be of type string'), "ERR_INVALID_ARG_TYPE");
    }
    if (specifier === "") {
      throw coded(new TypeError("The argument 'id' must be a non-empty string"), "ERR_INVALID_ARG_VALUE");
    }
    return specifier;
  }
  function folderOf(filename) {
    const at = lastIndexOf(filename, "/");
    return at <= 0 ? "/" : slice(filename, 0, at);
  }
  /** `node_modules` of each folder from there up. */
  function pathsOf(folder) {
    const paths = [];
    for (;;) {
      if (!endsWith(folder, "/node_modules")) append(paths, folder === "/" ? "/node_modules" : `${folder}/node_modules`);
      if (folder === "/") return paths;
      folder = folderOf(folder);
    }
  }

  function Module(id, parent) {
    this.id = id;
    this.path = folderOf(id);
    this.exports = {};
    this.filename = id;
    this.loaded = false;
    this.children = [];
    this.paths = pathsOf(this.path);
    defineProperty(this, "parent", { __proto__: null, value: parent, writable: true, configurable: true, enumerable: false });
  }
  defineProperty(Module.prototype, "require", {
    __proto__: null,
    value: function require(specifier) {
      return load(check(specifier), slice(this.filename, 1), this);
    },
    writable: true,
    configurable: true,
    enumerable: false,
  });

  function resolve(specifier, importer) {
    const found = host.resolve(specifier, importer);
    if (found[0] === "!") throw failure(found);
    return found;
  }
  function load(specifier, importer, parent) {
    const found = resolve(specifier, importer);
    return found[0] === ":" ? builtin(slice(found, 1)) : loadFile(slice(found, 1), parent);
  }
  function builtin(name) {
    if (startsWith(name, "node:")) return ours.require(name);
    if (name === "nano:rooms") return ours.rooms;
    if (name === "cloudflare:workers") return ours.cloudflare;
    throw coded(new Error(`cannot require "${name}": import it`), "ERR_REQUIRE_ESM");
  }
  function loadFile(target, parent) {
    const filename = `/${target}`;
    const known = cache[filename];
    if (known !== undefined) {
      if (parent !== undefined) adopt(parent, known);
      return known.exports;
    }
    const code = host.load(target, cache);
    if (code === "*") return moduleOf(target);
    if (typeof code === "string" && code[0] === "!") throw failure(code);
    const module = new Module(filename, parent);
    if (main === undefined && target === host.main()) {
      main = module;
      module.id = ".";
    }
    cache[filename] = module;
    if (parent !== undefined) adopt(parent, module);
    let done = false;
    try {
      if (typeof code === "string") module.exports = parse(slice(code, 1));
      else apply(code, module.exports, [module.exports, requireOf(target, module), module, filename, module.path]);
      done = true;
    } finally {
      if (!done) {
        delete cache[filename];
        if (parent !== undefined) parent.children.length--;
      }
    }
    module.loaded = true;
    return module.exports;
  }
  /** A module is among the children of who required it first. */
  function adopt(parent, module) {
    const { children } = parent;
    for (let i = 0; i < children.length; i++) if (children[i] === module) return;
    append(children, module);
  }
  /** What require() gives for an ES module: its namespace, or what that says instead. Node.js API, "Loading ECMAScript
   * modules using require()". */
  function moduleOf(target) {
    if (target in required) return required[target];
    const namespace = namespaces[target];
    if (namespace === undefined) {
      throw coded(
        new Error(
          `cannot require ${target}: it is an ES module, and those are evaluated before what requires them, where that is ` +
            "written out as require(\"…\") in a CommonJS module; import it instead",
        ),
        "ERR_REQUIRE_ESM",
      );
    }
    if ("module.exports" in namespace) return (required[target] = namespace["module.exports"]);
    if (!("default" in namespace) || "__esModule" in namespace) return (required[target] = namespace);
    const given = create(null);
    const names = keys(namespace);
    const mark = () => defineProperty(given, "__esModule", { __proto__: null, value: true, enumerable: true });
    let marked = false;
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (!marked && name > "__esModule") marked = mark() === given;
      defineProperty(given, name, { __proto__: null, get: () => namespace[name], enumerable: true });
    }
    if (!marked) mark();
    defineProperty(given, toStringTag, { __proto__: null, value: "Module" });
    return (required[target] = given);
  }

  /** A `require` for a file, of the module that is run of it, if any. */
  function requireOf(importer, module) {
    const require = (specifier) => load(check(specifier), importer, module);
    const resolved = (specifier) => {
      const found = resolve(check(specifier), importer);
      if (found[0] === "/") return found;
      return startsWith(specifier, "node:") ? specifier : slice(found, startsWith(found, ":node:") ? 6 : 1);
    };
    resolved.paths = (specifier) => {
      const found = ours.isModule(check(specifier));
      return found ? null : pathsOf(folderOf(`/${importer}`));
    };
    require.resolve = resolved;
    require.main = main;
    require.extensions = extensions;
    require.cache = cache;
    return require;
  }

  /** For the stand-in of a CommonJS module that is imported: `module.exports`, and what that has by these names. */
  function standIn(target, modules, names, known) {
    for (let i = 0; i < modules.length; i += 2) namespaces[modules[i]] = modules[i + 1];
    const exports = loadFile(target, undefined);
    const given = { __proto__: null, 0: exports };
    const has = exports !== null && (typeof exports === "object" || typeof exports === "function");
    for (let i = 0; i < names.length; i++) {
      const name = names[i];
      if (i < known) {
        if (!has || getOwnPropertyDescriptor(exports, name) === undefined) continue;
        try {
          given[i + 1] = exports[name];
        } catch {
          // A getter that throws leaves it undefined.
        }
      } else if (has && name in exports) {
        given[i + 1] = exports[name];
      } else {
        const error = new SyntaxError(`Could not find export '${name}' in module '${target}'`);
        platform.load("stack").keep(error, "");
        throw error;
      }
    }
    return given;
  }

  /** node:module's: a `require` for who is at a file name or URL. */
  function createRequire(from) {
    const text = typeof from === "string" ? from : from instanceof platform.load("url").URL ? from.href : undefined;
    let filename = text;
    if (text !== undefined && startsWith(text, "file:")) filename = ours.require("url").fileURLToPath(text);
    if (filename === undefined || filename[0] !== "/") {
      throw coded(
        new TypeError("The argument 'filename' must be a file URL object, file URL string, or absolute path string"),
        "ERR_INVALID_ARG_VALUE",
      );
    }
    return requireOf(slice(endsWith(filename, "/") ? `${filename}noop.js` : filename, 1), undefined);
  }

  return { __proto__: null, createRequire, standIn };
}
