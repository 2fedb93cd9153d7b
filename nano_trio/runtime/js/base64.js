// atob, btoa: HTML, https://html.spec.whatwg.org/multipage/webappapis.html#atob
(platform) => {
  "use strict";
  const { requireArguments, DOMString } = platform.load("webidl");
  const { toBinaryString, fromBinaryString } = platform.host("base64");
  const { Uint8Array } = platform.constructors;
  const { fromBase64 } = platform.statics.Uint8Array;
  const toBase64 = platform.uncurry("Uint8Array", "toBase64");

  function fail(name, problem) {
    throw platform.makeError("InvalidCharacterError", `Failed to execute '${name}': ${problem}`);
  }
  return {
    __proto__: null,
    atob: function atob(data) {
      requireArguments(arguments.length, 1, "Failed to execute 'atob'");
      data = DOMString(data);
      let bytes;
      try {
        // ECMAScript's loose decoding is Infra's "forgiving-base64 decode".
        bytes = fromBase64(data);
      } catch {
        fail("atob", "The string to be decoded is not correctly encoded.");
      }
      const text = toBinaryString(bytes);
      return typeof text === "string" ? text : text[0];
    },
    btoa: function btoa(data) {
      requireArguments(arguments.length, 1, "Failed to execute 'btoa'");
      const bytes = fromBinaryString([DOMString(data)]);
      if (bytes === null) fail("btoa", "The string to be encoded contains characters outside of the Latin1 range.");
      return toBase64(new Uint8Array(bytes));
    },
  };
}
