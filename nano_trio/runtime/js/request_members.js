// Members of Request that few apps use: Fetch, https://fetch.spec.whatwg.org/#request-class
(platform) => {
  "use strict";
  const { load, uncurry } = platform;
  const { fail } = load("webidl_core");
  const { isUnusable } = load("body");
  const { membersOf } = load("body_members");
  const { Request, INTERNAL, stateOf, newState, DEFAULTS } = load("request");
  const slice = uncurry("Array", "slice");

  const members = {
    __proto__: null,
    ...membersOf(stateOf),
    clone() {
      const state = stateOf(this);
      if (isUnusable(state)) fail("Failed to execute 'clone' on 'Request'", "The body has been read already or is locked.");
      const copy = newState(state.method, state.url, slice(state.list), state.options, state.isImmutable);
      load("body_source").cloneBody(state, copy);
      copy.follow = state;
      return new Request(INTERNAL, copy);
    },
    destination() {
      stateOf(this);
      return "";
    },
    duplex() {
      stateOf(this);
      return "half";
    },
    isHistoryNavigation() {
      stateOf(this);
      return false;
    },
    isReloadNavigation() {
      stateOf(this);
      return false;
    },
  };
  for (const name in DEFAULTS) {
    members[name] = function () {
      return stateOf(this).options[name];
    };
  }
  return members;
}
