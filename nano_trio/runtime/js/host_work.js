// Work that the host begins and puts aside, for it takes long: it is started as an operation, the turn goes on, and in a later turn
// its result is taken. The other side is runtime/crypto_work.py, and what is like it.
//
// Where a file asks for such work its host has two functions more: `proceed(operation)` starts what was put aside, and tells how many
// bytes it holds meanwhile that count as the app's; `take(operation)` gives the answer. An answer is a value; null where the work was
// put aside; a number by which a large value is taken; or a string that says what is wrong. None passes through a promise of ours:
// what resolves one looks up `then`, where app code could intercept it.
(platform) => {
  "use strict";
  const { promiseThen, withResolvers, uncurry, makeError } = platform;
  const { ArrayBuffer } = platform.constructors;
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");

  /** What most hosts say of an error: "Name\nmessage". */
  function errorOf(answer) {
    const end = indexOf(answer, "\n");
    return makeError(slice(answer, 0, end), slice(answer, end + 1));
  }
  /** The value that an answer is, or stands for; an error is thrown, as `toError` makes it of the string. */
  function valueOf(answer, toError = errorOf) {
    if (typeof answer === "number") return platform.load("large").take(answer, false);
    if (typeof answer === "string") throw toError(answer);
    return answer;
  }
  /**
   * Hand the value to `finish`: now, where errors are thrown, or when the work is done, where `reject` is told them. `taken.bytes`: what
   * stands in the app's heap for what the host takes meanwhile; nobody else may have it.
   */
  function complete(host, answer, finish, reject, toError, taken) {
    if (answer !== null) {
      if (taken !== undefined) taken.bytes = undefined;
      return finish(valueOf(answer, toError));
    }
    taken ??= { __proto__: null, bytes: undefined };
    let operation;
    const done = platform.operation((id) => {
      operation = id;
      const held = host.proceed(id);
      if (held > 0) taken.bytes = new ArrayBuffer(held);
    });
    promiseThen(done, () => {
      // There is to be room for the value.
      taken.bytes = undefined;
      try {
        finish(valueOf(host.take(operation), toError));
      } catch (error) {
        reject(error);
      }
    }, reject);
  }
  /** A promise of what `convert` makes of the value, for files that need not keep it from the app. */
  function promised(host, answer, toError, taken, convert = (value) => value) {
    const { promise, resolve, reject } = withResolvers();
    try {
      complete(host, answer, (value) => resolve(convert(value)), reject, toError, taken);
    } catch (error) {
      reject(error);
    }
    return promise;
  }

  return { __proto__: null, valueOf, complete, promised };
}
