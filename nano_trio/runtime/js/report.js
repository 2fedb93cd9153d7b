// Reporting exceptions: HTML 8.1.4.6, https://html.spec.whatwg.org/#report-the-exception
(platform) => {
  "use strict";
  const { requireArguments, isObject } = platform.load("webidl");
  const { isError } = platform.statics.Error;
  const errorToString = platform.uncurry("Error", "toString");
  const indexOf = platform.uncurry("Array", "indexOf");
  const framesOf = platform.uncurry("Error", "framesOf");
  const find = platform.uncurry("String", "indexOf");
  const split = platform.uncurry("String", "split");
  const exec = platform.uncurry("RegExp", "exec");
  const repeat = platform.uncurry("String", "repeat");
  const slice = platform.uncurry("String", "slice");
  const endsWith = platform.uncurry("String", "endsWith");
  const lastIndexOf = platform.uncurry("String", "lastIndexOf");
  const host = platform.host("report");

  /** How deep `cause` and `errors` are followed, and how many of an AggregateError's errors are named. */
  const MAX_DEPTH = 8;
  const MAX_ERRORS = 10;
  /** UTF-16 units of a text or a stack that the host is told: it reads them while all other apps wait. */
  const MAX_LENGTH = 16384;
  let isReporting = false;

  /** The beginning of a text that is longer than the host is told, up to the end of a line if it has some. */
  function cut(text) {
    if (text.length <= MAX_LENGTH) return text;
    const end = lastIndexOf(text, "\n", MAX_LENGTH);
    return `${slice(text, 0, end > 0 ? end : MAX_LENGTH)}\n… (cut: ${text.length} characters)`;
  }
  /** What `read()` returns, or `otherwise` where a getter or a proxy of the app throws. */
  function guarded(read, otherwise) {
    try {
      return read();
    } catch {
      return otherwise;
    }
  }

  /** "Name: message" of an error; of anything else that was thrown, "Uncaught" and what it looks like. */
  function headOf(value) {
    return isError(value) ? guarded(() => errorToString(value), "Error") : `Uncaught ${describeValue(value)}`;
  }
  /** What a value looks like, in a message about it. Never throws. */
  function describeValue(value) {
    return cut(guarded(() => platform.load("console").inspect(value), `[${typeof value}]`));
  }
  /** What an error's stack has beside what the error says; each line with a break behind it. */
  function stackOf(value) {
    if (!isError(value)) return "";
    const stack = framesOf(value) ?? guarded(() => value.stack);
    if (typeof stack !== "string" || stack === "") return "";
    const lines = endsWith(stack, "\n") ? stack : `${stack}\n`;
    const head = headOf(value);
    const at = head === "" ? -1 : find(`\n${lines}`, `\n${head}\n`);
    return at < 0 ? lines : `${slice(lines, 0, at)}${slice(lines, at + head.length + 1)}`;
  }

  /** An error's stack, followed by its causes' stacks. */
  function traceOf(error) {
    let trace = stackOf(error);
    const seen = [error];
    for (let depth = 0; depth < MAX_DEPTH && isError(error); depth++) {
      const each = error;
      error = guarded(() => each.cause);
      if (error === undefined || indexOf(seen, error) >= 0) break;
      seen[seen.length] = error;
      const stack = stackOf(error);
      if (stack !== "") trace += `[cause] ${headOf(error)}\n${stack}`;
    }
    return cut(trace);
  }

  /** An error's text and its causes', each on a line of its own; `seen` stops circles. */
  function describe(error, depth, seen) {
    let text = headOf(error);
    if (!isError(error) || depth >= MAX_DEPTH) return text;
    seen[seen.length] = error;
    const add = (label, value) => {
      const described = indexOf(seen, value) < 0 ? describe(value, depth + 1, seen) : "[circular]";
      text += `\n${repeat("  ", depth + 1)}[${label}] ${described}`;
    };
    const cause = guarded(() => error.cause);
    if (cause !== undefined) add("cause", cause);
    const errors = guarded(() => error.errors);
    const count = isObject(errors) ? guarded(() => errors.length) : 0;
    for (let i = 0; i < count && i < MAX_ERRORS; i++) add(`errors[${i}]`, guarded(() => errors[i]));
    if (count > MAX_ERRORS) text += `\n${repeat("  ", depth + 1)}… ${count - MAX_ERRORS} more`;
    return text;
  }

  function textOf(error) {
    return cut(guarded(() => describe(error, 0, []), "Error"));
  }

  /** { filename, lineno, colno } of the innermost frame outside the platform's own files. */
  function locate(stack) {
    const lines = split(stack, "\n");
    for (let i = 0; i < lines.length; i++) {
      const match = exec(/\((?!nano:)(.+):(\d+):(\d+)\)$/, lines[i]);
      if (match !== null) return { __proto__: null, filename: match[1], lineno: +match[2], colno: +match[3] };
    }
    return { __proto__: null, filename: "", lineno: 0, colno: 0 };
  }

  /** Fire an ErrorEvent at the global object; true where a listener handled the exception. */
  function dispatch(error, stack) {
    const { ErrorEvent } = platform.load("event_types");
    const { filename, lineno, colno } = locate(stack);
    const init = { __proto__: null, cancelable: true, message: headOf(error), filename, lineno, colno, error };
    return !platform.load("event").fire(undefined, new ErrorEvent("error", init));
  }

  /** "Report an exception": to the global's error listeners, then to the app's log. Never throws. */
  function reportException(error) {
    const text = textOf(error);
    const stack = traceOf(error);
    // "In error reporting mode": what an error listener throws is only logged.
    if (!isReporting && platform.isLoaded("event") && platform.load("event").hasListeners(undefined, "error")) {
      isReporting = true;
      const isHandled = guarded(() => dispatch(error, stack), false);
      isReporting = false;
      if (isHandled) return;
    }
    host.exception(text, stack);
  }

  /** The rejection of a promise that nothing handles, to the app's log. Never throws. */
  function reportRejection(reason) {
    const text = isError(reason) ? textOf(reason) : describeValue(reason);
    host.exception(`Uncaught (in promise) ${text}`, traceOf(reason));
  }

  return {
    __proto__: null,
    reportError: function reportError(error) {
      requireArguments(arguments.length, 1, "Failed to execute 'reportError'");
      reportException(error);
    },
    reportException,
    reportRejection,
    /** [text, stack] of whatever was thrown, as the log shows it. Never throws. */
    describe: (error) => [textOf(error), traceOf(error)],
    describeValue,
  };
}
