// Blob URLs: File API, https://w3c.github.io/FileAPI/#url
//
// The store holds a blob until its URL is revoked, or the app ends. An app has an opaque origin.
(platform) => {
  "use strict";
  const { load, uncurry } = platform;
  const { requireArguments, fail, USVString } = load("webidl");
  const get = uncurry("Map", "get");
  const set = uncurry("Map", "set");
  const remove = uncurry("Map", "delete");
  const indexOf = uncurry("String", "indexOf");
  const substring = uncurry("String", "substring");
  const store = new platform.constructors.Map();

  return {
    __proto__: null,
    /** URL.createObjectURL; `list` holds the arguments. */
    create(list) {
      const context = "Failed to execute 'createObjectURL' on 'URL'";
      requireArguments(list.length, 1, context);
      if (!(platform.isLoaded("blob") && load("blob").isBlob(list[0]))) fail(context, "Argument 1 is not of type 'Blob'.");
      const url = `blob:null/${platform.host("crypto").uuid()}`;
      set(store, url, list[0]);
      return url;
    },
    /** URL.revokeObjectURL */
    revoke(list) {
      const context = "Failed to execute 'revokeObjectURL' on 'URL'";
      requireArguments(list.length, 1, context);
      remove(store, USVString(list[0], context));
    },
    /** "Resolve a blob URL": the Blob of a URL's serialization, whose fragment does not count; or null. */
    resolve(href) {
      const fragment = indexOf(href, "#");
      return get(store, fragment < 0 ? href : substring(href, 0, fragment)) ?? null;
    },
  };
}
