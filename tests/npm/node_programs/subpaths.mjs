import strict, { deepEqual, equal } from "assert/strict";
import posix, { join } from "path/posix";
import windows, { join as joinWindows, sep } from "path/win32";
import types, { isDate, isPromise, isUint8Array } from "util/types";
console.log(join("a", "..", "b"), posix.sep, joinWindows("a", "..", "b"), sep, windows.posix === posix, windows.win32 === windows);
console.log(isDate(new Date()), isPromise(Promise.resolve()), isUint8Array(new Uint8Array()), types.isDate === isDate, isDate({}));
for (const action of [() => equal(1, "1"), () => deepEqual([1], ["1"]), () => strict.equal(1, 1), () => strict(0)]) {
  try {
    console.log(action());
  } catch (error) {
    console.log(error.name, error.code);
  }
}
