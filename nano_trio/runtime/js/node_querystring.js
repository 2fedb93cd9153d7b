// node:querystring. Node.js API, Query string: https://nodejs.org/api/querystring.html
const { Buffer } = require("node:buffer");

function escape(text) {
  try {
    return encodeURIComponent(typeof text === "object" && text !== null ? String(text) : text);
  } catch {
    const error = new URIError("URI malformed");
    error.code = "ERR_INVALID_URI";
    throw error;
  }
}
/** What stands behind each % as a byte, where it is one. */
function unescapeBuffer(text) {
  const bytes = [];
  for (const byte of Buffer.from(String(text))) {
    bytes.push(byte);
    const length = bytes.length;
    if (length < 3 || bytes[length - 3] !== 0x25) continue;
    const digits = String.fromCharCode(bytes[length - 2], byte);
    if (/^[\da-f]{2}$/i.test(digits)) bytes.splice(length - 3, 3, parseInt(digits, 16) | 0x100);
  }
  // A % that was decoded begins nothing: until here it had a bit more.
  return Buffer.from(bytes.map((byte) => byte & 0xff));
}
function unescape(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return unescapeBuffer(text).toString();
  }
}

function textOf(value) {
  if (typeof value === "string") return value;
  if (typeof value === "number") return Number.isFinite(value) ? `${value}` : "";
  return typeof value === "bigint" || typeof value === "boolean" ? `${value}` : "";
}
function stringify(object, separator, equals, options) {
  const encode = options?.encodeURIComponent ?? querystring.escape;
  if (object === null || typeof object !== "object") return "";
  const pairs = [];
  for (const key of Object.keys(object)) {
    const name = encode(textOf(key)) + (equals || "=");
    const values = Array.isArray(object[key]) ? object[key] : [object[key]];
    for (const value of values) pairs.push(name + encode(textOf(value)));
  }
  return pairs.join(separator || "&");
}
function parse(text, separator, equals, options) {
  const result = Object.create(null);
  if (typeof text !== "string" || text === "") return result;
  const decode = options?.decodeURIComponent ?? querystring.unescape;
  const decoded = (part) => {
    const plain = part.replaceAll("+", " ");
    // What decodes nothing need not be asked.
    if (decode === unescape && !plain.includes("%")) return plain;
    try {
      return decode(plain);
    } catch {
      return unescape(plain);
    }
  };
  const sign = equals || "=";
  let pairs = text.split(separator || "&");
  const most = typeof options?.maxKeys === "number" ? options.maxKeys : 1000;
  if (most > 0) pairs = pairs.slice(0, most);
  for (const pair of pairs) {
    if (pair === "") continue;
    const at = pair.indexOf(sign);
    const key = decoded(at < 0 ? pair : pair.slice(0, at));
    const value = at < 0 ? "" : decoded(pair.slice(at + sign.length));
    if (!(key in result)) result[key] = value;
    else if (Array.isArray(result[key])) result[key].push(value);
    else result[key] = [result[key], value];
  }
  return result;
}
const querystring = { escape, unescape, unescapeBuffer, stringify, parse, encode: stringify, decode: parse };
module.exports = querystring;
