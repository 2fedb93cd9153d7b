// URL Pattern Standard, sentence by sentence.

const COMPONENTS = ["protocol", "username", "password", "hostname", "port", "pathname", "search", "hash"];
const components = (pattern) => COMPONENTS.map((name) => pattern[name]);
const path = (pathname, options) => new URLPattern({ pathname }, options);
const groups = (pattern, input, ...rest) => {
  const result = pattern.exec(input, ...rest);
  return result && Object.entries(result.pathname.groups).flat();
};

test("the interface has the shape that WebIDL gives it", () => {
  isInterface("URLPattern", [...COMPONENTS, "hasRegExpGroups"], { test: 0, exec: 0 });
});

test("without input every component is a wildcard", () => {
  for (const pattern of [new URLPattern(), new URLPattern({}), new URLPattern(undefined)]) {
    equal(components(pattern), Array(8).fill("*"));
    equal(pattern.hasRegExpGroups, false);
    ok(pattern.test("https://user:pass@example.com:8080/a?b#c"));
    ok(pattern.test());
    ok(pattern.test({}));
  }
});

test("a dictionary names components; the others are wildcards", () => {
  const pattern = new URLPattern({ protocol: "https", hostname: "example.com", pathname: "/a" });
  equal(components(pattern), ["https", "*", "*", "example.com", "*", "/a", "*", "*"]);
  ok(pattern.test("https://example.com/a"));
  ok(pattern.test("https://u:p@example.com/a?q#f"));
  ok(!pattern.test("http://example.com/a"));
  ok(!pattern.test("https://example.com/b"));
  ok(!pattern.test("https://www.example.com/a"));
});

test("a constructor string with a hostname has an empty port unless one is given; a dictionary any", () => {
  equal(new URLPattern("https://a").port, "");
  equal(new URLPattern("https://a:*").port, "*");
  equal(new URLPattern({ protocol: "https", hostname: "a" }).port, "*");
});

test("a constructor string is parsed into components", () => {
  equal(components(new URLPattern("https://example.com/foo")), ["https", "*", "*", "example.com", "", "/foo", "*", "*"]);
  equal(components(new URLPattern("https://example.com/foo?a=b#c")), ["https", "*", "*", "example.com", "", "/foo", "a=b", "c"]);
  equal(components(new URLPattern("https://example.com")), ["https", "*", "*", "example.com", "", "*", "*", "*"]);
  equal(components(new URLPattern("https://example.com:8080/x")), ["https", "*", "*", "example.com", "8080", "/x", "*", "*"]);
  equal(components(new URLPattern("http{s}?://*.example.com/:name")), ["http{s}?", "*", "*", "*.example.com", "", "/:name", "*", "*"]);
  equal(components(new URLPattern("data\\:foobar")), ["data", "*", "*", "", "", "foobar", "*", "*"]);
  equal(components(new URLPattern("https://u\\:p@example.com/")), ["https", "u", "p", "example.com", "", "/", "*", "*"]);
});

test("a relative constructor string needs a base URL", () => {
  throws(TypeError, () => new URLPattern("/foo"));
  throws(TypeError, () => new URLPattern("foo"));
  equal(components(new URLPattern("/foo", "https://example.com")), ["https", "*", "*", "example.com", "", "/foo", "*", "*"]);
  equal(new URLPattern("foo", "https://example.com/a/b").pathname, "/a/foo");
  equal(components(new URLPattern("?q=:x", "https://example.com/a/b")), ["https", "*", "*", "example.com", "", "/a/b", "q=:x", "*"]);
  equal(components(new URLPattern("#h", "https://example.com/a?b")), ["https", "*", "*", "example.com", "", "/a", "b", "h"]);
});

test("the base URL of a dictionary fills what comes before", () => {
  const pattern = new URLPattern({ pathname: "x", baseURL: "https://example.com/a/b?q#f" });
  equal(components(pattern), ["https", "*", "*", "example.com", "", "/a/x", "*", "*"]);
  const all = new URLPattern({ baseURL: "https://example.com:8080/a/b?q#f" });
  equal(components(all), ["https", "*", "*", "example.com", "8080", "/a/b", "q", "f"]);
});

test("a base URL that does not parse throws", () => {
  throws(TypeError, () => new URLPattern("/a", "bad"));
  throws(TypeError, () => new URLPattern({ pathname: "/a", baseURL: "bad" }));
});

test("a dictionary with a base URL argument throws", () => {
  throws(TypeError, () => new URLPattern({ pathname: "/a" }, "https://example.com"));
  throws(TypeError, () => new URLPattern({}).test({ pathname: "/a" }, "https://example.com"));
  throws(TypeError, () => new URLPattern({}).exec({ pathname: "/a" }, "https://example.com"));
});

