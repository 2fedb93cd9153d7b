// FormData: XMLHttpRequest, https://xhr.spec.whatwg.org/#interface-formdata , and its two forms in bodies.
(platform) => {
  "use strict";
  const { load, host, constructors, statics, uncurry } = platform;
  const { TypeError, Uint8Array } = constructors;
  const { floor, random } = statics.Math;
  const { requireArguments, fail, isObject, USVString, defineInterface, definePairIterable } = load("webidl");
  const { isBlob, isFile, makeFile, makeBlob, makeBlobOfParts, nameOf, typeOf } = load("blob");
  const replaceAll = uncurry("String", "replaceAll");
  let entriesOf, isFormData;

  class FormData {
    /** The entry list: [name, value], a value being a string or a File. */
    #entries = [];
    constructor() {
      if (arguments[0] !== undefined) fail("Failed to construct 'FormData'", "Argument 1 is not of type 'HTMLFormElement'.");
    }
    append(name, value) {
      const entries = this.#entries;
      entries[entries.length] = toEntry(arguments, "append");
    }
    delete(name) {
      const entries = this.#entries;
      name = toName(arguments, "delete");
      remove(entries, 0, name);
    }
    get(name) {
      const entries = this.#entries;
      const at = find(entries, toName(arguments, "get"));
      return at < 0 ? null : entries[at][1];
    }
    getAll(name) {
      const entries = this.#entries;
      name = toName(arguments, "getAll");
      const values = [];
      for (let i = 0; i < entries.length; i++) if (entries[i][0] === name) values[values.length] = entries[i][1];
      return values;
    }
    has(name) {
      const entries = this.#entries;
      return find(entries, toName(arguments, "has")) >= 0;
    }
    set(name, value) {
      const entries = this.#entries;
      const entry = toEntry(arguments, "set");
      const at = find(entries, entry[0]);
      if (at < 0) entries[entries.length] = entry;
      else {
        entries[at] = entry;
        remove(entries, at + 1, entry[0]);
      }
    }
    static {
      entriesOf = (form) => form.#entries;
      isFormData = (value) => isObject(value) && #entries in value;
    }
  }

  function find(entries, name) {
    for (let i = 0; i < entries.length; i++) if (entries[i][0] === name) return i;
    return -1;
  }
  function remove(entries, start, name) {
    let kept = start;
    for (let i = start; i < entries.length; i++) if (entries[i][0] !== name) entries[kept++] = entries[i];
    entries.length = kept;
  }
  /** The only argument of most methods. */
  function toName(list, method) {
    const context = `Failed to execute '${method}' on 'FormData'`;
    requireArguments(list.length, 1, context);
    return USVString(list[0], context);
  }
  /** The arguments of append and set, (name, value) or (name, blob, filename), by "create an entry". */
  function toEntry(list, method) {
    const context = `Failed to execute '${method}' on 'FormData'`;
    requireArguments(list.length, 2, context);
    const name = USVString(list[0], context);
    const value = list[1];
    if (!isBlob(value)) {
      if (list.length > 2) fail(context, "Argument 2 is not of type 'Blob'.");
      return [name, USVString(value, context)];
    }
    if (list[2] !== undefined) return [name, makeFile(value, USVString(list[2], context))];
    return [name, isFile(value) ? value : makeFile(value, "blob")];
  }

  // --- multipart/form-data: HTML, https://html.spec.whatwg.org/#multipart-form-data --------------------------------

  /** Every line break becomes a carriage return and a line feed. */
  function normalizeNewlines(text) {
    return replaceAll(replaceAll(replaceAll(text, "\r\n", "\n"), "\r", "\n"), "\n", "\r\n");
  }
  function escapeName(name) {
    return replaceAll(replaceAll(replaceAll(name, "\n", "%0A"), "\r", "%0D"), '"', "%22");
  }
  /** { blob, boundary } of a FormData. */
  function encodeMultipart(form) {
    const entries = entriesOf(form);
    let boundary = "----nano-formdata-";
    for (let i = 0; i < 24; i++) boundary += floor(random() * 10);
    const parts = [];
    for (let i = 0; i < entries.length; i++) {
      const value = entries[i][1];
      const name = escapeName(normalizeNewlines(entries[i][0]));
      let head = `--${boundary}\r\nContent-Disposition: form-data; name="${name}"`;
      if (typeof value === "string") head += `\r\n\r\n${normalizeNewlines(value)}`;
      else {
        head += `; filename="${escapeName(nameOf(value))}"\r\n`;
        head += `Content-Type: ${typeOf(value) || "application/octet-stream"}\r\n\r\n`;
      }
      parts[parts.length] = head;
      if (typeof value !== "string") parts[parts.length] = value;
      parts[parts.length] = "\r\n";
    }
    parts[parts.length] = `--${boundary}--\r\n`;
    return { __proto__: null, blob: makeBlobOfParts(parts, ""), boundary };
  }

  const MALFORMED = "The body is no well-formed multipart/form-data.";
  /** Hand on what the host finds in a body, step by step: between two the turn may be suspended. */
  function takeParts(buffer, take) {
    const { more, end } = host("formdata");
    try {
      for (let flat; (flat = more(buffer)) !== true; take(flat)) if (flat === false) throw new TypeError(MALFORMED);
    } finally {
      // There may be no room for what is found.
      end();
    }
  }
  /** A text as the host gives it: itself, or the number of a long one. */
  const toText = (text) => (typeof text === "string" ? text : load("large").take(text, true));
  /** Body's formData() steps: `buffer` is given away, `type` a MIME type of mime.js or null. */
  function parseBody(buffer, type) {
    const { goesAhead } = load("ahead");
    const essence = type === null ? "" : type.essence;
    const form = new FormData();
    const entries = entriesOf(form);
    if (essence === "multipart/form-data") {
      const boundary = load("mime").parameter(type, "boundary");
      if (boundary === null) throw new TypeError(MALFORMED);
      host("formdata").beginMultipart(goesAhead(buffer) ? null : buffer, boundary);
      takeParts(buffer, (flat) => {
        // Of each part: name, its text, or null and file name (null: a long text), type, start, end.
        for (let i = 0; i < flat.length; ) {
          const name = flat[i++];
          let value = flat[i++];
          if (value === null) {
            const bytes = new Uint8Array(buffer, flat[i + 2], flat[i + 3] - flat[i + 2]);
            value = flat[i] === null ? load("large").decode(bytes) : makeFile(makeBlob(bytes, flat[i + 1]), flat[i]);
            i += 4;
          }
          entries[entries.length] = [name, value];
        }
      });
    } else if (essence === "application/x-www-form-urlencoded") {
      host("formdata").beginUrlencoded(goesAhead(buffer) ? null : buffer);
      takeParts(buffer, (flat) => {
        for (let i = 0; i < flat.length; i += 2) entries[entries.length] = [toText(flat[i]), toText(flat[i + 1])];
      });
    } else {
      throw new TypeError("The body's Content-Type is neither multipart/form-data nor application/x-www-form-urlencoded.");
    }
    return form;
  }

  defineInterface(FormData);
  definePairIterable(FormData, "FormData", entriesOf);
  return { __proto__: null, FormData, isFormData, entriesOf, encodeMultipart, parseBody };
}
