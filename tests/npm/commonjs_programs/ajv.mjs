// packages: ["ajv"]
import ajv, * as all from "ajv";
import { Ajv, KeywordCxt } from "ajv";
import Draft from "ajv/dist/2020.js";
const schema = {
  type: "object",
  properties: { age: { type: "integer", minimum: 18 }, mail: { type: "string", pattern: "@" }, tags: { $ref: "#/$defs/tags" } },
  required: ["age", "mail"],
  additionalProperties: false,
  $defs: { tags: { type: "array", items: { enum: ["a", "b"] }, uniqueItems: true } },
};
const validate = new ajv.default({ allErrors: true }).compile(schema);
console.log(validate({ age: 20, mail: "a@b", tags: ["a", "b"] }), validate({ age: 3, x: 1, tags: ["c", "c"] }));
console.log(JSON.stringify(validate.errors), new Ajv().errorsText(validate.errors));
console.log(new Draft.default().validate({ prefixItems: [{ const: 1 }] }, [2]), typeof KeywordCxt, Object.keys(all));
