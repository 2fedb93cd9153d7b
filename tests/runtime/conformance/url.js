// URL Standard, sections 4 to 6, sentence by sentence.

const COMPONENTS = ["protocol", "username", "password", "host", "hostname", "port", "pathname", "search", "hash"];
const components = (url) => COMPONENTS.map((name) => url[name]);
const after = (url, name, value) => { const u = new URL(url); u[name] = value; return u.href; };
const parsed = (init) => pairs(new URLSearchParams(init));

test("the interface URL has the shape that WebIDL gives it", () => {
  isInterface("URL", ["href", "origin", "searchParams", ...COMPONENTS], { toString: 0, toJSON: 0 }, { canParse: 1 }, 1);
  for (const name of [...COMPONENTS, "href"]) {
    const { set } = Object.getOwnPropertyDescriptor(URL.prototype, name);
    equal([set.name, set.length], [`set ${name}`, 1]);
    throws(TypeError, () => set.call({}, "x"));
  }
  for (const name of ["origin", "searchParams"]) equal(Object.getOwnPropertyDescriptor(URL.prototype, name).set, undefined);
  throws(TypeError, () => URL.prototype.toString.call({}));
  throws(TypeError, () => URL.prototype.toJSON.call({}));
});

test("the interface URLSearchParams has the shape that WebIDL gives it", () => {
  isInterface("URLSearchParams", ["size"], { append: 2, delete: 1, get: 1, getAll: 1, has: 1, set: 2, sort: 0, toString: 0,
                                             entries: 0, forEach: 1, keys: 0, values: 0 });
  equal(URLSearchParams.prototype[Symbol.iterator], URLSearchParams.prototype.entries);
  for (const name of ["append", "delete", "get", "getAll", "has", "set", "sort", "toString"]) {
    throws(TypeError, () => URLSearchParams.prototype[name].call({}, "a", "b"), name);
  }
  for (const [name, count] of [["append", 1], ["set", 1], ["delete", 0], ["get", 0], ["getAll", 0], ["has", 0]]) {
    throws(TypeError, () => new URLSearchParams()[name](...Array(count).fill("a")), name);
  }
});

test("a URL has components", () => {
  const url = new URL("https://user:pass@example.com:8080/a/b?x=1#frag");
  equal(components(url), ["https:", "user", "pass", "example.com:8080", "example.com", "8080", "/a/b", "?x=1", "#frag"]);
  equal([url.href, String(url), url.toJSON(), JSON.stringify({ url })], [
    "https://user:pass@example.com:8080/a/b?x=1#frag", url.href, url.href, `{"url":"${url.href}"}`]);
  equal(components(new URL("http://h")), ["http:", "", "", "h", "h", "", "/", "", ""]);
  equal(components(new URL("http://h?#")), ["http:", "", "", "h", "h", "", "/", "", ""]);
  equal(components(new URL("http://u@[::1]:81")), ["http:", "u", "", "[::1]:81", "[::1]", "81", "/", "", ""]);
  equal(components(new URL("http://:p@h/?a?b#c#d?e")), ["http:", "", "p", "h", "h", "", "/", "?a?b", "#c#d?e"]);
  equal(components(new URL("foo://h?q")), ["foo:", "", "", "h", "h", "", "", "?q", ""]);
  equal(components(new URL("foo://h/a:b@c")), ["foo:", "", "", "h", "h", "", "/a:b@c", "", ""]);
});

test("URLs without a host", () => {
  equal(components(new URL("mailto:a@b?c#d")), ["mailto:", "", "", "", "", "", "a@b", "?c", "#d"]);
  equal(components(new URL("data:,a/b:c")), ["data:", "", "", "", "", "", ",a/b:c", "", ""]);
  equal(components(new URL("x:/ y")), ["x:", "", "", "", "", "", "/%20y", "", ""]);
  equal(components(new URL("x:y/ z")), ["x:", "", "", "", "", "", "y/ z", "", ""]);
  equal(components(new URL("file:///C|/x")), ["file:", "", "", "", "", "", "/C:/x", "", ""]);
  equal(components(new URL("web+x:/.//not-a-host/")), ["web+x:", "", "", "", "", "", "//not-a-host/", "", ""]);
  equal(new URL("web+x:/.//p").href, "web+x:/.//p");
});

