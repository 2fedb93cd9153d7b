// Members of Response that few apps use: Fetch, https://fetch.spec.whatwg.org/#response-class
(platform) => {
  "use strict";
  const { load, uncurry } = platform;
  const { fail } = load("webidl_core");
  const { isUnusable } = load("body");
  const { membersOf } = load("body_members");
  const { Response, INTERNAL, stateOf } = load("response");
  const indexOf = uncurry("String", "indexOf");
  const substring = uncurry("String", "substring");

  return {
    __proto__: null,
    ...membersOf(stateOf),
    clone() {
      const state = stateOf(this);
      if (isUnusable(state)) fail("Failed to execute 'clone' on 'Response'", "The body has been read already or is locked.");
      return new Response(INTERNAL, load("body_source").cloneResponse(state));
    },
    redirected() {
      return stateOf(this).redirected;
    },
    type() {
      return stateOf(this).type;
    },
    url() {
      const { url } = stateOf(this);
      const fragment = indexOf(url, "#");
      return fragment < 0 ? url : substring(url, 0, fragment);
    },
    /** As in Workers: the WebSocket of a response with the status 101. */
    webSocket() {
      return stateOf(this).webSocket;
    },
  };
}
