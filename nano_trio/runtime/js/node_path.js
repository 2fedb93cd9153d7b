// node:path, posix and win32. Node.js API, Path: https://nodejs.org/api/path.html
// One implementation: what separates parts, and what a root is, differ.
function check(value, name) {
  if (typeof value === "string") return;
  const error = new TypeError(`The "${name}" argument must be of type string. Received ${value === null ? "null" : typeof value}`);
  error.code = "ERR_INVALID_ARG_TYPE";
  throw error;
}

/** The parts of a path without "." and, as far as possible, "..". */
function normalizeParts(text, isSeparator, separator, allowAbove) {
  const parts = [];
  let part = "";
  for (let i = 0; i <= text.length; i++) {
    if (i < text.length && !isSeparator(text[i])) {
      part += text[i];
      continue;
    }
    if (part === "..") {
      if (parts.length > 0 && parts[parts.length - 1] !== "..") parts.pop();
      else if (allowAbove) parts.push("..");
    } else if (part !== "" && part !== ".") {
      parts.push(part);
    }
    part = "";
  }
  return parts.join(separator);
}

function make(windows) {
  const sep = windows ? "\\" : "/";
  const isSeparator = windows ? (c) => c === "/" || c === "\\" : (c) => c === "/";
  const isLetter = (c) => /^[A-Za-z]$/.test(c ?? "");

  /** [device, root separator or "", length of both]: ["C:", "\\", 3], ["\\\\host\\share", "\\", …], ["", "/", 1]. */
  function rootOf(path) {
    if (!windows) return path[0] === "/" ? ["", "/", 1] : ["", "", 0];
    if (isSeparator(path[0] ?? "")) {
      const unc = /^[\\/]{2}([^\\/]+)[\\/]+([^\\/]+)([\\/]|$)/.exec(path);
      if (unc !== null) return [`\\\\${unc[1]}\\${unc[2]}`, "\\", unc[0].length];
      return ["", "\\", 1];
    }
    if (isLetter(path[0]) && path[1] === ":") {
      const rooted = path.length > 2 && isSeparator(path[2]);
      return [path.slice(0, 2), rooted ? "\\" : "", rooted ? 3 : 2];
    }
    return ["", "", 0];
  }
  function normalize(path) {
    check(path, "path");
    if (path.length === 0) return ".";
    const [device, root, length] = rootOf(path);
    const trailing = isSeparator(path[path.length - 1]) && path.length > length;
    let tail = normalizeParts(path.slice(length), isSeparator, sep, root === "");
    if (tail === "" && root === "") tail = ".";
    if (tail !== "" && trailing) tail += sep;
    return device + root + tail;
  }
  function isAbsolute(path) {
    check(path, "path");
    return rootOf(path)[1] !== "";
  }
  function join(...paths) {
    let joined;
    for (const path of paths) {
      check(path, "path");
      if (path.length > 0) joined = joined === undefined ? path : joined + sep + path;
    }
    if (joined === undefined) return ".";
    // Only a first part that is a UNC path itself makes one.
    if (windows && /^[\\/]{2}/.test(joined)) {
      const first = paths.find((path) => path.length > 0);
      if (!/^[\\/]{2}[^\\/]/.test(first)) joined = "\\" + joined.replace(/^[\\/]+/, "");
    }
    return normalize(joined);
  }
  function resolve(...paths) {
    let device = "";
    let tail = "";
    let absolute = false;
    for (let i = paths.length - 1; i >= -1; i--) {
      let path;
      if (i >= 0) {
        path = paths[i];
        check(path, `paths[${i}]`);
        if (path.length === 0) continue;
      } else {
        path = windows ? "\\" : "/";
      }
      const [own, root, length] = rootOf(path);
      if (own !== "") {
        if (device !== "" && own.toLowerCase() !== device.toLowerCase()) continue;
        device = own;
      }
      if (!absolute) {
        tail = path.slice(length) + sep + tail;
        absolute = root !== "";
      }
      if (absolute && (!windows || device !== "")) break;
    }
    tail = normalizeParts(tail, isSeparator, sep, !absolute);
    return device + (absolute ? sep : "") + tail || ".";
  }
  function dirname(path) {
    check(path, "path");
    if (path.length === 0) return ".";
    const [device, root, length] = rootOf(path);
    let end = path.length;
    while (end > length && isSeparator(path[end - 1])) end--;
    while (end > length && !isSeparator(path[end - 1])) end--;
    // One separator belongs to the name; of two at the start, both are the root's.
    const isDoubled = !windows && end === 2 && length === 1;
    if (end > length) end--;
    if (end > length || isDoubled) return path.slice(0, isDoubled ? 2 : end);
    if (length > 0) return path.slice(0, length);
    return device + root || ".";
  }
  function basename(path, suffix) {
    check(path, "path");
    if (suffix !== undefined) check(suffix, "ext");
    const start = windows && isLetter(path[0]) && path[1] === ":" ? 2 : 0;
    let end = path.length;
    while (end > start && isSeparator(path[end - 1])) end--;
    let begin = end;
    while (begin > start && !isSeparator(path[begin - 1])) begin--;
    const name = path.slice(begin, end);
    return suffix && name.endsWith(suffix) && name !== suffix ? name.slice(0, -suffix.length) : name;
  }
  function extname(path) {
    const name = basename(path);
    const dot = name.lastIndexOf(".");
    return dot <= 0 || name === ".." ? "" : name.slice(dot);
  }
  function relative(from, to) {
    check(from, "from");
    check(to, "to");
    if (from === to) return "";
    from = resolve(from);
    to = resolve(to);
    const same = windows ? (a, b) => a.toLowerCase() === b.toLowerCase() : (a, b) => a === b;
    if (same(from, to)) return "";
    const [fromDevice] = rootOf(from);
    const [toDevice] = rootOf(to);
    if (!same(fromDevice, toDevice)) return to;
    const a = from.slice(fromDevice.length).split(sep).filter(Boolean);
    const b = to.slice(toDevice.length).split(sep).filter(Boolean);
    let common = 0;
    while (common < a.length && common < b.length && same(a[common], b[common])) common++;
    return [...a.slice(common).map(() => ".."), ...b.slice(common)].join(sep);
  }
  function parse(path) {
    check(path, "path");
    const length = rootOf(path)[2];
    const root = path.slice(0, length);
    const base = basename(path.slice(length));
    const ext = extname(base);
    let dir = path.slice(0, Math.max(length, path.length));
    let end = path.length;
    while (end > length && isSeparator(path[end - 1])) end--;
    while (end > length && !isSeparator(path[end - 1])) end--;
    dir = end > length ? path.slice(0, end - 1) : root;
    return { root, dir, base, ext, name: ext === "" ? base : base.slice(0, -ext.length) };
  }
  function format(parts) {
    if (parts === null || typeof parts !== "object") {
      const error = new TypeError('The "pathObject" argument must be of type object.');
      error.code = "ERR_INVALID_ARG_TYPE";
      throw error;
    }
    const dir = parts.dir || parts.root;
    const ext = parts.ext ? (parts.ext[0] === "." ? parts.ext : `.${parts.ext}`) : "";
    const base = parts.base || `${parts.name || ""}${ext}`;
    if (!dir) return base;
    return dir === parts.root ? dir + base : dir + sep + base;
  }
  function toNamespacedPath(path) {
    return path;
  }
  return {
    resolve, normalize, isAbsolute, join, relative, toNamespacedPath, dirname, basename, extname, format, parse,
    sep, delimiter: windows ? ";" : ":", win32: null, posix: null,
  };
}

const posix = make(false);
const win32 = make(true);
posix.posix = win32.posix = posix;
posix.win32 = win32.win32 = win32;
module.exports = posix;
