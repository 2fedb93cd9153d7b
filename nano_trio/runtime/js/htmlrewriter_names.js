// What HTMLRewriter must know of tag names: HTML, https://html.spec.whatwg.org/#parsing-main-inhead and following.
//
// No tree is built. How the text after a start tag is to be tokenized, which elements are void and where foreign content
// begins and ends follows from the names alone, as a tree builder decides it for documents that are not contrived.
(platform) => {
  "use strict";
  const split = platform.uncurry("String", "split");
  const { lower } = platform.load("htmlrewriter_bytes");
  const DATA = 0, RCDATA = 1, SCRIPT = 2, PLAINTEXT = 3, CDATA = 4;
  const HTML = 0, SVG = 1, MATHML = 2;

  const facts = { __proto__: null };
  function mark(names, key, value) {
    const list = split(names, " ");
    for (let i = 0; i < list.length; i++) (facts[list[i]] ??= { __proto__: null })[key] = value;
  }
  // RCDATA and RAWTEXT differ only in character references, which are nobody's business here. noscript: as with scripting.
  mark("textarea title style xmp iframe noembed noframes noscript", "mode", RCDATA);
  mark("script", "mode", SCRIPT);
  mark("plaintext", "mode", PLAINTEXT);
  mark("area base basefont bgsound br col embed frame hr img input keygen link meta param source track wbr", "isVoid", true);
  mark("svg", "root", SVG);
  mark("math", "root", MATHML);
  // "A start tag whose tag name is one of" these ends foreign content; font only with certain attributes.
  mark(
    "b big blockquote body br center code dd div dl dt em embed h1 h2 h3 h4 h5 h6 head hr i img li listing menu meta " +
      "nobr ol p pre ruby s small span strong strike sub sup table tt u ul var font",
    "leaves",
    true,
  );
  mark("desc title foreignobject", "integrates", SVG);
  mark("mi mo mn ms mtext annotation-xml", "integrates", MATHML);
  const nothing = { __proto__: null };

  /** What is known of a name in one document; `name` in lower case. */
  class NameInfo {
    constructor(name) {
      const known = facts[name] ?? nothing;
      this.name = name;
      this.mode = known.mode ?? DATA;
      this.isVoid = known.isVoid === true;
      this.root = known.root ?? HTML;
      /** Does the tokenizer go on after it as before, outside of foreign content? */
      this.isPlain = this.mode === DATA && this.root === HTML;
      this.leaves = known.leaves === true;
      this.integrates = known.integrates ?? HTML;
      /** How many elements of the name are open. */
      this.open = 0;
      /** The selectors that may begin with an element of the name; undefined until it is asked for. */
      this.candidates = undefined;
    }
  }

  /** What is known of the names of one document, by their spelling. As a document may invent names without end, unused ones are dropped. */
  class Names {
    constructor() {
      this.infos = { __proto__: null };
      this.count = 0;
      this.limit = 500;
    }
    /** A spelling that `infos` lacks. */
    add(spelling) {
      if (this.count >= this.limit) this.sweep();
      const name = lower(spelling);
      const info = this.infos[name] ?? (this.count++, (this.infos[name] = new NameInfo(name)));
      if (name !== spelling) {
        this.count++;
        this.infos[spelling] = info;
      }
      return info;
    }
    sweep() {
      const { infos } = this;
      this.infos = { __proto__: null };
      this.count = 0;
      for (const spelling in infos) {
        if (infos[spelling].open === 0) continue;
        this.infos[spelling] = infos[spelling];
        this.count++;
      }
      this.limit = this.count * 2 + 500;
    }
  }

  return { __proto__: null, DATA, RCDATA, SCRIPT, PLAINTEXT, CDATA, HTML, SVG, MATHML, Names };
}
