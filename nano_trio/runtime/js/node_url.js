// node:url. Node.js API, URL: https://nodejs.org/api/url.html
const querystring = require("node:querystring");

const { URL, URLSearchParams } = globalThis;

function fail(Class, code, text) {
  const error = new Class(text);
  error.code = code;
  return error;
}
function fileURLToPath(path) {
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
function pathToFileURL(path) {
  if (typeof path !== "string") throw fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "path" argument must be of type string.');
  if (path[0] !== "/") throw fail(TypeError, "ERR_INVALID_ARG_VALUE", 'The "path" argument must be an absolute path: an app has no working directory.');
  return new URL(`file://${path.replace(/[%\\\n\r\t?#]/g, (character) => ENCODED[character])}`);
}
/** Of a URL: its text, without what the options leave out. Of the legacy parser's objects: theirs. */
function format(url, options) {
  if (typeof url === "string") return parse(url).format();
  if (!(url instanceof URL)) {
    if (typeof url !== "object" || url === null) {
      throw fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "urlObject" argument must be one of type object or string.');
    }
    return Url.prototype.format.call(url);
  }
  const copy = new URL(url);
  if (options?.auth === false) copy.username = copy.password = "";
  if (options?.fragment === false) copy.hash = "";
  if (options?.search === false) copy.search = "";
  return copy.href;
}

// -- the legacy parser: https://nodejs.org/api/url.html#legacy-url-api --------------------------------------------------

const PARTS = ["protocol", "slashes", "auth", "host", "port", "hostname", "hash", "search", "query", "pathname", "path", "href"];
const SLASHED = new Set(["http:", "https:", "ftp:", "gopher:", "file:", "ws:", "wss:"]);
/** A function, as in Node. */
function Url() {
  for (const part of PARTS) this[part] = null;
}
const inAuth = (text) => encodeURIComponent(text).replace(/%3A/i, ":");
Url.prototype.format = function () {
  let protocol = this.protocol || "";
  if (protocol !== "" && !protocol.endsWith(":")) protocol += ":";
  const auth = this.auth ? `${inAuth(this.auth)}@` : "";
  let host = "";
  if (this.host) host = auth + this.host;
  else if (this.hostname) {
    host = auth + (this.hostname.includes(":") && this.hostname[0] !== "[" ? `[${this.hostname}]` : this.hostname) + (this.port ? `:${this.port}` : "");
  }
  let search = this.search || "";
  if (search === "" && this.query !== null && typeof this.query === "object") {
    const text = querystring.stringify(this.query);
    if (text !== "") search = `?${text}`;
  }
  let hash = this.hash || "";
  let pathname = (this.pathname || "").replace(/[?#]/g, encodeURIComponent);
  if (this.slashes || (SLASHED.has(protocol) && host !== "")) {
    if (pathname !== "" && pathname[0] !== "/") pathname = `/${pathname}`;
    host = `//${host}`;
  } else if (protocol === "file:" && host === "") host = pathname[0] === "/" ? "//" : "";
  if (hash !== "" && hash[0] !== "#") hash = `#${hash}`;
  if (search !== "" && search[0] !== "?") search = `?${search}`;
  return protocol + host + pathname + search.replaceAll("#", "%23") + hash;
};
Url.prototype.resolve = function (relative) {
  return resolve(this.href ?? this.format(), relative);
};
function parse(text, parseQuery = false, slashesDenoteHost = false) {
  if (text instanceof Url) return text;
  if (typeof text !== "string") throw fail(TypeError, "ERR_INVALID_ARG_TYPE", 'The "url" argument must be of type string.');
  const url = new Url();
  let rest = text.trim();
  const at = rest.search(/[?#]/);
  rest = at < 0 ? rest.replaceAll("\\", "/") : rest.slice(0, at).replaceAll("\\", "/") + rest.slice(at);
  const scheme = /^[a-z0-9.+-]+:/i.exec(rest);
  if (scheme !== null) {
    url.protocol = scheme[0].toLowerCase();
    rest = rest.slice(scheme[0].length);
  }
  const isScript = url.protocol === "javascript:";
  const isSlashed = (slashesDenoteHost || scheme !== null || /^\/\/[^@/]+@[^@/]+/.test(rest)) && rest.startsWith("//") && !isScript;
  if (isSlashed) {
    url.slashes = true;
    rest = rest.slice(2);
  }
  if (isSlashed || (scheme !== null && !SLASHED.has(url.protocol) && !isScript)) {
    const end = rest.search(/[/?#]/);
    let authority = end < 0 ? rest : rest.slice(0, end);
    rest = end < 0 ? "" : rest.slice(end);
    const sign = authority.lastIndexOf("@");
    if (sign >= 0) {
      url.auth = decodeURIComponent(authority.slice(0, sign));
      authority = authority.slice(sign + 1);
    }
    const port = /:(\d*)$/.exec(authority);
    if (port !== null) {
      authority = authority.slice(0, port.index);
      if (port[1] !== "") url.port = port[1];
    }
    const isAddress = authority.startsWith("[") && authority.endsWith("]");
    const hostname = authority.toLowerCase();
    const invalid = isAddress ? -1 : hostname.search(/[^a-z0-9._~!$&'()*+,;=%\u0080-\uffff-]/);
    if (invalid >= 0) {
      throw Object.assign(fail(TypeError, "ERR_INVALID_URL", "Invalid URL"), { input: text });
    }
    const ascii = /[^\0-\x7f]/.test(hostname) ? domainToASCII(hostname) : hostname;
    url.hostname = isAddress ? ascii.slice(1, -1) : ascii;
    url.host = (isAddress ? ascii : url.hostname) + (url.port === null ? "" : `:${url.port}`);
  }
  if (!isScript) rest = rest.replace(/[\s"<>\\^`{|}']/g, (character) => (character === "'" ? "%27" : encodeURIComponent(character)));
  const hash = rest.indexOf("#");
  if (hash >= 0) {
    url.hash = rest.slice(hash);
    rest = rest.slice(0, hash);
  }
  const query = rest.indexOf("?");
  if (query >= 0) {
    url.search = rest.slice(query);
    url.query = parseQuery ? querystring.parse(url.search.slice(1)) : url.search.slice(1);
    rest = rest.slice(0, query);
  } else if (parseQuery) {
    url.search = null;
    url.query = Object.create(null);
  }
  if (rest !== "") url.pathname = rest;
  if (SLASHED.has(url.protocol) && url.protocol !== "file:" && url.hostname && !url.pathname) url.pathname = "/";
  if (url.pathname || url.search) url.path = (url.pathname ?? "") + (url.search ?? "");
  url.href = url.format();
  return url;
}
/** As a browser goes from one page to a link on it. What has no scheme has none in the end. */
function resolve(from, to) {
  if (parse(to, false, true).protocol !== null && !SLASHED.has(parse(to, false, true).protocol)) return parse(to).href;
  const resolved = new URL(to, new URL(from, "resolve://"));
  if (resolved.protocol === "resolve:") {
    const { pathname, search, hash } = resolved;
    return resolved.host === "" ? pathname + search + hash : `//${resolved.host}${pathname}${search}${hash}`;
  }
  return resolved.href;
}
const resolveObject = (from, to) => parse(resolve(typeof from === "string" ? from : format(from), typeof to === "string" ? to : format(to)));
const domainToUnicode = (domain) => require("node:punycode").toUnicode(domainToASCII(domain));

function domainToASCII(domain) {
  return URL.canParse(`ws://${domain}`) ? new URL(`ws://${domain}`).hostname : "";
}
function urlToHttpOptions(url) {
  const { protocol, hostname, hash, search, pathname, href, port, username, password } = url;
  const options = {
    ...url, __proto__: null, protocol, hash, search, pathname, path: `${pathname}${search}`, href,
    hostname: hostname[0] === "[" ? hostname.slice(1, -1) : hostname,
  };
  if (port !== "") options.port = Number(port);
  if (username || password) options.auth = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return options;
}
module.exports = {
  URL, URLSearchParams, Url, parse, resolve, resolveObject, fileURLToPath, pathToFileURL, format, domainToASCII, domainToUnicode,
  urlToHttpOptions,
};
