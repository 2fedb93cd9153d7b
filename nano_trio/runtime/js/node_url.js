// node:url, without its legacy parser. Node.js API, URL: https://nodejs.org/api/url.html
export const { URL, URLSearchParams } = globalThis;

function fail(Class, code, text) {
  const error = new Class(text);
  error.code = code;
  return error;
}
export function fileURLToPath(path) {
  const url = typeof path === "string" ? new URL(path) : path;
  if (!(url instanceof URL)) {
    throw fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "path" argument must be of type string or an instance of URL.');
  }
  if (url.protocol !== "file:") throw fail(TypeError, "ERR_INVALID_URL_SCHEME", "The URL must be of scheme file");
  if (url.hostname !== "") {
    throw fail(TypeError, "ERR_INVALID_FILE_URL_HOST", 'File URL host must be "localhost" or empty on linux');
  }
  if (/%2f/i.test(url.pathname)) {
    throw fail(TypeError, "ERR_INVALID_FILE_URL_PATH", "File URL path must not include encoded / characters");
  }
  return decodeURIComponent(url.pathname);
}
const ENCODED = { "%": "%25", "\\": "%5C", "\n": "%0A", "\r": "%0D", "\t": "%09", "?": "%3F", "#": "%23" };
/** Of an absolute path: an app has no folder that others would be relative to. */
export function pathToFileURL(path) {
  if (typeof path !== "string") throw fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "path" argument must be of type string.');
  if (path[0] !== "/") throw fail(TypeError, "ERR_INVALID_ARG_VALUE", 'The "path" argument must be an absolute path: an app has no working directory.');
  return new URL(`file://${path.replace(/[%\\\n\r\t?#]/g, (character) => ENCODED[character])}`);
}
/** Of a URL: its text, without what the options leave out. */
export function format(url, options) {
  if (typeof url === "string") return new URL(url).href;
  if (!(url instanceof URL)) {
    throw fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "urlObject" argument must be a string or an instance of URL: the legacy objects are not provided.');
  }
  const copy = new URL(url);
  if (options?.auth === false) copy.username = copy.password = "";
  if (options?.fragment === false) copy.hash = "";
  if (options?.search === false) copy.search = "";
  return copy.href;
}
export function domainToASCII(domain) {
  return URL.canParse(`ws://${domain}`) ? new URL(`ws://${domain}`).hostname : "";
}
export function urlToHttpOptions(url) {
  const { protocol, hostname, hash, search, pathname, href, port, username, password } = url;
  const options = {
    ...url, __proto__: null, protocol, hash, search, pathname, path: `${pathname}${search}`, href,
    hostname: hostname[0] === "[" ? hostname.slice(1, -1) : hostname,
  };
  if (port !== "") options.port = Number(port);
  if (username || password) options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return options;
}
export default { URL, URLSearchParams, fileURLToPath, pathToFileURL, format, domainToASCII, urlToHttpOptions };
