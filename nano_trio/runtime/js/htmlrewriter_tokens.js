// What HTMLRewriter's handlers get: Element, Text, Comment, Doctype, EndTag and DocumentEnd, as Cloudflare Workers has them:
// https://developers.cloudflare.com/workers/runtime-apis/html-rewriter/
//
// A handler's object is a shell around a unit, which holds what is known and what shall change. The shell dies with its
// handler; the unit goes on to the next handler and is then written out by htmlrewriter_rewriter.js. Strings in units are
// byte strings. Content is such a string, or, where streams are in it, an array of strings and { reader, isHtml }.
(platform) => {
  "use strict";
  const { uncurry, statics, constructors, load } = platform;
  const { TypeError } = constructors;
  const { defineProperty, getPrototypeOf, setPrototypeOf, getOwnPropertyDescriptors } = statics.Object;
  const { isArray } = statics.Array;
  const exec = uncurry("RegExp", "exec");
  const slice = uncurry("String", "slice");
  const startsWith = uncurry("String", "startsWith");
  const endsWith = uncurry("String", "endsWith");
  const replaceAll = uncurry("String", "replaceAll");
  const copy = uncurry("Array", "slice");
  const concat = uncurry("Array", "concat");
  const splice = uncurry("Array", "splice");
  const { requireArguments, fail, isObject, DOMString, callbackFunction, defineInterface, illegalConstructor } = load("webidl");
  const { decode, encode, lower, escape } = load("htmlrewriter_bytes");
  const { find, nameOf } = load("htmlrewriter_attributes");
  const NAMESPACES = ["http://www.w3.org/1999/xhtml", "http://www.w3.org/2000/svg", "http://www.w3.org/1998/Math/MathML"];
  const TOKEN = {};

  class Unit {
    constructor() {
      this.before = this.after = this.replacement = "";
      this.isRemoved = this.isTouched = false;
    }
    replace(content) {
      this.isRemoved = true;
      this.replacement = content;
    }
    remove() {
      this.isRemoved = true;
    }
    addAfter(content) {
      this.after = join(content, this.after);
    }
  }
  class TextUnit extends Unit {
    constructor(source, isLast) {
      super();
      this.source = source;
      this.isLast = isLast;
    }
  }
  class CommentUnit extends Unit {
    constructor(source) {
      super();
      const end = endsWith(source, ">") ? -1 : source.length;
      if (!startsWith(source, "<!--")) this.text = slice(source, source[1] === "?" ? 1 : 2, end);
      else if (end > 0) this.text = slice(source, 4);
      else this.text = source.length < 7 ? "" : slice(source, 4, endsWith(source, "--!>") ? -4 : -3);
      this.newText = null;
    }
    serialize() {
      return this.newText === null ? null : `<!--${this.newText}-->`;
    }
  }
  class DoctypeUnit {
    constructor(source) {
      const match = exec(DOCTYPE, source);
      this.name = match[1] === "" ? null : lower(match[1]);
      this.publicId = unquote(match[2]);
      this.systemId = unquote(match[3] ?? match[4]);
    }
  }
  const DOCTYPE =
    /^.{9}[\t\n\f\r ]*([^\t\n\f\r >]*)[\t\n\f\r ]*(?:public[\t\n\f\r ]*("[^">]*"?|'[^'>]*'?)[\t\n\f\r ]*("[^">]*"?|'[^'>]*'?)?|system[\t\n\f\r ]*("[^">]*"?|'[^'>]*'?))?/i;
  function unquote(value) {
    if (value === undefined) return null;
    return slice(value, 1, value.length > 1 && value[value.length - 1] === value[0] ? -1 : value.length);
  }

  class ElementUnit {
    /** Of the start tag that the tokenizer is at. */
    constructor(tokenizer, hasContent) {
      this.before = this.after = this.replacement = "";
      this.isRemoved = this.isTouched = false;
      this.tokenizer = tokenizer;
      this.hasContent = hasContent;
      this.newName = this.newAttributes = null;
      this.dropsContent = false;
      /** What shall happen at the end tag, or null */
      this.end = null;
    }
    get name() {
      return this.tokenizer.info.name;
    }
    atEnd() {
      return (this.end ??= { __proto__: null, before: "", after: "", isRemoved: false, handler: null });
    }
    attributes() {
      return this.newAttributes ?? this.tokenizer.attributes();
    }
    /** The list, to be changed. */
    ownAttributes() {
      return (this.newAttributes ??= copy(this.tokenizer.attributes()));
    }
    /** The start tag as it has become, or null where it is unchanged. */
    serialize() {
      if (this.newName === null && this.newAttributes === null) return null;
      const list = this.attributes();
      let tag = "<" + (this.newName ?? slice(nameOf(this.tokenizer.raw), 1));
      for (let i = 0; i < list.length; i += 3) {
        tag += " " + (list[i + 2] ?? `${list[i]}="${replaceAll(list[i + 1], '"', "&quot;")}"`);
      }
      // The space keeps the slash out of an unquoted value.
      return tag + (this.tokenizer.isSelfClosing ? " />" : ">");
    }
    addAfter(content) {
      if (!this.hasContent) this.after = join(content, this.after);
      else {
        const end = this.atEnd();
        end.after = join(content, end.after);
      }
    }
    append(content) {
      const end = this.atEnd();
      end.before = join(end.before, content);
    }
    dropContent() {
      this.after = "";
      if (this.end !== null) this.end.before = "";
      this.dropsContent = true;
    }
    replace(content) {
      this.replacement = content;
      this.remove();
    }
    remove() {
      this.isRemoved = true;
      if (!this.hasContent) return;
      this.dropContent();
      this.atEnd().isRemoved = true;
    }
  }
  class EndTagUnit extends Unit {
    /** The end of the element `element`, named `name`; `isPresent` where the source has an end tag for it. */
    constructor(element, name, isPresent) {
      super();
      const { end } = element;
      if (end !== null) {
        this.before = end.before;
        this.after = end.after;
        this.isRemoved = end.isRemoved;
      }
      this.name = name;
      this.newName = element.newName;
      this.isPresent = isPresent;
    }
    serialize() {
      return this.newName === null ? null : `</${this.newName}>`;
    }
  }
  class EndUnit {
    constructor() {
      this.appended = "";
    }
  }

  // Content
  function join(first, second) {
    if (typeof first === "string" && typeof second === "string") return first + second;
    return first === "" ? second : second === "" ? first : concat(isArray(first) ? first : [first], second);
  }
  /** Convert (DOMString or ReadableStream or Response), ContentOptions. */
  function toContent(count, value, options, context) {
    requireArguments(count, 1, context);
    let isHtml = false;
    if (options !== undefined && options !== null) {
      if (!isObject(options)) fail(context, "The value cannot be converted to ContentOptions: it is not an object.");
      isHtml = !!options.html;
    }
    if (isObject(value)) {
      if (platform.isLoaded("response") && load("response").stateOrNull(value) !== null) {
        const { isUnusable } = load("body");
        const state = load("response").stateOf(value);
        if (isUnusable(state)) fail(context, "The response's body has been used already or is locked.");
        const stream = load("body_source").streamOf(state);
        return stream === null ? "" : toStreamed(stream, isHtml);
      }
      if (platform.isLoaded("streams_readable")) {
        const { isReadableStream, isLocked, isDisturbed } = load("streams_readable");
        if (isReadableStream(value)) {
          if (isLocked(value) || isDisturbed(value)) fail(context, "The stream is locked or was read from already.");
          return toStreamed(value, isHtml);
        }
      }
    }
    const text = encode(DOMString(value, context));
    return isHtml ? text : escape(text);
  }
  function toStreamed(stream, isHtml) {
    const { acquireReader, slots } = load("streams_readable");
    slots(stream).disturbed = true;
    return [{ __proto__: null, reader: acquireReader(stream), isHtml }];
  }

  let unitOf, kill;
  /** What all shells have in common: their unit, until the handler is done. */
  class Shell {
    #unit;
    constructor(token, unit) {
      if (token !== TOKEN) illegalConstructor();
      this.#unit = unit;
    }
    static {
      unitOf = (shell) => {
        const unit = shell.#unit;
        if (unit === null) {
          throw new TypeError(
            "This content token is no longer valid. Content tokens are only valid during the execution of the relevant content handler.",
          );
        }
        return unit;
      };
      kill = (shell) => {
        shell.#unit = null;
      };
    }
  }
  /** The unit, which will be written anew. */
  function touch(shell) {
    const unit = unitOf(shell);
    unit.isTouched = true;
    return unit;
  }

  /** Give `Class` the members named in `names` of those that several tokens have. */
  function include(Class, names) {
    const descriptors = getOwnPropertyDescriptors({
      before(content, options = undefined) {
        const unit = unitOf(this);
        content = toContent(arguments.length, content, options, `Failed to execute 'before' on '${Class.name}'`);
        unit.before = join(unit.before, content);
        unit.isTouched = true;
        return this;
      },
      after(content, options = undefined) {
        const unit = unitOf(this);
        unit.addAfter(toContent(arguments.length, content, options, `Failed to execute 'after' on '${Class.name}'`));
        unit.isTouched = true;
        return this;
      },
      replace(content, options = undefined) {
        const unit = unitOf(this);
        unit.replace(toContent(arguments.length, content, options, `Failed to execute 'replace' on '${Class.name}'`));
        unit.isTouched = true;
        return this;
      },
      remove() {
        touch(this).remove();
        return this;
      },
      get removed() {
        return unitOf(this).isRemoved;
      },
    });
    for (let i = 0; i < names.length; i++) defineProperty(Class.prototype, names[i], descriptors[names[i]]);
    defineInterface(Class);
  }

  function checkTagName(name, context) {
    name = encode(DOMString(name, context));
    if (exec(/^[a-zA-Z][^\t\n\f\r \/>\0]*$/, name) === null) fail(context, `'${decode(name)}' is no name of a tag.`);
    return name;
  }

  class Element extends Shell {
    get tagName() {
      const unit = unitOf(this);
      return decode(unit.newName ?? unit.name);
    }
    set tagName(value) {
      const unit = unitOf(this);
      unit.newName = checkTagName(value, "Failed to set 'tagName' on 'Element'");
      unit.isTouched = true;
    }
    get attributes() {
      unitOf(this);
      return new AttributesIterator(this);
    }
    get namespaceURI() {
      return NAMESPACES[unitOf(this).tokenizer.tagNamespace];
    }
    getAttribute(name) {
      const list = unitOf(this).attributes();
      const index = find(list, attributeName(arguments.length, name, "getAttribute"));
      return index < 0 ? null : decode(list[index + 1]);
    }
    hasAttribute(name) {
      return find(unitOf(this).attributes(), attributeName(arguments.length, name, "hasAttribute")) >= 0;
    }
    setAttribute(name, value) {
      const unit = unitOf(this);
      const context = "Failed to execute 'setAttribute' on 'Element'";
      requireArguments(arguments.length, 2, context);
      name = attributeName(2, name, "setAttribute");
      value = encode(DOMString(value, context));
      const list = unit.ownAttributes();
      let index = find(list, name);
      if (index < 0) index = list.length;
      list[index] = name;
      list[index + 1] = value;
      list[index + 2] = null;
      unit.isTouched = true;
      return this;
    }
    removeAttribute(name) {
      const unit = unitOf(this);
      name = attributeName(arguments.length, name, "removeAttribute");
      // A duplicate would take effect where the first is gone.
      while (find(unit.attributes(), name) >= 0) {
        const list = unit.ownAttributes();
        splice(list, find(list, name), 3);
        unit.isTouched = true;
      }
      return this;
    }
    prepend(content, options = undefined) {
      const unit = unitOf(this);
      content = toContent(arguments.length, content, options, "Failed to execute 'prepend' on 'Element'");
      if (unit.hasContent) touch(this).after = join(content, unit.after);
      return this;
    }
    append(content, options = undefined) {
      const unit = unitOf(this);
      content = toContent(arguments.length, content, options, "Failed to execute 'append' on 'Element'");
      if (unit.hasContent) touch(this).append(content);
      return this;
    }
    setInnerContent(content, options = undefined) {
      const unit = unitOf(this);
      content = toContent(arguments.length, content, options, "Failed to execute 'setInnerContent' on 'Element'");
      if (unit.hasContent) {
        touch(this).dropContent();
        unit.after = content;
      }
      return this;
    }
    removeAndKeepContent() {
      const unit = touch(this);
      unit.isRemoved = true;
      if (unit.hasContent) unit.atEnd().isRemoved = true;
      return this;
    }
    onEndTag(handler) {
      const unit = unitOf(this);
      const context = "Failed to execute 'onEndTag' on 'Element'";
      requireArguments(arguments.length, 1, context);
      callbackFunction(handler, `${context}: Argument 1`);
      if (!unit.hasContent) fail(context, `<${decode(unit.name)}> has no content and so no end tag.`);
      touch(this).atEnd().handler = handler;
    }
  }
  // Names repeat: each that is a name, by its spelling. Bounded, as an app may invent names without end.
  const known = { __proto__: null };
  let knownCount = 0;
  function attributeName(count, name, method) {
    if (typeof name === "string" && known[name] !== undefined) return known[name];
    const context = `Failed to execute '${method}' on 'Element'`;
    requireArguments(count, 1, context);
    name = DOMString(name, context);
    const result = lower(encode(name));
    if (exec(/^[^\t\n\f\r \/>=\0]+$/, result) === null) {
      if (method === "setAttribute") fail(context, `'${name}' is no name of an attribute.`);
    } else if (knownCount < 200 && name.length < 40) {
      knownCount++;
      known[name] = result;
    }
    return result;
  }
  include(Element, ["before", "after", "replace", "remove", "removed"]);

  class AttributesIterator {
    #element;
    #index = 0;
    constructor(element) {
      this.#element = element;
    }
    next() {
      const list = unitOf(this.#element).attributes();
      const index = this.#index;
      if (index >= list.length) return { value: undefined, done: true };
      this.#index += 3;
      return { value: [decode(list[index]), decode(list[index + 1])], done: false };
    }
  }
  delete AttributesIterator.prototype.constructor;
  setPrototypeOf(AttributesIterator.prototype, getPrototypeOf(getPrototypeOf(uncurry("Array", "values")([]))));

  class Text extends Shell {
    get text() {
      return decode(unitOf(this).source);
    }
    get lastInTextNode() {
      return unitOf(this).isLast;
    }
  }
  include(Text, ["before", "after", "replace", "remove", "removed"]);

  class Comment extends Shell {
    get text() {
      const unit = unitOf(this);
      return decode(unit.newText ?? unit.text);
    }
    set text(value) {
      const unit = unitOf(this);
      const context = "Failed to set 'text' on 'Comment'";
      value = encode(DOMString(value, context));
      if (exec(/--!?>|^-?>/, value) !== null) fail(context, "The text would end the comment.");
      unit.newText = value;
      unit.isTouched = true;
    }
  }
  include(Comment, ["before", "after", "replace", "remove", "removed"]);

  class Doctype extends Shell {
    get name() {
      return decodeOrNull(unitOf(this).name);
    }
    get publicId() {
      return decodeOrNull(unitOf(this).publicId);
    }
    get systemId() {
      return decodeOrNull(unitOf(this).systemId);
    }
  }
  const decodeOrNull = (value) => (value === null ? null : decode(value));
  include(Doctype, []);

  class EndTag extends Shell {
    get name() {
      const unit = unitOf(this);
      return decode(unit.newName ?? unit.name);
    }
    set name(value) {
      touch(this).newName = checkTagName(value, "Failed to set 'name' on 'EndTag'");
    }
  }
  include(EndTag, ["before", "after", "remove"]);

  class DocumentEnd extends Shell {
    append(content, options = undefined) {
      const unit = unitOf(this);
      content = toContent(arguments.length, content, options, "Failed to execute 'append' on 'DocumentEnd'");
      unit.appended = join(unit.appended, content);
      return this;
    }
  }
  include(DocumentEnd, []);

  return {
    __proto__: null,
    ElementUnit,
    TextUnit,
    CommentUnit,
    DoctypeUnit,
    EndTagUnit,
    EndUnit,
    Element,
    Text,
    Comment,
    Doctype,
    EndTag,
    DocumentEnd,
    makeShell: (Class, unit) => new Class(TOKEN, unit),
    kill,
  };
}
