// The rewriting of one document: tokens to handlers, and the source with what they changed to the output.
//
// Theory of operation. `run` takes a piece of the source. `advance` goes from token to token, without a handler, until one
// has handlers (then it says so: `Class`, `unit`, `handlers`) or the piece ends. So only what is selected costs calls, and
// only a handler that returns a promise suspends. `settle` then writes what the unit has become. The source before
// `copied` has been written; what nobody changes is written in long slices when something else must be, or at the end of a
// piece. Within an element whose content is dropped (`suppressed`) handlers are called as ever, but nothing is written.
// An element that the end tag of another one ends, or the end of the document, has its appended content written there.
(platform) => {
  "use strict";
  const { uncurry, statics, load } = platform;
  const slice = uncurry("String", "slice");
  const { apply } = statics.Reflect;
  const { isObject } = load("webidl");
  const { Tokenizer, MORE, TEXT, START_TAG, END_TAG, COMMENT, DOCTYPE, SKIPPED, HTML } = load("htmlrewriter_tokenizer");
  const { Matcher } = load("htmlrewriter_matching");
  const { ElementUnit, TextUnit, CommentUnit, DoctypeUnit, EndTagUnit, EndUnit, ...tokens } = load("htmlrewriter_tokens");
  const { Element, Text, Comment, Doctype, EndTag, DocumentEnd, makeShell, kill } = tokens;
  const NOTHING = -1;
  const DOCUMENT_END = 7;

  /** What an open element has in store for its end, where there is anything. */
  class Frame {
    constructor(registrations) {
      this.registrations = registrations;
      this.unit = null;
      this.isSuppressing = false;
      this.name = "";
      this.isOwnTag = false;
    }
  }

  class Rewriter {
    /**
     * `registrations`: { order, element, comments, text, hasContentHandlers, active }, of selectors; `documents`: { doctype, comments, text,
     * end }; each handler is { callback, receiver } or null. `chains` and `options` are the Matcher's.
     */
    constructor(registrations, documents, chains, options) {
      this.registrations = registrations;
      this.documents = documents;
      this.tokenizer = new Tokenizer();
      this.matcher = new Matcher(chains, options);
      // The handlers of text and comments, where we are; null where they must be gathered anew
      this.texts = this.comments = null;
      /** The kind of a token that has been found but waits for the end of the text before it. */
      this.pending = NOTHING;
      this.isInText = false;
      /** Elements that the current token ends, innermost first */
      this.ending = [];
      this.ended = 0;
      this.isEndHandled = false;
      this.suppressed = 0;
      this.copied = 0;
      /** Written: strings and streams; the last string is still in `out`. */
      this.written = [];
      this.out = "";
      // The token that handlers are called for
      this.Class = this.unit = this.handlers = undefined;
    }

    /** Rewrite a piece of the source. What was written is then in `written`. */
    async run(piece, isLast) {
      this.tokenizer.feed(piece, isLast);
      this.copied = 0;
      while (this.advance()) {
        const { Class, unit, handlers } = this;
        for (let i = 0; i < handlers.length; i++) {
          const { callback, receiver } = handlers[i];
          const shell = makeShell(Class, unit);
          try {
            const result = apply(callback, receiver, [shell]);
            if (isObject(result)) await result;
          } finally {
            kill(shell);
          }
        }
        this.settle();
      }
      if (this.out !== "") this.written[this.written.length] = this.out;
      this.out = "";
    }

    /** Go on to the next token that has handlers: is there one in this piece? */
    advance() {
      const { tokenizer } = this;
      for (;;) {
        if (this.ended < this.ending.length) {
          if (this.endElement(this.ending[this.ended++])) return true;
          continue;
        }
        let kind = this.pending;
        if (kind === NOTHING) {
          kind = tokenizer.next();
          if (kind === MORE && tokenizer.isLast) {
            kind = DOCUMENT_END;
            tokenizer.start = tokenizer.end = tokenizer.at;
          }
        } else this.pending = NOTHING;

        if (kind === TEXT) {
          const texts = this.texts ?? this.gather();
          if (texts.length === 0) continue;
          this.isInText = true;
          return this.call(Text, new TextUnit(tokenizer.source(), false), texts);
        }
        if (kind === MORE) {
          this.passTo(tokenizer.at);
          return false;
        }
        if (this.isInText && kind !== SKIPPED) {
          this.isInText = false;
          this.pending = kind;
          return this.call(Text, new TextUnit("", true), this.texts);
        }
        if (kind === START_TAG) {
          if (this.startTag()) return true;
        } else if (kind === END_TAG) {
          if (tokenizer.info.open > 0) this.endTag(tokenizer.info);
        } else if (kind === COMMENT) {
          if (this.comments === null) this.gather();
          if (this.comments.length > 0) return this.call(Comment, new CommentUnit(tokenizer.source()), this.comments);
        } else if (kind === DOCTYPE) {
          const handlers = this.documentHandlers("doctype");
          if (handlers.length > 0) return this.call(Doctype, new DoctypeUnit(tokenizer.source()), handlers);
        } else if (kind === DOCUMENT_END) {
          if (this.matcher.depth > 0) this.endTag(null);
          else {
            this.passTo(tokenizer.at);
            if (this.isEndHandled) return false;
            this.isEndHandled = true;
            const handlers = this.endHandlers();
            if (handlers.length > 0) return this.call(DocumentEnd, new EndUnit(), handlers);
          }
        }
      }
    }
    call(Class, unit, handlers) {
      this.Class = Class;
      this.unit = unit;
      this.handlers = handlers;
      return true;
    }
    documentHandlers(key, handlers = []) {
      const { documents } = this;
      for (let i = 0; i < documents.length; i++) if (documents[i][key] !== null) handlers[handlers.length] = documents[i][key];
      return handlers;
    }
    /** As on Workers, whoever came last is the first to append. */
    endHandlers() {
      const handlers = [];
      const { documents } = this;
      for (let i = documents.length - 1; i >= 0; i--) {
        if (documents[i].end !== null) handlers[handlers.length] = documents[i].end;
      }
      return handlers;
    }
    /** The handlers of text and comments that apply here: those of elements around, then those of the document. */
    gather() {
      const texts = [];
      const comments = [];
      const { registrations } = this;
      for (let i = 0; i < registrations.length; i++) {
        const registration = registrations[i];
        if (registration.active === 0) continue;
        if (registration.text !== null) texts[texts.length] = registration.text;
        if (registration.comments !== null) comments[comments.length] = registration.comments;
      }
      this.documentHandlers("text", texts);
      this.documentHandlers("comments", comments);
      this.comments = comments;
      this.tokenizer.skipsText = texts.length === 0;
      return (this.texts = texts);
    }
    /** Other handlers apply from here on. */
    forget() {
      this.texts = this.comments = null;
      this.tokenizer.skipsText = false;
    }

    /** Returns whether the element has handlers. */
    startTag() {
      const { tokenizer, matcher } = this;
      const { info } = tokenizer;
      const hasContent = tokenizer.tagNamespace === HTML ? !info.isVoid : !tokenizer.isSelfClosing;
      const matched = matcher.match(tokenizer);
      if (matched.length === 0) {
        if (hasContent) matcher.push(info, null);
        return false;
      }
      const handlers = [];
      let frame = null;
      for (let i = 0; i < matched.length; i++) {
        const registration = matched[i];
        if (registration.element !== null) handlers[handlers.length] = registration.element;
        if (hasContent && registration.hasContentHandlers) {
          frame ??= new Frame(matched);
          if (registration.active++ === 0) this.forget();
        }
      }
      if (hasContent) matcher.push(info, frame);
      return handlers.length > 0 && this.call(Element, new ElementUnit(tokenizer, hasContent), handlers);
    }
    /** Close elements from the innermost to that of the name; all of them at the end of the document. */
    endTag(info) {
      const { matcher } = this;
      const ending = [];
      for (let isOwnTag = false; !isOwnTag && matcher.depth > 0; ) {
        isOwnTag = matcher.isInnermost(info);
        const { name } = matcher.infos[matcher.depth];
        const frame = matcher.pop();
        if (frame === null) continue;
        frame.name = name;
        frame.isOwnTag = isOwnTag;
        ending[ending.length] = frame;
        const { registrations } = frame;
        for (let i = 0; i < registrations.length; i++) {
          const registration = registrations[i];
          if (!registration.hasContentHandlers) continue;
          if (--registration.active === 0) this.forget();
        }
      }
      this.ending = ending;
      this.ended = 0;
    }
    /** An element ends here: returns whether a handler wants to know. */
    endElement(frame) {
      const { unit } = frame;
      if (unit === null) return false;
      this.passTo(this.tokenizer.start);
      if (frame.isSuppressing) this.suppressed--;
      const end = new EndTagUnit(unit, frame.name, frame.isOwnTag);
      const handler = unit.end === null ? null : unit.end.handler;
      if (handler !== null && !this.isAtEnd()) {
        return this.call(EndTag, end, [{ __proto__: null, callback: handler, receiver: undefined }]);
      }
      this.settleEndTag(end);
      return false;
    }
    /** At the end of the document there is no tag that could be handled. */
    isAtEnd() {
      return this.tokenizer.start === this.tokenizer.end;
    }

    // Writing
    passTo(end) {
      const { tokenizer, copied } = this;
      if (end === 0) return;
      if (this.suppressed === 0) {
        if (tokenizer.head !== "") this.out += tokenizer.head;
        if (end > copied) this.out += slice(tokenizer.text, copied, end);
      }
      tokenizer.head = "";
      this.copied = end;
    }
    /** The token has been written otherwise. */
    skipTo(end) {
      this.tokenizer.head = "";
      this.copied = end;
    }
    write(content) {
      if (typeof content === "string") this.out += content;
      else {
        for (let i = 0; i < content.length; i++) {
          const part = content[i];
          if (typeof part === "string") this.out += part;
          else {
            if (this.out !== "") this.written[this.written.length] = this.out;
            this.out = "";
            this.written[this.written.length] = part;
          }
        }
      }
    }
    /** Write what became of the unit that handlers have been called for. */
    settle() {
      const { Class, unit, tokenizer } = this;
      if (Class === EndTag) this.settleEndTag(unit);
      else if (Class === DocumentEnd) this.write(unit.appended);
      else if (Class !== Doctype && unit.isTouched) {
        const isEmpty = Class === Text && unit.isLast;
        this.passTo(tokenizer.start);
        if (this.suppressed === 0) {
          this.write(unit.before);
          if (unit.isRemoved) this.write(unit.replacement);
          else if (!isEmpty) this.out += (Class === Text ? null : unit.serialize()) ?? tokenizer.source();
          this.write(unit.after);
        }
        if (!isEmpty) this.skipTo(tokenizer.end);
        if (Class === Element && (unit.end !== null || unit.dropsContent || unit.newName !== null)) this.keep(unit);
      }
      this.unit = undefined;
    }
    /** Keep the unit of the element whose tag this is until the element ends. */
    keep(unit) {
      if (!unit.hasContent) return;
      const { matcher } = this;
      const frame = (matcher.frames[matcher.depth] ??= new Frame([]));
      frame.unit = unit;
      if (unit.dropsContent) {
        frame.isSuppressing = true;
        this.suppressed++;
      }
    }
    settleEndTag(unit) {
      const { tokenizer } = this;
      if (this.suppressed === 0) {
        this.write(unit.before);
        if (unit.isPresent && !unit.isRemoved) this.out += unit.serialize() ?? tokenizer.source();
        this.write(unit.after);
      }
      if (unit.isPresent) this.skipTo(tokenizer.end);
    }
  }

  return { __proto__: null, Rewriter };
}
