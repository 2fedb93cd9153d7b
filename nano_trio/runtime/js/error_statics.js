// Error.captureStackTrace(), which the engine lacks: https://tc39.es/proposal-error-capturestacktrace/
(platform) => {
  "use strict";
  const { statics, uncurry, constructors } = platform;
  const { getOwnPropertyDescriptor } = statics.Object;
  const { TypeError } = constructors;
  const { afterLine, frames, keep } = platform.load("stack");
  const indexOf = uncurry("String", "indexOf");

  return {
    __proto__: null,
    /** Give `object` the stack of now, without the frames down to that of the function `limit`, if it is among them. */
    captureStackTrace(object, limit) {
      if ((typeof object !== "object" || object === null) && typeof object !== "function") {
        throw new TypeError("Error.captureStackTrace: argument 1 must be an object");
      }
      // The first two frames are this function's and the one's that an app sees.
      let value = frames();
      value = afterLine(value, indexOf(value, "\n") + 1);
      const name = typeof limit === "function" ? getOwnPropertyDescriptor(limit, "name")?.value : undefined;
      if (typeof name === "string" && name !== "") {
        // A line's beginning that is found in `\n` + value is where that line begins in `value`.
        const at = indexOf(`\n${value}`, `\n    at ${name} (`);
        if (at >= 0) value = afterLine(value, at);
      }
      keep(object, value);
    },
  };
}
