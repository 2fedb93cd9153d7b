// node:net, refused but for what tells addresses. Node.js API, Net: https://nodejs.org/api/net.html#netisipinput
/** An address of four numbers, without leading zeros. */
const isIPv4 = (text) => /^(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!$)|$)){4}$/.test(`${text}`);
/** As URLs have it in brackets (RFC 4291, section 2.2), with a zone maybe. */
function isIPv6(text) {
  const [address, zone, ...rest] = `${text}`.split("%");
  if (rest.length > 0 || zone === "" || !address.includes(":") || !/^[\da-f:.]+$/i.test(address)) return false;
  const last = address.slice(address.lastIndexOf(":") + 1);
  if (last.includes(".") && !isIPv4(last)) return false;
  return URL.canParse(`ws://[${address}]`);
}
const isIP = (text) => (isIPv4(text) ? 4 : isIPv6(text) ? 6 : 0);
module.exports = { ...modules.refuse("net"), isIP, isIPv4, isIPv6 };
