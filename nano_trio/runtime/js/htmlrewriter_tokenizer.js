// Tokenization for HTMLRewriter: HTML, https://html.spec.whatwg.org/#tokenization
//
// Theory of operation. The document arrives in pieces of a byte string; `feed` takes one, and `next` finds the token that
// begins at `at`, leaving its bounds in `start` and `end`. Tokens are ranges of the source: nothing is copied that nobody
// asks for. Three cases:
//   - Most tags match one regular expression, TAG. It accepts only what it can be sure of; whatever is odd, or not yet
//     complete, goes through the states of the specification (`scanTag`), which remember where they are between pieces.
//   - Text ends at the next "<" that begins markup. It is never kept: text that the end of a piece cuts is two tokens.
//     Only what may be the beginning of markup or of a character waits for more.
//   - Script, style and the like (`mode`) end at their own end tag.
// A tag, comment or doctype that is not complete waits: `unfinished` says which and `scan` how far it has been looked at.
// If it grows beyond a few KB, what has been looked at moves to `head`, so that nothing is copied or searched twice.
// `head` belongs before `text`: the token that then begins at 0 really begins with it.
(platform) => {
  "use strict";
  const { uncurry, load } = platform;
  const exec = uncurry("RegExp", "exec");
  const indexOf = uncurry("String", "indexOf");
  const slice = uncurry("String", "slice");
  const startsWith = uncurry("String", "startsWith");
  const { lower, unfinished } = load("htmlrewriter_bytes");
  const { DATA, SCRIPT, PLAINTEXT, CDATA, HTML, SVG, MATHML, Names } = load("htmlrewriter_names");
  const { parseAttributes, find, nameOf } = load("htmlrewriter_attributes");

  // What `next` finds. SKIPPED is source that is no token: </> and the delimiters of CDATA sections.
  const MORE = 0, TEXT = 1, START_TAG = 2, END_TAG = 3, COMMENT = 4, DOCTYPE = 5, SKIPPED = 6;
  /** Kinds of unfinished markup; a bogus comment and a doctype both end at the next ">". */
  const TAG_PART = 1, COMMENT_PART = 2, BOGUS_PART = 3, DOCTYPE_PART = 4;
  const LONG = 4096;

  const TAG =
    /<(\/?)([a-zA-Z][^\t\n\f\r \/>]*)(?:[\t\n\f\r ]+[^\t\n\f\r "'=<>\/]+(?:=(?:"[^"]*"|'[^']*'|[^\t\n\f\r "'=<>`]+))?)*[\t\n\f\r ]*(\/?)>/y;
  const LETTER = /^[a-zA-Z]/;
  const AFTER_NAME = /[\t\n\f\r \/>]/g;
  const AFTER_ATTRIBUTE_NAME = /[\t\n\f\r \/>=]/g;
  const AFTER_UNQUOTED = /[\t\n\f\r >]/g;
  const NO_SPACE = /[^\t\n\f\r ]/g;
  const SCRIPT_MARK = /-->|<\/?script[\t\n\f\r \/>]/gi;
  /** What may become SCRIPT_MARK. */
  const SCRIPT_TAIL = /(?:--?|<\/?[a-z]*)$/i;

  // States of a tag
  const NAME = 0, BEFORE_ATTRIBUTE = 1, ATTRIBUTE_NAME = 2, AFTER_ATTRIBUTE = 3, BEFORE_VALUE = 4, AFTER_QUOTED = 5,
    SELF_CLOSING = 6, DOUBLE_QUOTED = 7, SINGLE_QUOTED = 8, UNQUOTED = 9;

  class Tokenizer {
    constructor() {
      this.text = "";
      this.head = "";
      this.at = this.start = this.end = 0;
      this.isLast = false;
      /** Is text nobody's business? Then it need not be told where there is none but text before a tag. */
      this.skipsText = false;
      this.mode = DATA;
      /** Script data: 0, escaped 1, double escaped 2 */
      this.escaped = 0;
      /** The name whose end tag ends the mode. */
      this.closer = "";
      this.unfinished = this.scan = this.state = 0;
      // Of the tag: what is known of its name, its source, whether it closes itself, the namespace of its element
      this.names = new Names();
      this.info = undefined;
      this.raw = "";
      this.isSelfClosing = false;
      this.tagNamespace = HTML;
      this.parsedAttributes = undefined;
      /** The namespaces entered, innermost last. */
      this.namespaces = [];
      this.namespace = HTML;
    }

    /** Take the next piece. All tokens of the piece before have been taken. */
    feed(piece, isLast) {
      const { text, at, scan } = this;
      this.isLast = isLast;
      let cut = at;
      if (this.unfinished !== 0 && scan - at > LONG) {
        this.head += slice(text, at, scan);
        cut = scan;
      }
      this.scan = scan - cut;
      this.text = cut === text.length ? piece : slice(text, cut) + piece;
      this.at = 0;
    }

    /** Find the next token: its kind. */
    next() {
      if (this.unfinished !== 0) return this.resume();
      if (this.mode !== DATA) return this.nextRaw();
      const { text, at } = this;
      const found = indexOf(text, "<", at);
      if (found !== at) {
        if (found < 0) return this.rest();
        if (!this.skipsText) return this.textUntil(found);
        this.at = found;
      }
      TAG.lastIndex = found;
      const match = exec(TAG, text);
      if (match === null) return this.markup();
      this.raw = match[0];
      this.isSelfClosing = match[3] !== "";
      this.end = TAG.lastIndex;
      return this.tag(match[1] !== "", match[2]);
    }
    /** The source of the token. */
    source() {
      const part = slice(this.text, this.start, this.end);
      return this.head === "" ? part : this.head + part;
    }
    /** The attributes of the tag. */
    attributes() {
      return (this.parsedAttributes ??= parseAttributes(this.raw, this.info.name.length));
    }

    textUntil(end) {
      this.start = this.at;
      this.at = this.end = end;
      return TEXT;
    }
    /** All that is left is text, but for a character that is not complete. */
    rest() {
      const { text, at } = this;
      const tail = this.isLast ? 0 : unfinished(text);
      return this.hold(text.length - tail < at ? at : text.length - tail);
    }
    /** Text up to `end`; what follows it waits for more. */
    hold(end) {
      return end > this.at ? this.textUntil(end) : MORE;
    }

    // 13.2.5.6 Tag open state and 13.2.5.42 Markup declaration open state, where TAG does not match
    markup() {
      const { text, at, isLast } = this;
      const next = text[at + 1];
      if (next === undefined) return isLast ? this.textUntil(at + 1) : MORE;
      if (next === "/") {
        const third = text[at + 2];
        if (third === undefined) return isLast ? this.textUntil(at + 2) : MORE;
        if (third === ">") return this.skip(at + 3);
        return exec(LETTER, third) === null ? this.begin(BOGUS_PART, at + 2) : this.begin(TAG_PART, at + 2);
      }
      if (next === "?") return this.begin(BOGUS_PART, at + 1);
      if (next === "!") {
        const word = slice(text, at + 2, at + 9);
        if (startsWith(word, "--")) return this.begin(COMMENT_PART, at + 2);
        const lowered = lower(word);
        if (lowered === "doctype") return this.begin(DOCTYPE_PART, at + 9);
        if (word === "[CDATA[" && this.namespace !== HTML) {
          this.mode = CDATA;
          return this.skip(at + 9);
        }
        if (!isLast && (startsWith("--", word) || startsWith("doctype", lowered) || startsWith("[CDATA[", word))) return MORE;
        return this.begin(BOGUS_PART, at + 2);
      }
      if (exec(LETTER, next) !== null) return this.begin(TAG_PART, at + 1);
      const found = indexOf(text, "<", at + 1);
      return found < 0 ? this.rest() : this.textUntil(found);
    }
    skip(end) {
      this.start = this.at;
      this.at = this.end = end;
      return SKIPPED;
    }
    begin(part, scan) {
      this.unfinished = part;
      this.scan = scan;
      this.state = NAME;
      return this.resume();
    }
    /** Go on with what was not complete. */
    resume() {
      const part = this.unfinished;
      const end = part === TAG_PART ? this.scanTag() : part === COMMENT_PART ? this.scanComment() : this.scanBogus();
      if (end < 0) {
        if (!this.isLast) return MORE;
        // The end of the document: comments and doctypes are emitted, a tag is not.
        this.unfinished = 0;
        const wasTag = part === TAG_PART;
        this.skip(this.text.length);
        return wasTag ? SKIPPED : part === DOCTYPE_PART ? DOCTYPE : COMMENT;
      }
      this.unfinished = 0;
      this.end = end;
      if (part === TAG_PART) {
        this.start = this.at;
        this.raw = this.source();
        const name = nameOf(this.raw);
        const isEnd = name[1] === "/";
        return this.tag(isEnd, slice(name, isEnd ? 2 : 1));
      }
      this.skip(end);
      return part === DOCTYPE_PART ? DOCTYPE : COMMENT;
    }
    /** The end of a comment. "-->" may share its dashes with "<!--"; "--!>" may not. */
    scanComment() {
      const { text } = this;
      for (let from = this.scan; ; from++) {
        from = indexOf(text, "--", from);
        if (from < 0) {
          this.scan = text[text.length - 1] === "-" && text.length - 1 >= this.scan ? text.length - 1 : text.length;
          return -1;
        }
        const next = text[from + 2];
        if (next === ">") return from + 3;
        const isBang = next === "!" && from - this.at + this.head.length >= 4;
        if (isBang && text[from + 3] === ">") return from + 4;
        if (next === undefined || (isBang && text[from + 3] === undefined)) {
          this.scan = from;
          return -1;
        }
      }
    }
    scanBogus() {
      const found = indexOf(this.text, ">", this.scan);
      this.scan = this.text.length;
      return found < 0 ? -1 : found + 1;
    }
    /** 13.2.5.8 Tag name state to 13.2.5.40 Self-closing start tag state; the index after the tag, or -1. */
    scanTag() {
      const { text } = this;
      let { scan: at, state } = this;
      this.isSelfClosing = false;
      while (at < text.length) {
        if (state === NAME || state === ATTRIBUTE_NAME || state === UNQUOTED || state === DOUBLE_QUOTED || state === SINGLE_QUOTED) {
          // States that last until one of some characters
          at = this.findEnd(state, at);
          if (at === text.length) break;
          const c = text[at++];
          if (c === ">" && state !== DOUBLE_QUOTED && state !== SINGLE_QUOTED) return at;
          if (c === "/") state = SELF_CLOSING;
          else if (c === "=") state = BEFORE_VALUE;
          else if (state === ATTRIBUTE_NAME) state = AFTER_ATTRIBUTE;
          else state = state === DOUBLE_QUOTED || state === SINGLE_QUOTED ? AFTER_QUOTED : BEFORE_ATTRIBUTE;
          continue;
        }
        if (state !== SELF_CLOSING && state !== AFTER_QUOTED) {
          NO_SPACE.lastIndex = at;
          const match = exec(NO_SPACE, text);
          at = match === null ? text.length : match.index;
          if (match === null) break;
        }
        const c = text[at];
        if (c === ">") {
          this.isSelfClosing = state === SELF_CLOSING;
          return at + 1;
        }
        if (state === BEFORE_VALUE) {
          state = c === '"' ? DOUBLE_QUOTED : c === "'" ? SINGLE_QUOTED : UNQUOTED;
          if (state !== UNQUOTED) at++;
        } else if (state === SELF_CLOSING || (state === AFTER_QUOTED && c !== "/")) {
          state = BEFORE_ATTRIBUTE; // reconsume
        } else {
          at++;
          state = c === "/" ? SELF_CLOSING : c === "=" && state === AFTER_ATTRIBUTE ? BEFORE_VALUE : ATTRIBUTE_NAME;
        }
      }
      this.scan = at;
      this.state = state;
      return -1;
    }
    /** The index of the character that ends the state, or the text's length. */
    findEnd(state, at) {
      const { text } = this;
      if (state === DOUBLE_QUOTED || state === SINGLE_QUOTED) {
        const found = indexOf(text, state === DOUBLE_QUOTED ? '"' : "'", at);
        return found < 0 ? text.length : found;
      }
      const pattern = state === NAME ? AFTER_NAME : state === UNQUOTED ? AFTER_UNQUOTED : AFTER_ATTRIBUTE_NAME;
      pattern.lastIndex = at;
      const match = exec(pattern, text);
      return match === null ? text.length : match.index;
    }

    /** A tag is complete: `end` and `raw` are set. What the tree builder would tell the tokenizer follows from it. */
    tag(isEnd, spelling) {
      const { names } = this;
      const info = (this.info = names.infos[spelling] ?? names.add(spelling));
      this.start = this.at;
      this.at = this.end;
      this.parsedAttributes = undefined;
      if (isEnd) {
        if (this.namespaces.length > 0) this.leaveAt(info);
        return END_TAG;
      }
      this.tagNamespace = HTML;
      if (info.isPlain && this.namespace === HTML) return START_TAG;
      if (this.namespace !== HTML && info.leaves) this.leaveForeign(info);
      if (this.namespace !== HTML || info.root !== HTML) this.enter(info);
      else if (info.mode !== DATA) {
        this.mode = info.mode;
        this.closer = info.name;
        this.escaped = 0;
      }
      return START_TAG;
    }
    push(namespace) {
      const { namespaces } = this;
      namespaces[namespaces.length] = this.namespace = namespace;
    }
    pop() {
      const { namespaces } = this;
      namespaces.length--;
      this.namespace = namespaces.length === 0 ? HTML : namespaces[namespaces.length - 1];
    }
    /** A start tag of SVG or MathML, or in one of them. */
    enter(info) {
      this.tagNamespace = this.namespace;
      if (info.root !== HTML) {
        this.tagNamespace = info.root;
        if (!this.isSelfClosing) this.push(info.root);
      } else if (info.integrates === this.namespace && !this.isSelfClosing) {
        if (info.name !== "annotation-xml" || this.isHtmlAnnotation()) this.push(HTML);
      }
    }
    isHtmlAnnotation() {
      const attributes = this.attributes();
      const index = find(attributes, "encoding");
      const value = index < 0 ? "" : lower(attributes[index + 1]);
      return value === "text/html" || value === "application/xhtml+xml";
    }
    /** A start tag of HTML in foreign content: back to HTML. */
    leaveForeign(info) {
      if (info.name === "font") {
        const attributes = this.attributes();
        if (find(attributes, "color") < 0 && find(attributes, "face") < 0 && find(attributes, "size") < 0) return;
      }
      while (this.namespace !== HTML) this.pop();
    }
    /** An end tag where foreign content has been entered. */
    leaveAt(info) {
      const { namespaces } = this;
      if (this.namespace !== HTML) {
        if (info.root === this.namespace) this.pop();
      } else if (namespaces.length > 1 && info.integrates !== HTML && info.integrates === namespaces[namespaces.length - 2]) {
        this.pop();
      }
    }

    // Modes other than DATA
    nextRaw() {
      if (this.mode === PLAINTEXT) return this.rest();
      if (this.mode === CDATA) return this.nextCdata();
      return this.mode === SCRIPT ? this.nextScript() : this.nextRcdata();
    }
    nextCdata() {
      const { text, at } = this;
      const found = indexOf(text, "]]>", at);
      if (found > at) return this.textUntil(found);
      if (found === at) {
        this.mode = DATA;
        return this.skip(at + 3);
      }
      const last = text.length - 1;
      if (this.isLast || text[last] !== "]") return this.rest();
      return this.hold(last > at && text[last - 1] === "]" ? last - 1 : last);
    }
    /** Text up to the end tag at `found`, which ends the mode; or that tag itself. */
    closeAt(found) {
      this.mode = DATA;
      return found > this.at ? this.textUntil(found) : this.next();
    }
    /** Is "</" at `index` the "appropriate end tag"? 1 yes, 0 no, -1 not yet known. */
    closes(index) {
      const { text, closer } = this;
      const name = lower(slice(text, index + 2, index + 2 + closer.length));
      if (name !== closer) return !this.isLast && name.length < closer.length && startsWith(closer, name) ? -1 : 0;
      const next = text[index + 2 + closer.length];
      if (next === undefined) return this.isLast ? 0 : -1;
      return exec(AFTER_TAG_NAME, next) === null ? 0 : 1;
    }
    // 13.2.5.9 to 13.2.5.14
    nextRcdata() {
      const { text } = this;
      for (let from = this.at; ; from++) {
        from = indexOf(text, "</", from);
        if (from < 0) break;
        const closes = this.closes(from);
        if (closes > 0) return this.closeAt(from);
        if (closes < 0) return this.hold(from);
      }
      const last = text.length - 1;
      return !this.isLast && last >= this.at && text[last] === "<" ? this.hold(last) : this.rest();
    }
    // 13.2.5.4 and 13.2.5.15 to 13.2.5.31
    nextScript() {
      const { text, isLast } = this;
      let from = this.at;
      for (;;) {
        if (this.escaped === 0) {
          from = indexOf(text, "<", from);
          if (from < 0) return this.rest();
          const word = slice(text, from + 1, from + 4);
          if (word === "!--") {
            this.escaped = 1;
            from += 2;
          } else if (word[0] === "/") {
            const closes = this.closes(from);
            if (closes > 0) return this.closeAt(from);
            if (closes < 0) return this.hold(from);
            from++;
          } else {
            if (!isLast && startsWith("!--", word)) return this.hold(from);
            from++;
          }
          continue;
        }
        SCRIPT_MARK.lastIndex = from;
        const match = exec(SCRIPT_MARK, text);
        if (match === null) {
          const begin = from > text.length - 9 ? from : text.length - 9;
          const tail = isLast ? null : exec(SCRIPT_TAIL, slice(text, begin));
          return tail === null ? this.rest() : this.hold(begin + tail.index);
        }
        const second = match[0][1];
        if (second === "/" && this.escaped === 1) return this.closeAt(match.index);
        from = SCRIPT_MARK.lastIndex;
        this.escaped = second === "-" ? 0 : second === "/" ? 1 : 2;
      }
    }
  }
  const AFTER_TAG_NAME = /[\t\n\f\r \/>]/;

  return { __proto__: null, Tokenizer, MORE, TEXT, START_TAG, END_TAG, COMMENT, DOCTYPE, SKIPPED, HTML, SVG, MATHML };
}