test("parsing normalizes", () => {
  for (const [input, href] of [
    ["HTTP://EXAMPLE.com:80/../a/./b/%7Ef", "http://example.com/a/b/%7Ef"], ["  http://a/ \n", "http://a/"],
    ["ht\ntp://a\t/", "http://a/"], ["http:\\\\a\\b", "http://a/b"], ["http://0x7f.1/", "http://127.0.0.1/"],
    ["http://bücher.de/ü?ü#ü", "http://xn--bcher-kva.de/%C3%BC?%C3%BC#%C3%BC"], ["wss://a:443", "wss://a/"],
    ["http://a/\ud800?\udc00", "http://a/%EF%BF%BD?%EF%BF%BD"], ["http://[1:0:0::2]/", "http://[1::2]/"],
    ["http://a/?'", "http://a/?%27"], ["x://a/?'", "x://a/?'"], ["http://a/%", "http://a/%"],
  ]) equal(new URL(input).href, href, input);
});

test("what does not parse throws a TypeError, and canParse tells so", () => {
  for (const input of ["", "a", "/a", "//a", "http://", "http://a b/", "http://a:99999/", "http://[::/", "http://%00/", "1:a"]) {
    throws(TypeError, () => new URL(input), input);
    equal(URL.canParse(input), false, input);
  }
  equal([URL.canParse("x:"), URL.canParse("a", "http://b"), URL.canParse("a", "b"), URL.canParse("a", undefined)],
    [true, true, false, false]);
  throws(TypeError, () => new URL());
  throws(TypeError, () => URL.canParse());
  throws(TypeError, () => new URL("http://a", "bad"), "a bad base, though the URL needs none");
});

test("a base resolves relative references", () => {
  const base = "http://u:p@h:81/a/b?q#f";
  for (const [input, href] of [
    ["c", "http://u:p@h:81/a/c"], ["/c", "http://u:p@h:81/c"], ["//g", "http://g/"], ["?x", "http://u:p@h:81/a/b?x"],
    ["#x", "http://u:p@h:81/a/b?q#x"], ["", "http://u:p@h:81/a/b?q"], ["../../..", "http://u:p@h:81/"], ["x:y", "x:y"],
  ]) equal(new URL(input, base).href, href, input);
  equal(new URL("c", new URL("http://h/")).href, "http://h/c", "the base is converted to a string");
  equal(new URL("#x", "mailto:a").href, "mailto:a#x");
  throws(TypeError, () => new URL("x", "mailto:a"));
  throws(TypeError, () => new URL("x#y", "mailto:a"));
  equal(URL.canParse("x#y", "mailto:a"), false);
});

test("arguments are converted in order, once", () => {
  const order = [];
  const value = (name, string) => ({ toString() { order.push(name); return string; } });
  equal(new URL(value("url", "a"), value("base", "http://h")).href, "http://h/a");
  equal(order, ["url", "base"]);
  throws(TypeError, () => new URL(Symbol()));
});

test("origin", () => {
  for (const [url, origin] of [
    ["http://u@a:80/x", "http://a"], ["https://a:1", "https://a:1"], ["ws://a", "ws://a"], ["ftp://a", "ftp://a"],
    ["file:///a", "null"], ["data:,", "null"], ["foo://a", "null"], ["blob:https://a:1/b", "https://a:1"],
    ["blob:", "null"], ["blob:ftp://a", "null"], ["blob:blob:https://a", "null"],
  ]) equal(new URL(url).origin, origin, url);
});

test("setters change one component", () => {
  const url = "https://u:p@h:81/a?b#c";
  for (const [name, value, href] of [
    ["protocol", "http", "http://u:p@h:81/a?b#c"], ["protocol", "http:x", "http://u:p@h:81/a?b#c"],
    ["username", "é:", "https://%C3%A9%3A:p@h:81/a?b#c"], ["username", "", "https://:p@h:81/a?b#c"],
    ["password", "", "https://u@h:81/a?b#c"], ["password", "@", "https://u:%40@h:81/a?b#c"],
    ["host", "x:82", "https://u:p@x:82/a?b#c"], ["host", "x", "https://u:p@x:81/a?b#c"],
    ["hostname", "ü", "https://u:p@xn--tda:81/a?b#c"], ["port", "443", "https://u:p@h/a?b#c"], ["port", "", "https://u:p@h/a?b#c"],
    ["port", "82x", "https://u:p@h:82/a?b#c"], ["port", 83, "https://u:p@h:83/a?b#c"], ["pathname", "x y?", "https://u:p@h:81/x%20y%3F?b#c"],
    ["search", "?x=ü", "https://u:p@h:81/a?x=%C3%BC#c"], ["search", "", "https://u:p@h:81/a#c"], ["search", "?", "https://u:p@h:81/a?#c"],
    ["hash", "x", "https://u:p@h:81/a?b#x"], ["hash", "", "https://u:p@h:81/a?b"], ["hash", "\ud800", "https://u:p@h:81/a?b#%EF%BF%BD"],
  ]) equal(after(url, name, value), href, `${name} = ${value}`);
});