test("named groups match a segment", () => {
  const pattern = path("/books/:id/:part");
  equal(groups(pattern, "https://e.com/books/12/cover"), ["id", "12", "part", "cover"]);
  equal(groups(pattern, "https://e.com/books/12"), null);
  equal(groups(pattern, "https://e.com/books/1/2/3"), null);
  equal(groups(pattern, "https://e.com/books//x"), null, "a group is not empty");
  equal(groups(path("/:é_$1"), "https://e.com/x"), ["é_$1", "x"]);
});

test("wildcards are numbered", () => {
  equal(groups(path("/a/*/b/*"), "https://e.com/a/1/2/b/"), ["0", "1/2", "1", ""]);
  equal(groups(path("/*"), "https://e.com/"), ["0", ""]);
});

test("regular expression groups", () => {
  const pattern = path("/:year(\\d{4})/(a|b)");
  equal(pattern.hasRegExpGroups, true);
  equal(groups(pattern, "https://e.com/2024/b"), ["0", "b", "year", "2024"]);
  equal(groups(pattern, "https://e.com/24/b"), null);
  equal(path("/:x").hasRegExpGroups, false);
  equal(path("/*").hasRegExpGroups, false);
  equal(path("/(.*)").hasRegExpGroups, false, "the full wildcard in another form");
  equal(path("/(.*)").pathname, "/*");
});

test("a regular expression may hold what the v flag reserves in classes", () => {
  equal(groups(path("/(a/b)"), "https://e.com/a/b"), ["0", "a/b"]);
  equal(groups(path("/(a//b)"), "https://e.com/a//b"), ["0", "a//b"]);
  equal(groups(path("/(x-y|[\\/z])"), "https://e.com/x-y"), ["0", "x-y"]);
  equal(new URLPattern("https://(sub.)?example(.com/)foo").hostname, "(sub.)?example(.com/)foo");
});

test("modifiers", () => {
  const optional = path("/books/:id?");
  equal(groups(optional, "https://e.com/books/1"), ["id", "1"]);
  equal(groups(optional, "https://e.com/books"), ["id", undefined], "with the slash before it");
  equal(groups(optional, "https://e.com/books/"), null);
  const many = path("/books/:id+");
  equal(groups(many, "https://e.com/books/1/2/3"), ["id", "1/2/3"]);
  equal(groups(many, "https://e.com/books"), null);
  const any = path("/books/:id*");
  equal(groups(any, "https://e.com/books/1/2"), ["id", "1/2"]);
  equal(groups(any, "https://e.com/books"), ["id", undefined]);
});

test("braces group without capturing", () => {
  const pattern = path("/{foo}{/bar}?baz");
  ok(pattern.test("https://e.com/foo/barbaz"));
  ok(pattern.test("https://e.com/foobaz"));
  ok(!pattern.test("https://e.com/foo/bar"));
  equal(groups(path("/{:a-}?x"), "https://e.com/1-x"), ["a", "1"]);
  ok(path("{/foo}+").test("https://e.com/foo/foo"));
});

test("a backslash escapes", () => {
  ok(path("/\\:a\\*").test("https://e.com/:a*"));
  ok(!path("/\\:a").test("https://e.com/x"));
});

test("malformed patterns throw a TypeError", () => {
  for (const pathname of ["/(", "/{", "/:a(", "/(?bad)", "/((x))", "/(\\", "/{a{b}}", "/:a:a", "/:", "/(é)", "/+", "/?", "/x+"]) {
    throws(TypeError, () => path(pathname), pathname);
  }
  throws(TypeError, () => new URLPattern({ hostname: "a b" }));
  throws(TypeError, () => new URLPattern({ port: "x" }));
  throws(TypeError, () => new URLPattern({ protocol: "ü" }));
});

test("ignoreCase", () => {
  ok(!path("/foo").test("https://e.com/FOO"));
  ok(path("/foo", { ignoreCase: true }).test("https://e.com/FOO"));
  ok(new URLPattern("https://e.com/foo", { ignoreCase: true }).test("https://e.com/Foo"));
  ok(new URLPattern("/foo", "https://e.com", { ignoreCase: true }).test("https://e.com/Foo"));
});

test("components are canonicalised", () => {
  equal(path("/é/a b").pathname, "/%C3%A9/a%20b");
  equal(new URLPattern({ hostname: "EXAMPLE.com" }).hostname, "example.com");
  equal(new URLPattern({ hostname: "bücher.de" }).hostname, "xn--bcher-kva.de");
  equal(new URLPattern({ protocol: "HTTPS:" }).protocol, "https");
  equal(new URLPattern({ search: "?a=b" }).search, "a=b");
  equal(new URLPattern({ hash: "#a" }).hash, "a");
  equal(new URLPattern({ protocol: "https", port: "443" }).port, "");
  equal(new URLPattern({ protocol: "http", port: "443" }).port, "443");
  equal(path("/a/../b/./c").pathname, "/b/c");
  equal(new URLPattern({ protocol: "https", pathname: "/a%2fb" }).pathname, "/a%2fb");
});

