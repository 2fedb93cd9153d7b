// What files of node:crypto and node:stream say of arguments: what is wrong with them, in Node's words.
const { inspect } = modules.node;

function fail(Type, code, message) {
  const error = new Type(message);
  error.code = code;
  throw error;
}
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
const outOfRange = (name, limits, value) => fail(RangeError, "ERR_OUT_OF_RANGE", `The value of "${name}" is out of range. It must be ${limits}. Received ${spaced(value)}`);
const wrongOption = (name, value) =>
  fail(TypeError, "ERR_INVALID_ARG_VALUE", `The property 'options.${name}' is invalid. Received ${inspect(value)}`);
/** From 2 ** 32 on, as Node writes it. */
const spaced = (number) => (Number.isInteger(number) && Math.abs(number) > 2 ** 32 ? String(number).replace(/\B(?=(\d{3})+$)/g, "_") : String(number));
const kindOf = (name) => (name.includes(".") ? "property" : "argument");
function checkInteger(value, name, least = Number.MIN_SAFE_INTEGER, most = Number.MAX_SAFE_INTEGER) {
  if (typeof value !== "number") wrongType(`"${name}" ${kindOf(name)}`, "of type number", value);
  if (!Number.isInteger(value)) outOfRange(name, "an integer", value);
  if (value < least || value > most) outOfRange(name, `>= ${least} && <= ${most}`, value);
}
function checkFunction(value, name) {
  if (typeof value !== "function") wrongType(`"${name}" argument`, "of type function", value);
}
function checkOptions(value, name = "options") {
  if (value === null || typeof value !== "object" || Array.isArray(value)) wrongType(`"${name}" argument`, "of type object", value);
}
/** `name`: of what is to be an AbortSignal, or like one. */
function checkSignal(value, name) {
  if (value === null || typeof value !== "object" || !("aborted" in value)) wrongType(`"${name}" ${kindOf(name)}`, "an instance of AbortSignal", value);
}
module.exports = { checkFunction, checkInteger, checkOptions, checkSignal, fail, inspect, outOfRange, received, wrongOption, wrongType };