test("setters leave out what is invalid", () => {
  const url = "https://u:p@h:81/a?b#c";
  for (const [name, value] of [
    ["protocol", "foo"], ["protocol", "1"], ["protocol", ""], ["host", ""], ["host", "a b"], ["hostname", "x:1"], ["hostname", "["],
    ["port", "x"], ["port", "99999"], ["port", "-1"], ["port", "%31"], ["port", "\t"],
  ]) equal(after(url, name, value), url, `${name} = ${value}`);
  for (const [name, value] of [["username", "u"], ["port", "1"], ["protocol", "https"], ["host", "h"], ["pathname", "/x"]]) {
    equal(after("mailto:a", name, value), "mailto:a", `${name} of mailto:`);
  }
  equal(after("file:///a", "port", "1"), "file:///a");
});

test("a host for a URL that has none", () => {
  for (const [url, name, value, href] of [
    ["foo:/a", "hostname", "", "foo:///a"], ["foo:/a", "host", "h", "foo://h/a"], ["foo:///a?b", "host", "h:1", "foo://h:1/a?b"],
    ["web+x:/.//p", "host", "h", "web+x://h//p"], ["web+x:/.//p", "host", "a^b", "web+x:/.//p"], ["foo:", "host", "h", "foo:"],
  ]) equal(after(url, name, value), href, `${url} ${name} = ${value}`);
});

test("the href setter replaces everything or throws", () => {
  const url = new URL("http://a/?x=1");
  const { searchParams } = url;
  url.href = "https://b/?y=2";
  equal([url.href, pairs(searchParams)], ["https://b/?y=2", [["y", "2"]]]);
  throws(TypeError, () => { url.href = "bad"; });
  equal([url.href, pairs(searchParams)], ["https://b/?y=2", [["y", "2"]]]);
});

test("searchParams and the URL follow each other", () => {
  const url = new URL("http://a/p?x=1&y=%20#h");
  const { searchParams } = url;
  equal(url.searchParams, searchParams, "the same object");
  equal(pairs(searchParams), [["x", "1"], ["y", " "]]);
  searchParams.append("z", "ü&");
  equal(url.href, "http://a/p?x=1&y=+&z=%C3%BC%26#h");
  url.search = "?q=1";
  equal(pairs(searchParams), [["q", "1"]]);
  url.hash = "";
  searchParams.delete("q");
  equal(url.href, "http://a/p");
  searchParams.set("a", "b");
  equal([url.search, url.href], ["?a=b", "http://a/p?a=b"]);
  url.pathname = "/z";
  searchParams.sort();
  equal(url.href, "http://a/z?a=b");
});

test("a query is left as written until searchParams changes it", () => {
  const url = new URL("http://a/?x=%20&y=~");
  equal([url.searchParams.get("x"), url.href], [" ", "http://a/?x=%20&y=~"]);
  url.searchParams.delete("none");
  equal(url.href, "http://a/?x=+&y=%7E");
});

test("URLSearchParams from strings", () => {
  for (const [init, list] of [
    ["", []], ["?", []], ["?a=b", [["a", "b"]]], ["??a", [["?a", ""]]], ["a&&b=&=c&=", [["a", ""], ["b", ""], ["", "c"], ["", ""]]],
    ["a=b=c", [["a", "b=c"]]], ["a+b=%2B+", [["a b", "+ "]]], ["%61=%zz%", [["a", "%zz%"]]], ["a=%ff%e2%82", [["a", "��"]]],
    ["a=%EF%BB%BFx", [["a", "\ufeffx"]]], ["é=\ud800", [["é", "�"]]], [null, [["null", ""]]], [12, [["12", ""]]], [undefined, []],
  ]) equal(parsed(init), list, String(init));
});

