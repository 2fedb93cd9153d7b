// Operations: work of the host whose result arrives in a later turn.
(platform) => {
  "use strict";
  const { uncurry, constructors, entries, withResolvers, makeError } = platform;
  const get = uncurry("Map", "get");
  const set = uncurry("Map", "set");
  const remove = uncurry("Map", "delete");
  const operations = new constructors.Map();
  let last = 0;

  /**
   * Start host work: `start(id)` passes the id to a host function, which settles it in a later turn.
   * Returns a promise; a failure [name, message] rejects it with a TypeError, RangeError, or DOMException of that name.
   */
  function operation(start) {
    const id = ++last;
    const { promise, resolve, reject } = withResolvers();
    set(operations, id, [resolve, reject]);
    start(id);
    return promise;
  }

  entries.settle = (id, succeeded, value, message) => {
    const resolvers = get(operations, id);
    if (resolvers === undefined) return;
    remove(operations, id);
    if (succeeded) resolvers[0](value);
    else resolvers[1](makeError(value, message));
  };

  return { __proto__: null, operation };
}
