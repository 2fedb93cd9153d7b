// What the files of node:crypto that are loaded late say of arguments: their bytes, and what is wrong with them.
const { bytesOf } = platform.load("node_crypto_digests");
const { checkInteger, fail, inspect, wrongOption, wrongType } = platform.load("node_arguments");

const isBuffer = (value) => value instanceof ArrayBuffer || value instanceof SharedArrayBuffer;
const octets = (view) => new Uint8Array(view.buffer, view.byteOffset, view.byteLength);

/** The bytes of an argument, or those of a text. `what` names it; `more`: of what classes it may be besides. */
function bytesFrom(value, what, encoding, more = "") {
  if (typeof value === "string" || ArrayBuffer.isView(value) || isBuffer(value)) return octets(bytesOf(value, encoding));
  const classes = `of type string or an instance of ArrayBuffer, Buffer, TypedArray, ${more === "" ? "or DataView" : `DataView, ${more}`}`;
  return wrongType(what, classes, value);
}
module.exports = { bytesFrom, checkInteger, fail, inspect, octets, wrongOption, wrongType };
