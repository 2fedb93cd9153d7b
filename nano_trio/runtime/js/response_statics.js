// Response.error() and Response.redirect(): Fetch, https://fetch.spec.whatwg.org/#response-class
(platform) => {
  "use strict";
  const { load, constructors } = platform;
  const { RangeError } = constructors;
  const { requireArguments, fail, USVString } = load("webidl_core");
  const { Response, INTERNAL, newState } = load("response");

  return {
    __proto__: null,
    error() {
      const state = newState(0, []);
      state.type = "error";
      state.isImmutable = true;
      return new Response(INTERNAL, state);
    },
    redirect(url, status = 302) {
      const context = "Failed to execute 'redirect' on 'Response'";
      if (arguments.length < 1) requireArguments(arguments.length, 1, context);
      url = USVString(url, context);
      status = load("webidl_numbers").unsignedShort(status, context);
      const href = load("urlparser").parse(url);
      if (href === null) fail(context, `Failed to parse URL from ${url}`);
      if (status !== 301 && status !== 302 && status !== 303 && status !== 307 && status !== 308) {
        throw new RangeError(`${context}: Invalid status code ${status}`);
      }
      const state = newState(status, ["location", href]);
      state.isImmutable = true;
      return new Response(INTERNAL, state);
    },
  };
}
