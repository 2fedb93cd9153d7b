// packages: ["lodash"]
import _ from "lodash";
import chunk from "lodash/chunk.js";
import fp from "lodash/fp.js";
console.log(JSON.stringify(_.groupBy([1.1, 1.2, 2.3], Math.floor)), chunk([1, 2, 3], 2));
console.log(_.template("<% for (const name of names) { %><%- name %>;<% } %>")({ names: ["<a>", "b"] }));
console.log(_.cloneDeep(new Map([[1, { a: [new Date(0)] }]])), _.isEqual({ a: [1, NaN] }, { a: [1, NaN] }));
console.log(_.camelCase("an app of apps"), _.merge({ a: { b: 1 } }, { a: { c: 2 } }), fp.map((n) => n * 2)([1, 2]));
await new Promise((resolve) => _.debounce(resolve, 1)());
