// node:path/win32. Node.js API, Path: https://nodejs.org/api/path.html#pathwin32
import { win32 as path } from "node:path";

export const {
  resolve, normalize, isAbsolute, join, relative, toNamespacedPath, dirname, basename, extname, format, parse, sep, delimiter,
  posix, win32,
} = path;
export default path;