test("test() and exec() take a string, a string with a base, or a dictionary", () => {
  const pattern = new URLPattern({ pathname: "/a/:x" });
  ok(pattern.test("https://e.com/a/1"));
  ok(pattern.test("/a/1", "https://e.com"));
  ok(pattern.test("1", "https://e.com/a/"));
  ok(pattern.test({ pathname: "/a/1" }));
  ok(pattern.test({ pathname: "1", baseURL: "https://e.com/a/" }));
  equal([pattern.test("/a/1"), pattern.test("bad"), pattern.test("/a/1", "bad"), pattern.exec("bad")], [false, false, false, null]);
  equal(pattern.test({ pathname: "/a/1", baseURL: "bad" }), false);
  equal(pattern.test({ pathname: "/b/1" }), false);
  ok(pattern.test(new URL("https://e.com/a/1")), "an object is a dictionary");
});

test("a URL object as input is read as a dictionary", () => {
  const result = new URLPattern({ hostname: "e.com" }).exec({ hostname: "e.com", pathname: "/p" });
  equal([result.hostname.input, result.pathname.input], ["e.com", "/p"]);
});

test("exec() tells each component's input and groups", () => {
  const pattern = new URLPattern("https://:sub.example.com/:page\\?q=:q#:h");
  const input = "https://www.example.com/home?q=1#top";
  const result = pattern.exec(input);
  equal(result.inputs, [input]);
  equal(Object.keys(result).sort(), ["inputs", ...COMPONENTS].sort());
  equal([result.hostname.input, result.hostname.groups.sub], ["www.example.com", "www"]);
  equal([result.pathname.input, result.pathname.groups.page], ["/home", "home"]);
  equal([result.search.input, result.search.groups.q], ["q=1", "1"]);
  equal([result.hash.input, result.hash.groups.h], ["top", "top"]);
  equal([result.protocol.input, Object.keys(result.protocol.groups).length], ["https", 0]);
  equal([result.port.input, result.username.input, result.username.groups["0"]], ["", "", ""]);
  const based = pattern.exec("/home?q=1#top", "https://www.example.com");
  equal(based.inputs, ["/home?q=1#top", "https://www.example.com"]);
  const dictionary = { protocol: "https", hostname: "www.example.com", pathname: "/x", search: "q=2", hash: "h" };
  const plain = pattern.exec(dictionary);
  equal([plain.inputs.length, plain.inputs[0].pathname, plain.search.groups.q], [1, "/x", "2"]);
});

test("hostnames: wildcards and IPv6", () => {
  ok(new URLPattern({ hostname: "*.example.com" }).test("https://a.b.example.com/"));
  ok(!new URLPattern({ hostname: "*.example.com" }).test("https://example.com/"));
  ok(new URLPattern({ hostname: "{*.}?example.com" }).test("https://example.com/"));
  ok(new URLPattern({ hostname: ":sub.example.com" }).test("https://a.example.com/"));
  ok(!new URLPattern({ hostname: ":sub.example.com" }).test("https://a.b.example.com/"));
  ok(new URLPattern({ hostname: "[\\:\\:1]" }).test("https://[::1]/"));
  equal(new URLPattern("https://[\\:\\:1]:8080/").port, "8080");
});

test("search and hash match exactly where they are given", () => {
  const pattern = new URLPattern({ search: "a=:v" });
  ok(pattern.test("https://e.com/?a=1"));
  ok(pattern.test("https://e.com/?a=1&b=2"), "a group of the search may hold anything");
  ok(!pattern.test("https://e.com/"));
  ok(new URLPattern({ search: "" }).test("https://e.com/"));
  ok(!new URLPattern({ search: "" }).test("https://e.com/?x"));
});

test("opaque paths", () => {
  const pattern = new URLPattern({ protocol: "data", pathname: "text/*" });
  ok(pattern.test("data:text/html,x"));
  ok(!pattern.test("data:image/png,x"));
});

test("canonical strings of the pattern", () => {
  equal(path("/{a}/{:b}/(c)").pathname, "/a/{:b}/(c)");
  equal(path("/:a(.*)").pathname, "/:a(.*)");
  equal(path("/:a([^\\/]+?)").pathname, "/:a");
  equal(path("/{:a}b").pathname, "/{:a}b");
  equal(path("/{a}?").pathname, "/{a}?");
});
