// Intl.Segmenter: ECMA-402, chapter 18, https://tc39.es/ecma402/#segmenter-objects , by the rules of intl_segments.js.
(platform) => {
  "use strict";
  const { constructors, statics, uncurry } = platform;
  const { TypeError, WeakMap } = constructors;
  const { create, defineProperty, getPrototypeOf } = statics.Object;
  const { MATCHERS, optionsOf, option, define, hidden, plain } = platform.load("intl_options");
  const { DOMString, isObject } = platform.load("webidl_core");
  const { endOfCluster, endOfWord, isWord, endOfSentence } = platform.load("intl_segments");
  const get = uncurry("WeakMap", "get");
  const set = uncurry("WeakMap", "set");
  const slice = uncurry("String", "slice");
  const ENDS = { __proto__: null, grapheme: endOfCluster, word: endOfWord, sentence: endOfSentence };

  /** 18.7.1 CreateSegmentDataObject */
  function dataOf({ text, granularity }, start, end) {
    const told = { __proto__: null, segment: slice(text, start, end), index: start, input: text };
    if (granularity === "word") told.isWordLike = isWord(text, start, end);
    return plain(told);
  }
  function stateIn(states, object, what) {
    const state = isObject(object) ? get(states, object) : undefined;
    if (state === undefined) throw new TypeError(`this is no ${what}`);
    return state;
  }
  const iterators = new WeakMap();
  // %GeneratorPrototype% inherits from %IteratorPrototype%.
  const IteratorPrototype = create(getPrototypeOf(getPrototypeOf(function* () {}).prototype));
  hidden(IteratorPrototype, "next", {
    next() {
      const state = stateIn(iterators, this, "iterator of an Intl.Segmenter");
      const { at } = state;
      if (at >= state.text.length) return { value: undefined, done: true };
      state.at = ENDS[state.granularity](state.text, at);
      return { value: dataOf(state, at, state.at), done: false };
    },
  }.next);
  const tag = { __proto__: null, value: "Segmenter String Iterator", configurable: true };
  defineProperty(IteratorPrototype, Symbol.toStringTag, tag);

  const segments = new WeakMap();
  const SegmentsPrototype = {};
  hidden(SegmentsPrototype, "containing", {
    containing(index) {
      const state = stateIn(segments, this, "text of an Intl.Segmenter");
      const { text, granularity } = state;
      const place = statics.Math.trunc(+index) || 0;
      if (place < 0 || place >= text.length) return undefined;
      // Where the last one that was asked for begins: those before it need not be gone through again.
      let start = state.at <= place ? state.at : 0;
      for (;;) {
        const end = ENDS[granularity](text, start);
        if (place < end) {
          state.at = start;
          return dataOf(state, start, end);
        }
        start = end;
      }
    },
  }.containing);
  hidden(SegmentsPrototype, Symbol.iterator, {
    [Symbol.iterator]() {
      const { text, granularity } = stateIn(segments, this, "text of an Intl.Segmenter");
      const iterator = create(IteratorPrototype);
      set(iterators, iterator, { text, granularity, at: 0 });
      return iterator;
    },
  }[Symbol.iterator]);

  const Segmenter = define(
    "Segmenter",
    false,
    (given) => {
      const options = optionsOf(given, true);
      option(options, "localeMatcher", MATCHERS, "best fit");
      return { __proto__: null, granularity: option(options, "granularity", ["grapheme", "word", "sentence"], "grapheme") };
    },
    {
      __proto__: null,
      segment(state, string) {
        const object = create(SegmentsPrototype);
        set(segments, object, { text: DOMString(string), granularity: state.granularity, at: 0 });
        return object;
      },
      resolvedOptions: (state) => plain({ __proto__: null, locale: state.locale, granularity: state.granularity }),
    },
  );
  return { __proto__: null, Segmenter };
}
