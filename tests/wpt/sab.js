// Served in place of /common/sab.js, which gets at SharedArrayBuffer through WebAssembly because browsers hide it. The
// engine has no WebAssembly, but SharedArrayBuffer in the open.
const createBuffer = (type, length) => {
  if (type === "ArrayBuffer") return new ArrayBuffer(length);
  if (type === "SharedArrayBuffer") return new SharedArrayBuffer(length);
  throw new Error(`${type} is no kind of buffer`);
};
