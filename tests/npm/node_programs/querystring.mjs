import querystring, { escape, parse, stringify, unescape, unescapeBuffer } from "querystring";
const show = (value) => console.log(JSON.stringify(value));
for (const text of ["", "a", "a=1", "a=1&a=2&a=3", "&&", "=", "=1", "a=b=c", "a+b=c+d", "%61=%C3%A9", "a=%", "a=%E9", "a=%zz%41", "a&b&", "constructor=1", "__proto__=1", "a=%2525"]) {
  show([text, parse(text), Object.getPrototypeOf(parse(text)) === null]);
}
show(parse("a:1;b:2", ";", ":"));
show(parse("a==1&&b==2", "&&", "=="));
show(parse("a=1&b=2&c=3", null, null, { maxKeys: 2 }));
show(Object.keys(parse(Array.from({ length: 1200 }, (_, i) => `k${i}=1`).join("&"))).length);
show(Object.keys(parse(Array.from({ length: 1200 }, (_, i) => `k${i}=1`).join("&"), null, null, { maxKeys: 0 })).length);
show(parse("a=%41", null, null, { decodeURIComponent: (text) => text.toLowerCase() }));
show(parse("a=%E9", null, null, { decodeURIComponent() { throw new Error(); } }));
show(parse(5));
for (const value of [{ a: 1, b: [1, "x", true, null, undefined, NaN, 5n], c: {}, d: "é &=", e: [] }, null, "x", {}, { "": "" }, { a: Infinity, b: false }]) {
  show([stringify(value), stringify(value, ";", ":")]);
}
show(stringify({ a: "b c" }, null, null, { encodeURIComponent: (text) => `<${text}>` }));
show([escape("a b!'()*~-_.é€😀"), escape(5), escape({}), unescape("%41+%zz"), unescape("%E9"), unescapeBuffer("a%42%zz%").toString()]);
try {
  escape("\ud800");
} catch (error) {
  show([error.name, error.code, error.message]);
}
show([querystring.encode === querystring.stringify, querystring.decode === querystring.parse]);
