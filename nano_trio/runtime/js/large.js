// Large bodies between JavaScript and the host, in pieces: runtime/large.py tells the whole. After each the engine polls,
// so that the turn may be suspended there; none of the app's code runs meanwhile.
(platform) => {
  "use strict";
  const { buffers, constructors, uncurry } = platform;
  const { Uint8Array } = constructors;
  const { isView, viewBuffer, viewByteOffset, viewByteLength, byteLength } = buffers;
  const { begin, put, turn, back, size: sizeOf, next, forget, hold, release } = platform.host("large");
  const charCodeAt = uncurry("String", "charCodeAt");
  const substring = uncurry("String", "substring");
  const set = uncurry("TypedArray", "set");
  const transfer = uncurry("ArrayBuffer", "transfer");
  const PIECE = 131072;
  /** Pieces after which a buffer that nobody needs any more is made so much smaller. */
  const GIVEN_UP = 8;
  /** Code units, of which each may be three bytes. */
  const TEXT_PIECE = 32768;
  /** What tells the host whose isolate it is. */
  const HERE = [];

  /**
   * Hand over a string, an ArrayBuffer or a Uint8Array: the host function that is called next takes it. `isLast`: nobody
   * else has these bytes or will need them, so that there need not be all of them twice.
   */
  function give(body, isLast = false) {
    begin();
    try {
      if (typeof body === "string") giveText(body);
      else if (isLast && isWhole(body)) giveUp(isView(body) ? viewBuffer(body) : body);
      else if (isView(body)) giveBytes(viewBuffer(body), viewByteOffset(body), viewByteLength(body));
      else giveBytes(body, 0, byteLength(body));
    } catch (error) {
      // The heap is full. The host's pieces of it count for nothing.
      begin();
      throw error;
    }
  }
  const isWhole = (body) => !isView(body) || viewByteLength(body) === byteLength(viewBuffer(body));
  function giveText(text) {
    for (let at = 0, end; at < text.length; at = end) {
      end = endOfPiece(text, at);
      put([substring(text, at, end)]);
    }
  }
  /** No surrogate pair is cut. */
  function endOfPiece(text, start) {
    const end = start + TEXT_PIECE;
    return (charCodeAt(text, end - 1) & 0xfc00) === 0xd800 ? end + 1 : end;
  }
  function giveBytes(buffer, start, size) {
    for (let at = 0; at < size; at += PIECE) {
      put(new Uint8Array(buffer, start + at, size - at < PIECE ? size - at : PIECE));
    }
  }

  /** From the last piece on, and what the host has the buffer is without: memory is given back where it ends. */
  function giveUp(buffer) {
    for (let end = byteLength(buffer); end > 0; ) {
      const rest = end - 1 - ((end - 1) % (GIVEN_UP * PIECE));
      for (let at = end; at > rest; ) {
        const before = at - 1 - ((at - 1) % PIECE);
        put(new Uint8Array(buffer, before, at - before));
        at = before;
      }
      buffer = transfer(buffer, (end = rest));
    }
    turn();
  }

  /** "UTF-8 encode" of a string to an ArrayBuffer. */
  function encode(text) {
    const utf8 = platform.load("utf8");
    let last = null;
    let size = 0;
    for (let at = 0, end; at < text.length; at = end) {
      end = endOfPiece(text, at);
      last = { __proto__: null, bytes: new Uint8Array(utf8.encode(substring(text, at, end))), start: size, before: last };
      size += viewByteLength(last.bytes);
    }
    const whole = new Uint8Array(size);
    for (; last !== null; last = last.before) set(whole, last.bytes, last.start);
    return viewBuffer(whole);
  }

  /** The text that is lent by that number. */
  function takeText(number) {
    let text = "";
    for (let piece; (piece = next(number, HERE)) !== null; ) text += typeof piece === "string" ? piece : piece[0];
    return text;
  }
  /** The bytes that are lent by that number. */
  function takeBytes(number) {
    const bytes = new Uint8Array(sizeOf(number));
    for (let at = 0, piece; (piece = next(number, HERE)) !== null; at += byteLength(piece)) {
      set(bytes, new Uint8Array(piece), at);
    }
    return viewBuffer(bytes);
  }

  /** The body that the host lends by that number: a string, or a new ArrayBuffer. */
  function take(number, isText) {
    try {
      return isText ? takeText(number) : takeBytes(number);
    } finally {
      // There may be no room for it.
      forget(number);
    }
  }

  return {
    __proto__: null,
    give,
    take,
    /** Hand over an argument of the host function that is called next, which gets `true` instead, and may have several. */
    hold(body) {
      try {
        give(body);
        hold();
      } catch (error) {
        release();
        throw error;
      }
      return true;
    },
    encode,
    /** "UTF-8 decode without BOM" of an ArrayBuffer or a Uint8Array. */
    decode(body) {
      give(body);
      return take(back(), true);
    },
  };
}
