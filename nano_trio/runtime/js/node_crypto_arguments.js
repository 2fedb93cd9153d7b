// What the files of node:crypto that are loaded late say of arguments: their bytes, and what is wrong with them.
const { bytesOf, fail } = platform.load("node_crypto_digests");
const { inspect } = modules.node;

const isBuffer = (value) => value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
const octets = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

function received(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "function") return `function ${value.name}`;
  if (typeof value === "object") {
    return value.constructor?.name ? `an instance of ${value.constructor.name}` : inspect(value, { depth: -1 });
  }
  const told = inspect(value);
  return `type ${typeof value} (${told.length > 28 ? `${told.slice(0, 25)}...` : told})`;
}
const wrongType = (what, expected, value) =>
  fail(TypeError, "ERR_INVALID_ARG_TYPE", `The ${what} must be ${expected}. Received ${received(value)}`);
const wrongOption = (name, value) =>
  fail(TypeError, "ERR_INVALID_ARG_VALUE", `The property 'options.${name}' is invalid. Received ${inspect(value)}`);
/** The bytes of an argument, or those of a text. `what` names it; `more`: of what classes it may be besides. */
function bytesFrom(value, what, encoding, more = "") {
  if (typeof value === "string" || ArrayBuffer.isView(value) || isBuffer(value)) return octets(bytesOf(value, encoding));
  const classes = `of type string or an instance of ArrayBuffer, Buffer, TypedArray, ${more === "" ? "or DataView" : `DataView, ${more}`}`;
  return wrongType(what, classes, value);
}
/** From 2 ** 32 on, as Node writes it. */
const spaced = (number) => (Number.isInteger(number) && Math.abs(number) > 2 ** 32 ? String(number).replace(/\B(?=(\d{3})+$)/g, "_") : String(number));
function checkInteger(value, name, least, most) {
  if (typeof value !== "number") wrongType(`"${name}" argument`, "of type number", value);
  if (Number.isInteger(value) && value >= least && value <= most) return;
  const limits = Number.isInteger(value) ? `>= ${least} && <= ${most}` : "an integer";
  fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${limits}. Received ${spaced(value)}`);
}
module.exports = { bytesFrom, checkInteger, fail, inspect, octets, wrongOption, wrongType };
