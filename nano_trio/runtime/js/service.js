// Service bindings, as Workers have them: env.NAME.fetch(request) calls another app of the same process.
(platform) => {
  "use strict";
  const { requireArguments, illegalConstructor, defineInterface } = platform.load("webidl");
  const TOKEN = {};

  class Fetcher {
    #name;
    constructor(token, name) {
      if (token !== TOKEN) illegalConstructor();
      this.#name = name;
    }
    async fetch(input, init = undefined) {
      const name = this.#name;
      if (arguments.length < 1) requireArguments(arguments.length, 1, "Failed to execute 'fetch' on 'Fetcher'");
      return platform.load("fetch").perform(input, init, name);
    }
  }
  defineInterface(Fetcher);

  return { __proto__: null, makeFetcher: (name) => new Fetcher(TOKEN, name) };
}
