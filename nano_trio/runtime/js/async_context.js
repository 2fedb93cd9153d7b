// What is current for an app's code, and stays so for what that code arranges: what node_async_hooks.js needs of the
// platform. Loaded with the first AsyncLocalStorage of an app. It gives an app nothing but what is current for itself.
//
// Behind `await` the engine itself goes on with what was current, and `then` wraps what it is given
// (engine/builtins_awaits.c); where that cannot be had, async_context_getters.js does what it can. The callbacks of timers,
// and such, are wrapped where the platform takes them: platform.bind. Returns
//   current(): what is current, an object; or undefined;
//   change(value): that is current from now on;
//   run(value, function, ...arguments): it is, while the function is called;
//   bind(callback): a function that calls the callback while what is current now is so again.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const { apply } = platform.statics.Reflect;
  const { defineProperty } = platform.statics.Object;

  function ofEngine() {
    const bind = uncurry("Await", "bind");
    const { prototype } = platform.constructors.Promise;
    const replaced = prototype.then;
    if (!uncurry("Await", "begin")(replaced)) {
      const { then } = {
        then(fulfilled, rejected) {
          return apply(replaced, this, [bind(fulfilled), bind(rejected)]);
        },
      };
      defineProperty(prototype, "then", { __proto__: null, value: then });
    }
    return {
      __proto__: null,
      current: uncurry("Await", "current"),
      change: uncurry("Await", "change"),
      run: uncurry("Await", "run"),
      bind,
    };
  }

  const context = platform.host("async_context").isKept() ? ofEngine() : platform.load("async_context_getters");
  platform.bind = context.bind;
  return context;
}
