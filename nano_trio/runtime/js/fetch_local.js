// Schemes that need no network: Fetch, https://fetch.spec.whatwg.org/#scheme-fetch
(platform) => {
  "use strict";
  const { load, uncurry, promiseResolve } = platform;
  const { fromHost } = load("response");
  const { getValue } = load("headerlist");
  const { min } = platform.statics.Math;
  const exec = uncurry("RegExp", "exec");

  function fetchData(state, networkError) {
    const data = load("dataurl").processDataURL(state.url);
    if (data === null) throw networkError("ERR_INVALID_URL", "the data: URL is not valid");
    const body = state.method === "HEAD" ? null : data.body;
    return fromHost(200, "OK", ["content-type", data.mimeType], body, state.url);
  }

  function fetchBlob(state, networkError) {
    const blob = state.options.blobURLEntry;
    if (state.method !== "GET") throw networkError("ERR_METHOD", "a blob: URL can only be fetched with GET");
    if (blob === null || blob === undefined) throw networkError("ERR_BLOB_NOT_FOUND", "there is no such blob: URL");
    const { bytesOf, sizeOf, typeOf } = load("blob");
    const size = sizeOf(blob);
    const type = typeOf(blob);
    const range = getValue(state.list, "range");
    const { copyBytes } = load("webidl");
    if (range === null) {
      const list = ["content-length", `${size}`, "content-type", type];
      return fromHost(200, "OK", list, copyBytes(bytesOf(blob)), state.url);
    }
    // "Parse a single range header value", with white space allowed.
    const match = exec(/^bytes[\t ]*=[\t ]*([0-9]*)[\t ]*-[\t ]*([0-9]*)$/, range);
    if (match === null || (match[1] === "" && match[2] === "")) throw networkError("ERR_RANGE", "the range is not valid");
    let start = +match[1];
    let end = match[2] === "" ? size - 1 : +match[2];
    if (match[1] === "") {
      start = size - end;
      end = size - 1;
      if (start < 0) start = 0;
    }
    if (start > end || start >= size) throw networkError("ERR_RANGE", "the range lies outside the blob");
    end = min(end, size - 1);
    const bytes = uncurry("TypedArray", "slice")(copyBytes(bytesOf(blob)), start, end + 1);
    const list = ["content-length", `${end + 1 - start}`, "content-type", type];
    list[4] = "content-range";
    list[5] = `bytes ${start}-${end}/${size}`;
    return fromHost(206, "Partial Content", list, bytes, state.url);
  }

  return {
    __proto__: null,
    /** A promise of the response to a request's state, whose URL has a scheme other than HTTP's; throws network errors. */
    fetchLocal(scheme, state, networkError) {
      if (scheme === "data") return promiseResolve(fetchData(state, networkError));
      if (scheme === "blob") return promiseResolve(fetchBlob(state, networkError));
      throw networkError("ERR_UNSUPPORTED_SCHEME", `the scheme ${scheme}: cannot be fetched`);
    },
  };
}
