// The stack of errors: https://tc39.es/proposal-error-stacks/, whose text is as in V8, what the error says and then its frames.
//
// The engine's own errors have that from engine/builtins_errors.c, or else just the frames. Here is what the platform's
// are given, and how it looks where it is itself.
(platform) => {
  "use strict";
  const { statics, uncurry } = platform;
  const { defineProperty } = statics.Object;
  const { construct } = statics.Reflect;
  const { Error } = platform.constructors;
  const errorToString = uncurry("Error", "toString");
  const keep = uncurry("Error", "keepStack");
  const indexOf = uncurry("String", "indexOf");
  const endsWith = uncurry("String", "endsWith");
  const slice = uncurry("String", "slice");
  const startsWith = uncurry("String", "startsWith");

  /** Of an error that says nothing the stack is its frames. */
  function Silent() {}
  Silent.prototype = { __proto__: null, name: "", message: "" };

  /** What follows the line that `from` is in. */
  function afterLine(stack, from) {
    const end = indexOf(stack, "\n", from);
    return end < 0 ? "" : slice(stack, end + 1);
  }
  /** An error that says nothing, made where this is called. */
  const silent = () => construct(Error, [], Silent);
  /** Of such an error the frames behind that of who called silent(), without a line break at the end. */
  function framesOf(error) {
    const { stack } = error;
    const frames = afterLine(stack, indexOf(stack, "\n", indexOf(stack, "\n") + 1) + 1);
    return endsWith(frames, "\n") ? slice(frames, 0, -1) : frames;
  }

  return {
    __proto__: null,
    afterLine,
    silent,
    framesOf,
    /** The frames of now, from the caller's on. */
    frames: () => framesOf(silent()),
    /** Give `object` the stack that an error with these frames has: what it says is read with the stack, where we can. */
    keep(object, frames) {
      if (keep !== null) return keep(object, frames);
      const told = errorToString(object);
      const value = frames === "" ? told : `${told}\n${frames}`;
      defineProperty(object, "stack", { __proto__: null, value, writable: true, enumerable: false, configurable: true });
    },
    /** Of a stack what stands below `told`, which is what its error says. */
    below(told, stack) {
      if (stack === told) return "";
      return told !== "" && startsWith(stack, `${told}\n`) ? slice(stack, told.length + 1) : stack;
    },
  };
}
