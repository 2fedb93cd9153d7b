// Intl: ECMA-402, chapter 8, https://tc39.es/ecma402/#intl-object , for one locale, en-US. What has no constructor here
// (DisplayNames, Locale, DurationFormat) is undefined, as in engines that do not know it.
(platform) => {
  "use strict";
  const { statics } = platform;
  const { defineProperty } = statics.Object;
  const { localeList, hidden } = platform.load("intl_options");
  const FILES = {
    __proto__: null, Collator: "intl_collation", DateTimeFormat: "intl_date", ListFormat: "intl_words",
    NumberFormat: "intl_number", PluralRules: "intl_words", RelativeTimeFormat: "intl_words", Segmenter: "intl_segmenter",
  };
  const Intl = {};
  for (const name in FILES) {
    defineProperty(Intl, name, {
      __proto__: null,
      // Each becomes what it would be without laziness when something first asks for it.
      get() {
        const Constructor = platform.load(FILES[name])[name];
        hidden(Intl, name, Constructor);
        return Constructor;
      },
      set: (value) => hidden(Intl, name, value),
      enumerable: false,
      configurable: true,
    });
  }
  hidden(Intl, "getCanonicalLocales", {
    getCanonicalLocales(locales) {
      return localeList(locales);
    },
  }.getCanonicalLocales);
  defineProperty(Intl, Symbol.toStringTag, { __proto__: null, value: "Intl", configurable: true });
  return { __proto__: null, Intl };
}