test("URLSearchParams from sequences, records and iterables", () => {
  equal(parsed([["a", "1"], ["a", 2]]), [["a", "1"], ["a", "2"]]);
  equal(parsed({ b: 1, a: "ü" }), [["b", "1"], ["a", "ü"]]);
  equal(parsed(new Map([["x", "y"]])), [["x", "y"]]);
  equal(parsed(new URLSearchParams("a=1&a=2")), [["a", "1"], ["a", "2"]]);
  equal(parsed([new Set(["k", "v"])]), [["k", "v"]]);
  equal(parsed({ "\ud800": "1", "\udc00": "2" }), [["�", "2"]], "names that become the same");
  equal(parsed(Object.defineProperty(["no"], Symbol.iterator, { value: undefined })), [["0", "no"]]);
  equal(parsed(function* () { yield 1; }), []);
  for (const init of [[["a"]], [["a", "b", "c"]], [1], ["ab1"], { [Symbol.iterator]: 1 }]) throws(TypeError, () => parsed(init));
  throws(TypeError, () => parsed(Symbol()));
  equal(parsed(["ab"].map((pair) => Object(pair))), [["a", "b"]]);
});

test("get, getAll, has, size", () => {
  const params = new URLSearchParams("a=1&b=2&a=3");
  equal([params.get("a"), params.get("c"), params.size], ["1", null, 3]);
  equal(params.getAll("a"), ["1", "3"]);
  equal(params.getAll("c"), []);
  equal([params.has("a"), params.has("a", "3"), params.has("a", "2"), params.has("c"), params.has("a", undefined)],
    [true, true, false, false, true]);
});

test("append, set, delete", () => {
  const params = new URLSearchParams("a=1&b=2&a=3&a=4");
  params.delete("a", "3");
  equal(params.toString(), "a=1&b=2&a=4");
  params.set("a", "5");
  equal(params.toString(), "a=5&b=2");
  params.set("c", "6");
  params.append("b", undefined);
  equal(params.toString(), "a=5&b=2&c=6&b=undefined");
  params.delete("b", undefined);
  equal(params.toString(), "a=5&c=6");
});

test("sort is stable, by code units of the names", () => {
  const sorted = (text) => { const p = new URLSearchParams(text); p.sort(); return pairs(p).map(([name, value]) => name + value); };
  equal(sorted("z=b&a=b&z=a&a=a"), ["ab", "aa", "zb", "za"]);
  equal(sorted("ﬃ&🌈"), ["🌈", "ﬃ"], "the surrogates of a rainbow come first");
  equal(sorted("é&e\ufffd&\u0000&"), ["\u0000", "e\ufffd", "é"]);
});

test("the serializer", () => {
  equal(new URLSearchParams([["a b", "*-._~"], ["!'()", "é\u0000"]]).toString(), "a+b=*-._%7E&%21%27%28%29=%C3%A9%00");
  equal(new URLSearchParams([["", ""], ["a", ""]]).toString(), "=&a=");
  equal(String(new URLSearchParams()), "");
});

test("iteration is live", () => {
  const params = new URLSearchParams("a=1&b=2&c=3");
  const seen = [];
  for (const [name] of params) { seen.push(name); params.delete(name); }
  equal(seen, ["a", "c"]);
  equal([...params.keys()], ["b"]);
  equal([...params.values()], ["2"]);
  const calls = [];
  params.forEach(function (...args) { calls.push(this, ...args); }, "this");
  equal(calls.map(String), ["this", "2", "b", "b=2"]);
  equal(Object.prototype.toString.call(params.entries()), "[object URLSearchParams Iterator]");
});

test("a conversion that changes the list meets the changed list", () => {
  const url = new URL("http://a/?x=1");
  url.searchParams.append("y", { toString() { url.search = "?z=3"; return "2"; } });
  equal(url.href, "http://a/?z=3&y=2");
});

test("long URLs and queries", () => {
  const long = "é".repeat(50000);
  equal(new URL(`http://a/?q=${long}`).searchParams.get("q"), long);
  equal(new URLSearchParams({ long }).toString().length, 5 + 300000);
});

test("a patched platform changes nothing", () => {
  const url = new URL("http://a.b:81/c?d=%65&a=1");
  for (const name of ["indexOf", "substring", "split", "replaceAll", "toWellFormed"]) String.prototype[name] = () => fail("patched");
  for (const name of ["push", "sort", "splice", "map", "filter", "includes"]) Array.prototype[name] = () => fail("patched");
  RegExp.prototype.exec = () => fail("patched");
  Object.defineProperty(URL.prototype, "search", { get: () => fail("patched") });
  Object.prototype.then = Object.prototype.get = undefined;
  equal([url.host, url.pathname, url.searchParams.get("d"), url.origin], ["a.b:81", "/c", "e", "http://a.b:81"]);
  url.searchParams.sort();
  url.searchParams.append("é", "~");
  equal(url.href, "http://a.b:81/c?a=1&d=e&%C3%A9=%7E");
});
