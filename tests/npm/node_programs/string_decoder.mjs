import { StringDecoder } from "string_decoder";
import { Buffer } from "buffer";
const texts = { utf8: "aé€😀z", utf16le: "aé€😀z", latin1: "aéz", base64: "some bytes", hex: "ab", ascii: "abc", base64url: "??>>~~" };
for (const [encoding, text] of Object.entries(texts)) {
  const bytes = Buffer.from(text, ["utf16le", "latin1"].includes(encoding) ? encoding : "utf8");
  // Where the two bytes of a unit come apart, Node splits pairs of surrogates.
  for (const step of encoding === "utf16le" ? [2, 4, 100] : [1, 2, 3, 5, 100]) {
    const decoder = new StringDecoder(encoding);
    const parts = [];
    for (let at = 0; at < bytes.length; at += step) parts.push(decoder.write(bytes.subarray(at, at + step)));
    console.log(encoding, step, JSON.stringify([...parts, decoder.end()]));
  }
}
const show = (encoding, ...pieces) => {
  const decoder = new StringDecoder(encoding);
  console.log(decoder.encoding, JSON.stringify([...pieces.map((piece) => decoder.write(new Uint8Array(piece))), decoder.end(), decoder.write(Buffer.from("x"))]));
};
show("utf-8", [0xe2, 0x82]);
show("UTF8", [0xff, 0x41]);
show(undefined, [0xef, 0xbb, 0xbf, 0x41]);
show("ucs2", [0x3d, 0xd8]);
show("base64", [1]);
console.log(new StringDecoder().end(Buffer.from([0xc3])), new StringDecoder().write("text"));
for (const action of [() => new StringDecoder("no"), () => new StringDecoder().write(5)]) {
  try {
    action();
  } catch (error) {
    console.log(error.name, error.code);
  }
}
