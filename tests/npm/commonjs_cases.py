"""The files of an app, most of them CommonJS: ``index.js`` tells what modules are given, see and export."""

from __future__ import annotations

from typing import Final

__all__ = ["FILES"]

INDEX: Final = r"""import def, * as ns from "./a.cjs";
import { one, two as zwei } from "./a.cjs";
import { createRequire } from "node:module";
import fn, * as fns from "fn";
import lit, { x } from "./lit.cjs";
import * as lits from "./lit.cjs";
import esm, { named, "a-b" as ab } from "./interop.cjs";
import * as interop from "./interop.cjs";
import * as star from "./star.cjs";
import * as babel from "./babel.cjs";
import cyc from "./cycle-a.cjs";
import dual, { kind } from "dual";
import usesesm from "./usesesm.cjs";
import self from "./self.cjs";
import json from "./data.json" with { type: "json" };
import * as throwing from "./getter.cjs";
import num, * as nums from "./number.cjs";
console.log(def, Object.keys(ns), one, zwei, def === ns.default);
console.log(fn(2), Object.keys(fns), fn.extra, fns.extra);
console.log(lit, x, lits.x);
console.log(esm, named, ab, Object.keys(interop), interop.default === esm);
console.log(Object.keys(star), star.s1, star.s2);
console.log(Object.keys(babel), babel.b1);
console.log(cyc);
console.log(dual, kind);
console.log(self);
console.log(throwing.bad, throwing.good);
console.log(num, Object.keys(nums));
const require = createRequire(import.meta.url);
console.log(require("./a.cjs") === def, require("dual").kind, require("fs") === process.getBuiltinModule("fs"));
console.log(require("./data.json"), require("./data.json") === require("./data"));
console.log(require("./dir"), require("./dir/"), require("./dir2"));
for (const bad of ["./nope", "nope", "./dir3", 5, "", "dual/hidden"]) {
  try { require(bad); console.log("?"); } catch (e) { console.log(bad, e.name, e.code, e.code === "MODULE_NOT_FOUND" && e.message.slice(0, 18)); }
}
console.log(require.main, typeof require.resolve, typeof require.cache, require.resolve("fs"), require.resolve("node:fs"), require.resolve.paths("fs"));
let count = 0;
globalThis.tick = () => ++count;
for (let i = 0; i < 2; i++) try { require("./throws.cjs"); } catch (e) { console.log(e.message, count); }
require("./once.cjs"); require("./once.cjs"); console.log(count);
delete require.cache[require.resolve("./once.cjs")]; require("./once.cjs"); console.log(count);
const late = await import("./late.cjs");
console.log(late.default, Object.keys(late), await late.default.load(), await late.default.pkg());
console.log(require("./sloppy.cjs"));
console.log(usesesm);
console.log(require("./noexports.cjs"), require("./primitive.cjs"));
console.log(typeof require("node:path").join, require("path") === require("node:path"));
console.log(require("./ret.cjs"), require("./bang.cjs"));
console.log(require("./modapi.cjs"));
console.log((await import("fn")).default === fn, (await import("./a.cjs")).one);
console.log(require("imp"), typeof global, global === globalThis, typeof setImmediate);
await import("./syntax.cjs").catch(e => console.log(e.name));
try { require("./syntax.cjs") } catch (e) { console.log(e.name) }
await import("./missing.mjs").catch(e => console.log(e.name, /no_such/.test(e.message)));
"""

