// node:http2, refused but for what its constants say of names and numbers. Node.js API, HTTP/2:
// https://nodejs.org/api/http2.html#http2constants , RFC 9113, sections 7 and 8.3, and the registry of fields (IANA).
const PSEUDO = "authority method path protocol scheme status";
const FIELDS =
  "accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection " +
  "content-disposition content-encoding content-language content-length content-location content-range content-type cookie date " +
  "etag expect expires forwarded from host if-match if-modified-since if-none-match if-range if-unmodified-since keep-alive " +
  "last-modified link location max-forwards origin prefer proxy-authenticate proxy-authorization range referer refresh retry-after " +
  "server set-cookie strict-transport-security te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate";
const ERRORS =
  "NO_ERROR PROTOCOL_ERROR INTERNAL_ERROR FLOW_CONTROL_ERROR SETTINGS_TIMEOUT STREAM_CLOSED FRAME_SIZE_ERROR REFUSED_STREAM CANCEL " +
  "COMPRESSION_ERROR CONNECT_ERROR ENHANCE_YOUR_CALM INADEQUATE_SECURITY HTTP_1_1_REQUIRED";
const METHODS = "CONNECT DELETE GET HEAD OPTIONS PATCH POST PUT TRACE";

const constants = {};
const named = (name) => name.toUpperCase().replaceAll("-", "_");
for (const name of PSEUDO.split(" ")) constants[`HTTP2_HEADER_${named(name)}`] = `:${name}`;
for (const name of FIELDS.split(" ")) constants[`HTTP2_HEADER_${named(name)}`] = name;
for (const [number, name] of ERRORS.split(" ").entries()) constants[`NGHTTP2_${name}`] = number;
for (const name of METHODS.split(" ")) constants[`HTTP2_METHOD_${name}`] = name;
module.exports = { ...modules.refuse("http2"), constants };
