// Long URLs: what the host would make of them at once, in pieces, after each of which the app's turn may be suspended.
//
// Theory of operation. A URL is split as its standard does it (https://url.spec.whatwg.org/#url-parsing): a fragment is what
// is behind the first "#", a query what is behind the first "?" before that. The host parses what is left, with a character in
// the place of each part that is long. How a part is percent-encoded depends on no other, and in it no character's on another,
// so each is encoded piece by piece by the host's setters, on a URL made up for that. Only the dot segments of a path must
// be gone before. Without an authority that is as long, or a file's, nothing else is.
(platform) => {
  "use strict";
  const { uncurry } = platform;
  const exec = uncurry("RegExp", "exec");
  const indexOf = uncurry("String", "indexOf");
  const lastIndexOf = uncurry("String", "lastIndexOf");
  const slice = uncurry("String", "slice");
  const startsWith = uncurry("String", "startsWith");
  const replaceAll = uncurry("String", "replaceAll");
  const charCodeAt = uncurry("String", "charCodeAt");
  const toLowerCase = uncurry("String", "toLowerCase");
  /** The engine makes a rope of long strings that are joined, which the host does not take. */
  const flat = uncurry("String", "toWellFormed");
  const host = platform.host("url");
  /** UTF-16 units that the host is handed at once, and the most that it is handed of what cannot be cut. */
  const { piece: PIECE, uncut: UNCUT } = host;
  const { findBounds: boundsOf } = platform.load("url");
  const SCHEME = /^([A-Za-z][A-Za-z0-9+.-]*):/;
  const SPECIAL = /^(?:https?|wss?|ftp|file)$/;

  /** Without the C0 controls and spaces around it, and the tabs and line breaks in it. */
  function clean(text) {
    let start = 0;
    let end = text.length;
    while (start < end && charCodeAt(text, start) <= 0x20) start++;
    while (end > start && charCodeAt(text, end - 1) <= 0x20) end--;
    return withoutBreaks(slice(text, start, end));
  }
  function withoutBreaks(text) {
    if (exec(/[\t\n\r]/, text) === null) return text;
    return replaceAll(replaceAll(replaceAll(text, "\t", ""), "\n", ""), "\r", "");
  }
  /** { head, query, fragment }, of which the last two may be null. */
  function split(text) {
    let fragment = null;
    let query = null;
    const hash = indexOf(text, "#");
    if (hash >= 0) {
      fragment = slice(text, hash + 1);
      text = slice(text, 0, hash);
    }
    const mark = indexOf(text, "?");
    if (mark >= 0) {
      query = slice(text, mark + 1);
      text = slice(text, 0, mark);
    }
    return { __proto__: null, head: text, query, fragment };
  }

  /** `at`, or one less where a surrogate pair would be cut. */
  function seam(text, at) {
    return at < text.length && (charCodeAt(text, at) & 0xfc00) === 0xdc00 ? at - 1 : at;
  }
  /** `text` as `encode` makes it of pieces, unless it has nothing to encode. */
  function inPieces(text, unsafe, encode) {
    if (exec(unsafe, text) === null) return text;
    let encoded = "";
    for (let at = 0, end; at < text.length; at = end) {
      end = seam(text, at + PIECE);
      encoded += encode(slice(text, at, end));
    }
    return encoded;
  }
  const made = (isSpecial) => (isSpecial ? "http://x/" : "x://x/");
  function encodeQuery(query, isSpecial) {
    const url = made(isSpecial);
    return inPieces(query, /[^!$%&(-;=?-~]/, (piece) => slice(host.set(url, "search", flat(`?${piece}`)), url.length + 1));
  }
  function encodeFragment(fragment) {
    return inPieces(fragment, /[^!#-;=?-_a-~]/, (piece) => slice(host.set("x://x/", "hash", flat(`#${piece}`)), 7));
  }
  function encodePath(path, isSpecial) {
    const url = made(isSpecial);
    const encode = (piece) => slice(host.set(url, "pathname", flat(`/-${piece}-`)), url.length + 1, -1);
    return inPieces(path, /[^!$-;=@-\]_a-z|~]/, encode);
  }
  function encodeOpaque(path) {
    return inPieces(path, /[^!-~]/, (piece) => slice(host.parse(flat(`x:-${piece}-`)), 3, -1));
  }

  /** Without dot segments. `path` begins with a slash. From its end on: each ".." takes away the next that is none. */
  function withoutDots(path) {
    if (exec(/\/(?:\.|%2e){1,2}(?:\/|$)/i, path) === null) return path;
    const kept = [];
    let taken = 0;
    /** Where what is kept in one piece ends, and -1 where nothing is. */
    let runEnd = -1;
    for (let end = path.length, start; end > 0; end = start) {
      start = lastIndexOf(path, "/", end - 1);
      const dots = end - start > 7 ? null : exec(/^\/(?:(\.|%2e)|(?:\.|%2e){2})$/i, slice(path, start, end));
      if (dots === null && taken === 0) {
        if (runEnd < 0) runEnd = end;
        continue;
      }
      if (runEnd >= 0) kept[kept.length] = slice(path, end, runEnd);
      runEnd = -1;
      if (dots === null) taken--;
      else {
        if (dots[1] === undefined) taken++;
        if (end === path.length) kept[kept.length] = "/";
      }
    }
    let result = runEnd < 0 ? "" : slice(path, 0, runEnd);
    for (let i = kept.length - 1; i >= 0; i--) result += kept[i];
    return result;
  }
  /** The serialization of a path that begins with a slash, of a URL that has a host or not. */
  function toPath(path, isSpecial, hasHost) {
    path = encodePath(withoutDots(isSpecial ? replaceAll(path, "\\", "/") : path), isSpecial);
    if (path === "") return "/";
    return !hasHost && startsWith(path, "//") ? `/.${path}` : path;
  }
  function ending(query, fragment, isSpecial) {
    const search = query === null ? "" : `?${encodeQuery(query, isSpecial)}`;
    return fragment === null ? search : `${search}#${encodeFragment(fragment)}`;
  }

  /** The serialization of an absolute URL, or null where it is invalid. */
  function parse(url) {
    const { head, query, fragment } = split(clean(url));
    const scheme = exec(SCHEME, head);
    return scheme === null ? null : parseParts(toLowerCase(scheme[1]), slice(head, scheme[0].length), query, fragment);
  }
  /** The same of a scheme and what stands between it and the query. */
  function parseParts(name, rest, query, fragment) {
    const isSpecial = exec(SPECIAL, name) !== null;
    const standIn = (query === null ? "" : query === "" ? "?" : "?q") + (fragment === null ? "" : fragment === "" ? "#" : "#f");
    /** The host's serialization of a short URL, with `path` instead of its last `replaced` characters. */
    const finish = (short, replaced, path) => {
      const href = short.length > UNCUT ? null : host.parse(flat(short + standIn));
      if (href === null) return null;
      return slice(href, 0, href.length - standIn.length - replaced) + path + ending(query, fragment, isSpecial);
    };
    if (rest.length <= PIECE || name === "file") return finish(`${name}:${rest}`, 0, "");
    if (!isSpecial && rest[0] !== "/") {
      // What becomes of spaces at the path's end depends on what follows.
      const end = seam(rest, rest.length - PIECE);
      const href = host.parse(flat(`${name}:-${slice(rest, end)}${standIn}`));
      const last = slice(href, name.length + 2, href.length - standIn.length);
      return `${name}:${encodeOpaque(slice(rest, 0, end))}${last}${ending(query, fragment, isSpecial)}`;
    }
    if (!isSpecial && rest[1] !== "/") return finish(`${name}:/`, 1, toPath(rest, false, false));
    const authority = slice(rest, isSpecial ? exec(/^[/\\]*/, rest)[0].length : 2);
    const slash = exec(isSpecial ? /[/\\]/ : /\//, authority);
    if (slash === null) return finish(`${name}://${authority}`, 0, "");
    const path = slice(authority, slash.index);
    return finish(`${name}://${slice(authority, 0, slash.index)}/`, 1, toPath(path, isSpecial, true));
  }

  /** The serialization of `url` against the URL `base`, or null where one is invalid. */
  function parseWithBase(url, base) {
    const href = base.length > PIECE ? parse(base) : host.parse(flat(base));
    if (href === null) return null;
    const { head, query, fragment } = split(clean(url));
    const [schemeEnd, pathStart, pathEnd, queryEnd] = boundsOf(href);
    const name = slice(href, 0, schemeEnd - 1);
    const isSpecial = exec(SPECIAL, name) !== null;
    const scheme = exec(SCHEME, head);
    let rest = head;
    if (scheme !== null) {
      const own = toLowerCase(scheme[1]);
      rest = slice(head, scheme[0].length);
      // "http:path" is relative to a URL of the same scheme.
      if (own !== name || !isSpecial || startsWith(rest, "//")) return parseParts(own, rest, query, fragment);
    }
    if (name === "file") return url.length + href.length > UNCUT ? null : host.parseWithBase(flat(url), flat(href));
    if (href[schemeEnd] !== "/") {
      // An opaque path
      if (rest !== "" || query !== null || fragment === null) return null;
      return `${slice(href, 0, queryEnd)}#${encodeFragment(fragment)}`;
    }
    const isSlash = (unit) => unit === "/" || (isSpecial && unit === "\\");
    if (isSlash(rest[0]) && isSlash(rest[1])) return parseParts(name, rest, query, fragment);
    if (rest === "") return slice(href, 0, query === null ? queryEnd : pathEnd) + ending(query, fragment, isSpecial);
    let folder = "";
    if (!isSlash(rest[0])) folder = pathEnd === pathStart ? "/" : slice(href, pathStart, lastIndexOf(href, "/", pathEnd - 1) + 1);
    return parseParts(name, slice(href, schemeEnd, pathStart) + folder + rest, query, fragment);
  }

  /** The serialization after `url[component] = value`; unchanged where the value is invalid. */
  function set(href, component, value) {
    const [schemeEnd, pathStart, pathEnd, queryEnd] = boundsOf(href);
    const isSpecial = exec(SPECIAL, slice(href, 0, schemeEnd - 1)) !== null;
    const isFile = startsWith(href, "file:");
    const isOpaque = href[schemeEnd] !== "/";
    const hasHost = !isOpaque && href[schemeEnd + 1] === "/";
    // Without what keeps a path that begins with two slashes from being a host.
    let before = slice(href, 0, hasHost ? pathStart : schemeEnd);
    let path = slice(href, pathStart, pathEnd);
    let search = slice(href, pathEnd, queryEnd);
    let hash = slice(href, queryEnd);
    if (component === "search") {
      search = value === "" ? "" : `?${encodeQuery(withoutBreaks(value[0] === "?" ? slice(value, 1) : value), isSpecial)}`;
    } else if (component === "hash") {
      hash = value === "" ? "" : `#${encodeFragment(withoutBreaks(value[0] === "#" ? slice(value, 1) : value))}`;
    } else if (component === "pathname" && value.length > PIECE && !isFile) {
      if (isOpaque) return href;
      const text = withoutBreaks(value);
      path = toPath(text[0] === "/" || (isSpecial && text[0] === "\\") ? text : `/${text}`, isSpecial, true);
    } else {
      if (value.length > UNCUT || (isOpaque && component === "pathname")) return href;
      const short = before + (isOpaque ? "x" : "/");
      const changed = host.set(flat(short), component, flat(value));
      if (changed === short && component !== "pathname") return href;
      const bounds = boundsOf(changed);
      before = slice(changed, 0, changed[bounds[0]] === "/" && changed[bounds[0] + 1] === "/" ? bounds[1] : bounds[0]);
      if (component === "pathname") path = slice(changed, bounds[1]);
    }
    if (isOpaque && search === "" && hash === "" && (component === "search" || component === "hash")) {
      let end = path.length;
      while (path[end - 1] === " ") end--;
      path = slice(path, 0, end);
    }
    const isBare = before[before.length - 1] === ":" && !isOpaque;
    return (isBare && startsWith(path, "//") ? `${before}/.` : before) + path + search + hash;
  }

  const flatOrNull = (href) => (href === null ? null : flat(href));
  return {
    __proto__: null,
    parse: (url) => flatOrNull(parse(url)),
    parseWithBase: (url, base) => flatOrNull(parseWithBase(url, base)),
    set: (href, component, value) => flat(set(href, component, value)),
  };
}
