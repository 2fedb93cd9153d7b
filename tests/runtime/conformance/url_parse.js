// URL.parse, which came to the URL Standard in 2024.

test("URL.parse returns null where the constructor throws", () => {
  const { value, enumerable } = Object.getOwnPropertyDescriptor(URL, "parse");
  equal([value.name, value.length, enumerable], ["parse", 1, true]);
  const url = URL.parse("a", "http://b");
  ok(url instanceof URL);
  equal(url.href, "http://b/a");
  equal([URL.parse("a"), URL.parse("a", "b"), URL.parse("http://a b")], [null, null, null]);
  throws(TypeError, () => URL.parse());
  URL.prototype.constructor = null;
  ok(URL.parse("x:") instanceof URL);
});
