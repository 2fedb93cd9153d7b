import path, { posix, win32 } from "path";
console.log(path === posix, path.sep, path.delimiter, win32.sep, win32.delimiter, posix.win32 === win32, path.basename === posix.basename);
const paths = ["", ".", "..", "/", "//", "a", "a/", "/a", "/a/b", "/a/b/", "a/b.c", "a/.b", ".b", "..b", "a.b.", "a..", "/a/../b", "a//b/./c/..", "../a/../../b", "./a", "/..", "a/b/../../..", "C:", "C:\\", "C:a", "C:\\a\\b.txt", "c:/a/../b", "\\\\host\\share\\dir\\f.e", "//host/share/x", "\\a", "a\\b/c", "\\\\host", "x:y:z", "file.tar.gz", "a/b///", "   ", "C:\\..\\a", "C:..\\a"];
for (const [name, p] of [["posix", posix], ["win32", win32]]) {
  for (const one of paths) {
    console.log(name, JSON.stringify([one, p.normalize(one), p.dirname(one), p.basename(one), p.basename(one, ".txt"), p.extname(one), p.isAbsolute(one)]));
  }
  if (name === "posix") for (const one of paths.filter((path) => path !== "/..")) console.log(name, JSON.stringify([p.parse(one), p.format(p.parse(one))]));
  for (const one of paths) for (const two of paths.slice(0, 22)) console.log(name, JSON.stringify([one, two, p.join(one, two)]));
  const roots = name === "posix" ? ["/", "/r/s"] : ["C:\\", "C:\\r\\s"];
  for (const root of roots) {
    for (const one of paths.slice(0, 22)) {
      console.log(name, JSON.stringify([p.resolve(root, one), p.relative(p.resolve(root, "a/b"), p.resolve(root, one)), p.relative(p.resolve(root, one), root)]));
    }
  }
}
console.log(posix.join(), posix.join("a", "", "b"), posix.resolve("/a", "/b", "c"), win32.resolve("C:\\a", "D:\\b", "c"), win32.relative("C:\\a", "D:\\b"), win32.join("\\\\host", "share"));
console.log(posix.format({ dir: "d", name: "n", ext: "x" }), posix.format({ root: "/", base: "b" }), win32.parse("C:\\a\\b.txt"), win32.parse("\\\\h\\s\\a"), posix.toNamespacedPath("a"));
for (const action of [() => path.join(5), () => path.resolve(null), () => path.basename("a", 5), () => path.format(1)]) {
  try {
    action();
  } catch (error) {
    console.log(error.name, error.code);
  }
}
for (const text of ["//a", "//a/", "///", "///a", "/x//a", "x//a", "x///a//", "//a/b", "////a//b", "//a//", "c:\\a\\\\b", "\\\\h\\s\\\\a"]) {
  console.log(posix.dirname(text), win32.dirname(text));
}
