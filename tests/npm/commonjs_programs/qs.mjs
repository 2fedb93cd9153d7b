// packages: ["qs"]
import qs, * as all from "qs";
import { parse, stringify, formats } from "qs";
console.log(stringify({ a: { b: [1, 2] }, c: "é &", d: null }), stringify({ a: [1, 2] }, { arrayFormat: "repeat" }));
console.log(parse("a[b][]=1&a[b][]=2&c=%C3%A9&d[0][e]=f"), parse("?a=1", { ignoreQueryPrefix: true }));
console.log(Object.keys(all), formats.default, qs.parse === parse);
