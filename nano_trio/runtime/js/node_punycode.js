// node:punycode. Node.js API: https://nodejs.org/api/punycode.html ; the encoding is RFC 3492, its names are from there.
const BASE = 36;
const T_MIN = 1;
const T_MAX = 26;
const SKEW = 38;
const DAMP = 700;
const INITIAL_BIAS = 72;
const INITIAL_N = 128;

function adapt(delta, count, isFirst) {
  delta = Math.floor(delta / (isFirst ? DAMP : 2));
  delta += Math.floor(delta / count);
  let k = 0;
  for (; delta > ((BASE - T_MIN) * T_MAX) >> 1; k += BASE) delta = Math.floor(delta / (BASE - T_MIN));
  return k + Math.floor(((BASE - T_MIN + 1) * delta) / (delta + SKEW));
}
const threshold = (k, bias) => Math.min(Math.max(k - bias, T_MIN), T_MAX);
const overflow = () => new RangeError("Overflow: input needs wider integers to process");

function decode(text) {
  const at = Math.max(text.lastIndexOf("-"), 0);
  const output = Array.from(text.slice(0, at), (character) => {
    if (character.charCodeAt(0) >= INITIAL_N) throw new RangeError("Illegal input >= 0x80 (not a basic code point)");
    return character.charCodeAt(0);
  });
  let n = INITIAL_N;
  let i = 0;
  let bias = INITIAL_BIAS;
  for (let next = at > 0 ? at + 1 : 0; next < text.length; ) {
    const before = i;
    for (let weight = 1, k = BASE; ; k += BASE) {
      const digit = next < text.length && /[\da-z]/i.test(text[next]) ? (Number.parseInt(text[next], 36) + 26) % 36 : BASE;
      next++;
      if (digit >= BASE) throw new RangeError("Invalid input");
      if (digit * weight > 0x7fffffff - i) throw overflow();
      i += digit * weight;
      const t = threshold(k, bias);
      if (digit < t) break;
      weight *= BASE - t;
    }
    bias = adapt(i - before, output.length + 1, before === 0);
    n += Math.floor(i / (output.length + 1));
    i %= output.length + 1;
    output.splice(i++, 0, n);
  }
  return String.fromCodePoint(...output);
}
function encode(text) {
  const points = ucs2.decode(text);
  let output = String.fromCodePoint(...points.filter((point) => point < INITIAL_N));
  let done = output.length;
  const basic = done;
  if (basic > 0) output += "-";
  let bias = INITIAL_BIAS;
  let delta = 0;
  for (let n = INITIAL_N; done < points.length; n++) {
    const next = Math.min(...points.filter((point) => point >= n));
    delta += (next - n) * (done + 1);
    n = next;
    for (const point of points) {
      if (point < n) delta++;
      if (point !== n) continue;
      let q = delta;
      for (let k = BASE; ; k += BASE) {
        const t = threshold(k, bias);
        if (q < t) break;
        output += ((t + ((q - t) % (BASE - t)) + 10) % 36).toString(36);
        q = Math.floor((q - t) / (BASE - t));
      }
      output += ((q + 10) % 36).toString(36);
      bias = adapt(delta, done + 1, done === basic);
      delta = 0;
      done++;
    }
    delta++;
  }
  return output;
}
/** Each label of a domain, or of what follows the `@`. */
function mapLabels(text, map) {
  const at = text.lastIndexOf("@");
  const domain = text.slice(at + 1).replace(/[\u3002\uFF0E\uFF61]/g, ".");
  return text.slice(0, at + 1) + domain.split(".").map(map).join(".");
}
const ucs2 = {
  decode: (text) => Array.from(text, (character) => character.codePointAt(0)),
  encode: (points) => String.fromCodePoint(...points),
};
const toASCII = (text) => mapLabels(text, (label) => (/[^\0-\x7F]/.test(label) ? `xn--${encode(label)}` : label));
const toUnicode = (text) => mapLabels(text, (label) => (label.startsWith("xn--") ? decode(label.slice(4).toLowerCase()) : label));
module.exports = { version: "2.1.0", ucs2, decode, encode, toASCII, toUnicode };
