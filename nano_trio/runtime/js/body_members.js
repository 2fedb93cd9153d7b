// Body's members that few apps use: Fetch, https://fetch.spec.whatwg.org/#body-mixin
(platform) => {
  "use strict";
  const { load } = platform;
  const { TypeError } = platform.constructors;
  const { KINDS, isUnusable } = load("body");

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
      textStream() {
        const state = stateOf(this);
        if (isUnusable(state)) throw new TypeError("Body is unusable: it has been read already or is locked.");
        if (state.kind === KINDS.NONE) return emptyStream();
        return load("encoding_streams").decodeStream(load("body_source").streamOf(state));
      },
    };
  }

  function emptyStream() {
    return load("streams_readable").createReadableStream((controller) => controller.close());
  }

  return { __proto__: null, membersOf };
}
