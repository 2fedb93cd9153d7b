// node:assert, whose four oldest functions compare by ==, and its strict mode, where they do not.
// Node.js API, Assert: https://nodejs.org/api/assert.html
const { inspect } = require("node:util");
const { isDeepEqual, isDeepStrictEqual } = platform.load("node_comparison");

class AssertionError extends Error {
  constructor(options) {
    const { message, actual, expected, operator } = options;
    super(message ?? `${inspect(actual)} ${operator} ${inspect(expected)}`);
    Object.assign(this, { generatedMessage: message === undefined, code: "ERR_ASSERTION", actual, expected, operator });
  }
  get name() {
    return "AssertionError";
  }
}
function claim(holds, message, actual, expected, operator, generated) {
  if (holds) return;
  if (message instanceof Error) throw message;
  const error = new AssertionError({ message: message ?? generated, actual, expected, operator });
  error.generatedMessage = message === undefined;
  throw error;
}
function ok(value, message) {
  claim(value, message, value, true, "==", "The expression evaluated to a falsy value");
}
function strictEqual(actual, expected, message) {
  const generated = `Expected values to be strictly equal:\n\n${inspect(actual)} !== ${inspect(expected)}\n`;
  claim(Object.is(actual, expected), message, actual, expected, "strictEqual", generated);
}
function notStrictEqual(actual, expected, message) {
  const generated = `Expected "actual" to be strictly unequal to: ${inspect(expected)}`;
  claim(!Object.is(actual, expected), message, actual, expected, "notStrictEqual", generated);
}
function deepStrictEqual(actual, expected, message) {
  const generated = `Expected values to be strictly deep-equal:\n\n${inspect(actual)}\n\nshould equal\n\n${inspect(expected)}`;
  claim(isDeepStrictEqual(actual, expected), message, actual, expected, "deepStrictEqual", generated);
}
function notDeepStrictEqual(actual, expected, message) {
  const generated = `Expected "actual" not to be strictly deep-equal to: ${inspect(expected)}`;
  claim(!isDeepStrictEqual(actual, expected), message, actual, expected, "notDeepStrictEqual", generated);
}
/** By ==, but that NaN is itself. */
// eslint-disable-next-line eqeqeq -- what the looser comparison is
const isLooselyEqual = (a, b) => a == b || (a !== a && b !== b);
function equal(actual, expected, message) {
  claim(isLooselyEqual(actual, expected), message, actual, expected, "==");
}
function notEqual(actual, expected, message) {
  claim(!isLooselyEqual(actual, expected), message, actual, expected, "!=");
}
function deepEqual(actual, expected, message) {
  const generated = `Expected values to be loosely deep-equal:\n\n${inspect(actual)}\n\nshould loosely deep-equal\n\n${inspect(expected)}`;
  claim(isDeepEqual(actual, expected), message, actual, expected, "deepEqual", generated);
}
function notDeepEqual(actual, expected, message) {
  const generated = `Expected "actual" not to be loosely deep-equal to: ${inspect(expected)}`;
  claim(!isDeepEqual(actual, expected), message, actual, expected, "notDeepEqual", generated);
}
function match(text, pattern, message) {
  claim(typeof text === "string" && pattern.test(text), message, text, pattern, "match", `The input did not match ${pattern}. Input:\n\n${inspect(text)}\n`);
}
function doesNotMatch(text, pattern, message) {
  claim(typeof text !== "string" || !pattern.test(text), message, text, pattern, "doesNotMatch", `The input was expected to not match ${pattern}. Input:\n\n${inspect(text)}\n`);
}
function fail(message = "Failed") {
  claim(false, message, undefined, undefined, "fail");
}
function ifError(value) {
  if (value !== null && value !== undefined) claim(false, undefined, value, null, "ifError", `ifError got unwanted exception: ${value?.message ?? inspect(value)}`);
}
/** Whether an error is as expected: a class, a regular expression, a function that says so, an object of properties. */
function isExpected(error, expected) {
  if (expected === undefined || typeof expected === "string") return true;
  if (expected instanceof RegExp) return expected.test(String(error));
  if (typeof expected !== "function") {
    return Object.keys(expected).every((key) =>
      expected[key] instanceof RegExp && typeof error[key] === "string" ? expected[key].test(error[key]) : isDeepStrictEqual(error[key], expected[key]),
    );
  }
  if (expected.prototype !== undefined && error instanceof expected) return true;
  return !(expected === Error || Object.prototype.isPrototypeOf.call(Error, expected)) && expected(error) === true;
}
function judge(caught, expected, message, operator) {
  if (caught === undefined) {
    const missing = operator === "throws" ? "Missing expected exception." : "Missing expected rejection.";
    claim(false, (typeof expected === "string" ? expected : message) ?? missing, undefined, expected, operator);
  } else if (!isExpected(caught.error, expected)) {
    claim(false, message, caught.error, expected, operator, `The error is not the one that was expected: ${inspect(caught.error)}`);
  }
}
function throws(action, expected, message) {
  let caught;
  try {
    action();
  } catch (error) {
    caught = { error };
  }
  judge(caught, expected, message, "throws");
}
function doesNotThrow(action, message) {
  try {
    action();
  } catch (error) {
    claim(false, typeof message === "string" ? message : undefined, error, undefined, "doesNotThrow", `Got unwanted exception.\nActual message: "${error?.message}"`);
  }
}
async function rejects(action, expected, message) {
  let caught;
  try {
    await (typeof action === "function" ? action() : action);
  } catch (error) {
    caught = { error };
  }
  judge(caught, expected, message, "rejects");
}
async function doesNotReject(action, message) {
  try {
    await (typeof action === "function" ? action() : action);
  } catch (error) {
    claim(false, message, error, undefined, "doesNotReject", `Got unwanted rejection.\nActual message: "${error?.message}"`);
  }
}
function assert(value, message) {
  ok(value, message);
}
function strict(value, message) {
  ok(value, message);
}
const common = {
  AssertionError, ok, match, doesNotMatch, fail, ifError, throws, doesNotThrow, rejects, doesNotReject,
  strictEqual, notStrictEqual, deepStrictEqual, notDeepStrictEqual, strict,
};
Object.assign(strict, common, {
  equal: strictEqual, notEqual: notStrictEqual, deepEqual: deepStrictEqual, notDeepEqual: notDeepStrictEqual,
});
module.exports = Object.assign(assert, common, { equal, notEqual, deepEqual, notDeepEqual });
