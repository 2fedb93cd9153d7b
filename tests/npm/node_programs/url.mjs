import url, { URL, URLSearchParams, domainToASCII, fileURLToPath, format, pathToFileURL, urlToHttpOptions } from "url";
console.log(URL === globalThis.URL, URLSearchParams === globalThis.URLSearchParams, url.URL === URL);
for (const text of ["file:///a/b%20c.txt", "file:///", "file:///a%25b", "file:///%E4%BD%A0", new URL("file:///x?y#z")]) console.log(fileURLToPath(text));
for (const path of ["/a/b c.txt", "/", "/a%b", "/a?b#c", "/你", "/a\\b", "/a\nb\tc"]) console.log(pathToFileURL(path).href, fileURLToPath(pathToFileURL(path)) === path);
const whole = new URL("https://user:p%40ss@exämple.com:8080/path?q=1#h");
console.log(format(whole), format(whole, { auth: false }), format(whole, { fragment: false, search: false }));
console.log(domainToASCII("español.com"), domainToASCII("xn--iñvalid.com"), domainToASCII("a b"));
const options = urlToHttpOptions(whole);
for (const key of Object.keys(options).sort()) console.log(key, options[key]);
console.log(urlToHttpOptions(new URL("http://[::1]/")).hostname);
for (const action of [() => fileURLToPath("http://a/"), () => fileURLToPath("file://host/a"), () => fileURLToPath("file:///a%2fb"), () => fileURLToPath(5), () => pathToFileURL(5)]) {
  try {
    action();
  } catch (error) {
    console.log(error.name, error.code);
  }
}
