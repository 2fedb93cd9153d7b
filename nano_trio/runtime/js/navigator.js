// The navigator object: HTML 8.9, https://html.spec.whatwg.org/#the-navigator-object
(platform) => {
  "use strict";
  const { defineInterface, illegalConstructor } = platform.load("webidl");
  const TOKEN = {};
  const LANGUAGE = "en-US";

  class Navigator {
    #languages = platform.statics.Object.freeze([LANGUAGE]);

    constructor() {
      if (arguments[0] !== TOKEN) illegalConstructor();
    }

    get userAgent() {
      this.#languages;
      return platform.host("navigator").userAgent();
    }
    /** An app runs in one isolate, on one core. */
    get hardwareConcurrency() {
      this.#languages;
      return 1;
    }
    get language() {
      this.#languages;
      return LANGUAGE;
    }
    get languages() {
      return this.#languages;
    }
    get onLine() {
      this.#languages;
      return true;
    }
  }
  defineInterface(Navigator);

  return { __proto__: null, Navigator, navigator: new Navigator(TOKEN) };
}
