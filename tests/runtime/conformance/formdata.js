// XMLHttpRequest Standard, section 4 (Interface FormData), sentence by sentence.

test("the interface has the shape that WebIDL gives it", () => {
  isInterface("FormData", [], { append: 2, delete: 1, get: 1, getAll: 1, has: 1, set: 2, entries: 0, forEach: 1, keys: 0, values: 0 });
  equal(FormData.prototype[Symbol.iterator], FormData.prototype.entries);
  equal(Object.getPrototypeOf(new FormData().keys())[Symbol.toStringTag], "FormData Iterator");
});

test("the constructor takes no form here", () => {
  equal(pairs(new FormData()), []);
  equal(pairs(new FormData(undefined)), []);
  for (const form of [null, {}, "x", 1, [], Symbol("x")]) throws(TypeError, () => new FormData(form), show(form));
});

test("operations need their arguments and receiver", () => {
  const data = new FormData();
  for (const [name, count] of [["append", 2], ["set", 2], ["get", 1], ["getAll", 1], ["has", 1], ["delete", 1], ["forEach", 1]]) {
    for (let i = 0; i < count; i++) throws(TypeError, () => data[name](...Array(i).fill("x")), name);
    throws(TypeError, () => FormData.prototype[name].call({}, "a", "b"), name);
  }
  for (const name of ["entries", "keys", "values"]) throws(TypeError, () => FormData.prototype[name].call({}), name);
});

test("append adds at the end", () => {
  const data = new FormData();
  equal(data.append("a", "1"), undefined);
  data.append("b", "2");
  data.append("a", "3");
  equal(pairs(data), [["a", "1"], ["b", "2"], ["a", "3"]]);
  equal([data.get("a"), data.get("b"), data.get("c")], ["1", "2", null]);
  equal(data.getAll("a"), ["1", "3"]);
  equal(data.getAll("c"), []);
  equal([data.has("a"), data.has("A"), data.has("c")], [true, false, false]);
});

test("set replaces the first and removes the others, or appends", () => {
  const data = new FormData();
  data.append("a", "1");
  data.append("b", "2");
  data.append("a", "3");
  equal(data.set("a", "4"), undefined);
  equal(pairs(data), [["a", "4"], ["b", "2"]]);
  data.set("c", "5");
  equal(pairs(data), [["a", "4"], ["b", "2"], ["c", "5"]]);
});

test("delete removes all of the name", () => {
  const data = new FormData();
  data.append("a", "1");
  data.append("b", "2");
  data.append("a", "3");
  equal(data.delete("a"), undefined);
  equal(pairs(data), [["b", "2"]]);
  data.delete("none");
  equal(pairs(data), [["b", "2"]]);
});

test("names and values are scalar value strings", () => {
  const data = new FormData();
  data.append(null, undefined);
  data.append(1, { toString: () => "o" });
  data.append("\ud800", "\udc00x");
  equal(pairs(data), [["null", "undefined"], ["1", "o"], ["\ufffd", "\ufffdx"]]);
  equal(data.get("\ud800"), "\ufffdx", "look-ups convert too");
  throws(TypeError, () => data.append("a", Symbol("x")));
  throws(TypeError, () => data.append(Symbol("x"), "a"));
});

test("line breaks are kept as they are", () => {
  const data = new FormData();
  data.append("a\n", "1\r2\n3");
  equal(pairs(data), [["a\n", "1\r2\n3"]]);
});

test("a Blob becomes a File named blob", async () => {
  const data = new FormData();
  data.append("f", new Blob(["x"], { type: "a/b" }));
  const file = data.get("f");
  ok(file instanceof File);
  equal([file.name, file.type, file.size, await file.text()], ["blob", "a/b", 1, "x"]);
  equal(data.get("f"), file, "the same object each time");
});

test("a File stays that File, unless a filename is given", async () => {
  const file = new File(["x"], "name", { type: "a/b", lastModified: 5 });
  const data = new FormData();
  data.append("f", file);
  equal(data.get("f"), file);
  data.set("f", file, "other");
  const renamed = data.get("f");
  ok(renamed !== file);
  equal([renamed.name, renamed.type, renamed.lastModified, await renamed.text()], ["other", "a/b", 5, "x"]);
  data.set("f", file, undefined);
  equal(data.get("f"), file, "undefined is no filename");
  data.set("f", new Blob(["y"]), "");
  equal(data.get("f").name, "");
  data.set("f", new Blob(["y"]), null);
  equal(data.get("f").name, "null");
  data.set("f", new Blob(["y"]), "\ud800/a");
  equal(data.get("f").name, "\ufffd/a");
});

test("a filename with a value that is no Blob throws", () => {
  const data = new FormData();
  throws(TypeError, () => data.append("a", "string", "name"));
  throws(TypeError, () => data.set("a", {}, "name"));
  throws(TypeError, () => data.append("a", null, undefined), "also where the filename is undefined");
  equal(pairs(data), []);
});

test("iteration is live and in order of insertion", () => {
  const data = new FormData();
  data.append("b", "1");
  data.append("a", "2");
  equal([...data.keys()], ["b", "a"]);
  equal([...data.values()], ["1", "2"]);
  const seen = [];
  for (const [name] of data) { seen.push(name); if (seen.length === 1) data.append("c", "3"); }
  equal(seen, ["b", "a", "c"]);
  const skipped = [];
  for (const [name] of data) { skipped.push(name); data.delete(name); }
  equal(skipped, ["b", "c"]);
});

test("forEach calls with value, name, object and this", () => {
  const data = new FormData(), self = {};
  data.append("a", "1");
  let called = 0;
  data.forEach(function (value, name, object) {
    called++;
    equal([value, name, object, this], ["1", "a", data, self]);
  }, self);
  equal(called, 1);
  for (const bad of [undefined, null, {}, "x"]) throws(TypeError, () => data.forEach(bad));
});
