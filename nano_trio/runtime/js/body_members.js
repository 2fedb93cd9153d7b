// Body's members that few apps use: Fetch, https://fetch.spec.whatwg.org/#body-mixin
(platform) => {
  "use strict";
  const { load } = platform;

  /** What they do, by their names; `stateOf` is the brand check of the interface. */
  function membersOf(stateOf) {
    return {
      __proto__: null,
      arrayBuffer() {
        return load("body_consume").consume(this, stateOf, "arrayBuffer");
      },
      blob() {
        return load("body_consume").consume(this, stateOf, "blob");
      },
      bytes() {
        return load("body_consume").consume(this, stateOf, "bytes");
      },
      formData() {
        return load("body_consume").consume(this, stateOf, "formData");
      },
    };
  }

  return { __proto__: null, membersOf };
}