FILES: Final = {
    "index.js": INDEX,
    "a.cjs": r"""exports.one = 1; exports.two = 2; exports["three"] = 3; module.exports.four = 4; exports.six = exports.seven = void 0;""",
    "babel.cjs": r""""use strict";
Object.defineProperty(exports, "__esModule", { value: true });
var _b = require("./babel1.cjs");
Object.keys(_b).forEach(function (key) {
  if (key === "default" || key === "__esModule") return;
  if (key in exports && exports[key] === _b[key]) return;
  Object.defineProperty(exports, key, { enumerable: true, get: function () { return _b[key]; } });
});""",
    "babel1.cjs": "exports.b1 = 1; exports.default = 5;",
    "bang.cjs": r"""#!/usr/bin/env node
exports.bang = __filename.length > 3""",
    "cycle-a.cjs": 'exports.early = 1; const b = require("./cycle-b.cjs"); exports.b = b; exports.late = 2;',
    "cycle-b.cjs": 'const a = require("./cycle-a.cjs"); exports.seen = { ...a };',
    "data.json": '{"a":[1,{"__proto__":2}]}',
    "data2.mjs": 'export default "late";',
    "dir/index.js": "export default 1",
    "dir/m.cjs": 'module.exports="main"',
    "dir/package.json": '{"main":"m.cjs"}',
    "dir2/index.json": '"index.json"',
    "dir3/x": "",
    "esm.mjs": "export const a = 1;",
    "esmdefault.mjs": "export default function f() {}; export const other = 2;",
    "esmsame.mjs": 'const whole = "whole"; export { whole as "module.exports" }; export default 2;',
    "getter.cjs": r"""Object.defineProperty(exports, "bad", { enumerable: true, get() { throw new Error("x") } }); exports.good = 1;""",
    "interop.cjs": r""""use strict"; Object.defineProperty(exports, "__esModule", { value: true }); exports.named = "n"; exports.default = "d"; exports["a-b"] = 3;""",
    "late.cjs": r"""exports.load = () => import("./data2.mjs").then((m) => m.default); exports.pkg = () => import("dual").then((m) => m.kind);""",
    "lit.cjs": 'const x = 1; module.exports = { x, "quoted": 2, ...require("./a.cjs") };',
    "missing.mjs": 'import { no_such } from "./a.cjs"; no_such',
    "modapi.cjs": r"""exports.before = module.loaded; exports.keys = Object.keys(module); exports.ctor = module.constructor.name; exports.len = require.length; exports.rkeys = Object.keys(require)""",
    "node_modules/dual/i.mjs": 'export default "import"; export const kind = "i";',
    "node_modules/dual/package.json": '{"name":"dual","exports":{".":{"import":"./i.mjs","require":"./r.cjs"},"./hidden":null}}',
    "node_modules/dual/r.cjs": 'exports.kind = "r";',
    "node_modules/fn/lib/index.js": 'module.exports = function (x) { return x + 1 }; module.exports.extra = require("./more");',
    "node_modules/fn/lib/more.json": '{"more":1}',
    "node_modules/fn/package.json": '{"name":"fn","main":"./lib"}',
    "node_modules/imp/main.js": r"""module.exports = [require("#own"), require("imp/package.json").name, require("imp") === module.exports];""",
    "node_modules/imp/own.cjs": 'module.exports = "own";',
    "node_modules/imp/package.json": r"""{"name":"imp","imports":{"#own":{"require":"./own.cjs","default":"./none.js"}},"exports":{".":"./main.js","./package.json":"./package.json"}}""",
    "noexports.cjs": "1;",
    "number.cjs": "module.exports = 5; module.exports.a = 1;",
    "once.cjs": "tick();",
    "other.js/index.json": '"dir named .js"',
    "package.json": '{"type":"module"}',
    "primitive.cjs": "module.exports = null;",
    "ret.cjs": "exports.a = 1; return; exports.b = 2;",
    "self.cjs": r"""module.exports = [this === exports, this === module.exports, typeof __filename, __filename.split("/").pop(), __dirname === require("path").dirname(__filename), module.id === __filename, module.filename === __filename, module.loaded, typeof module.paths, module.children.length, require.main === module, arguments.length, typeof require.resolve("./a.cjs"), require.cache[__filename] === module, module.require("./a.cjs").one, module.children.length]""",
    "sloppy.cjs": r"""var r = []; with ({ a: 1 }) { r.push(a) } undeclared_here = 5; r.push(undeclared_here, (function () { return this === globalThis })(), 010, delete globalThis.undeclared_here); var await = 3; r.push(await); module.exports = r;""",
    "star.cjs": r""""use strict";var __createBinding=(this&&this.__createBinding)||(Object.create?(function(o,m,k,k2){if(k2===undefined)k2=k;Object.defineProperty(o,k2,{enumerable:true,get:function(){return m[k];}});}):(function(o,m,k,k2){o[k2]=m[k];}));var __exportStar=(this&&this.__exportStar)||function(m,exports){for(var p in m)if(p!=="default"&&!Object.prototype.hasOwnProperty.call(exports,p))__createBinding(exports,m,p);};
Object.defineProperty(exports,"__esModule",{value:true});__exportStar(require("./star1.cjs"),exports);exports.s2=2;""",
    "star1.cjs": "exports.s1 = 1;",
    "syntax.cjs": r"""exports.a = 1;
let let = 3 +;""",
    "throws.cjs": 'tick(); throw new Error("thrown");',
    "usesesm.cjs": r"""const m = require("./esm.mjs"); const d = require("./esmdefault.mjs"); const s = require("./esmsame.mjs"); module.exports = [m.a, Object.keys(m), m[Symbol.toStringTag], d.default, d.__esModule, s, Object.keys(d), m === require("./esm.mjs"), d === require("./esmdefault.mjs")];""",
}
