// Strings that were put together from long parts. QuickJS keeps some above 512 characters and most above 8,192 as
// ropes, which reach host functions in another way than flat strings; nothing of that may show.

const rope = (part, count = 3) => { let s = ""; for (let i = 0; i < count; i++) s += part.repeat(3000); return s; };
const ascii = () => rope("abcd");
const wide = () => rope("ü€😀");

test("TextEncoder and TextDecoder", () => {
  for (const s of [ascii(), wide()]) equal(new TextDecoder().decode(new TextEncoder().encode(s)), s);
  equal(new TextEncoder().encodeInto(ascii(), new Uint8Array(50000)).read, 36000);
  // As long as it takes pieces, and cut off in the midst of a character.
  for (const [unit, bytes, units] of [["é", 2, 1], ["€", 3, 1], ["😀", 4, 2]]) {
    for (let more = 0; more < bytes; more++) {
      const to = new Uint8Array(bytes * 150_000 + more);
      const { read, written } = new TextEncoder().encodeInto(unit.repeat(200_000), to);
      equal([read, written], [units * 150_000, bytes * 150_000]);
      equal(new TextDecoder().decode(to.subarray(0, written)) === unit.repeat(150_000), true);
    }
  }
});

test("bodies of Response and Request", async () => {
  for (const s of [ascii(), wide()]) {
    equal(await new Response(s).text(), s);
    equal(await new Request("https://e.com", { method: "POST", body: s }).text(), s);
    equal((await new Response(s).bytes()).length, new TextEncoder().encode(s).length);
    equal(await (await new Response(s).blob()).text(), s);
    equal(await Response.json({ s }).json().then((value) => value.s), s);
    equal(text(await readBytes(new Response(s).body)), s);
    equal(await new Response(s + "!").clone().text(), s + "!");
  }
});

test("Blob, File and FormData", async () => {
  const s = wide();
  equal(await new Blob([s, ascii()]).text(), s + ascii());
  const file = new File([s], "n" + ascii());
  equal([file.name, await file.text()], ["n" + ascii(), s]);
  const data = new FormData();
  data.append("a", s);
  data.append(ascii(), "b");
  const back = await new Response(data).formData();
  equal([back.get("a"), back.get(ascii())], [s, "b"]);
});

test("URL and URLSearchParams", () => {
  const url = new URL("https://example.com/" + ascii() + "?q=" + ascii());
  equal(url.pathname, "/" + ascii());
  equal(url.searchParams.get("q"), ascii());
  url.hash = "#" + ascii();
  equal(url.hash, "#" + ascii());
  equal(new URLSearchParams("a=" + ascii()).get("a"), ascii());
  equal(new URLSearchParams({ a: wide() }).toString().length > 30000, true);
  equal(new URL(ascii(), "https://e.com").pathname, "/" + ascii());
  equal(URL.canParse("https://e.com/" + ascii()), true);
});

test("atob and btoa", () => {
  equal(atob(btoa(ascii() + "x")), ascii() + "x");
  throws("InvalidCharacterError", () => btoa(wide()));
});

test("Headers", () => {
  const h = new Headers({ a: ascii() });
  h.append("a", ascii());
  equal(h.get("a"), ascii() + ", " + ascii());
  equal(new Headers([["x" + ascii(), "y"]]).get("X" + ascii()), "y");
});

test("console, errors, events and clones", () => {
  console.log(ascii(), wide(), { key: ascii() });
  console.log("%s", ascii() + ascii());
  equal(structuredClone(wide()), wide());
  equal(structuredClone({ [ascii()]: wide() })[ascii()], wide());
  equal(new DOMException(ascii(), ascii()).message, ascii());
  equal(new Event(ascii()).type, ascii());
  performance.mark(ascii());
  equal(performance.getEntriesByName(ascii()).length, 1);
});

test("an uncaught error with a long message is reported", async () => {
  let event;
  addEventListener("error", (e) => { event = e; e.preventDefault(); });
  reportError(new Error(ascii() + "!"));
  equal(event.error.message, ascii() + "!");
  reportError(ascii() + "?");
});

test("streams of text", async () => {
  const s = wide();
  const chunks = await readAll(streamOf(s, s + "x").pipeThrough(new TextEncoderStream()).pipeThrough(new TextDecoderStream()));
  equal(chunks.join(""), s + s + "x");
});

test("digests see the same bytes", async () => {
  const s = ascii() + wide();
  const bytes = new TextEncoder().encode(s);
  equal(bytes.length, new TextEncoder().encode(s.slice(0)).length);
});
