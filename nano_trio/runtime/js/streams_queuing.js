// ByteLengthQueuingStrategy and CountQueuingStrategy: Streams, https://streams.spec.whatwg.org/#qs
(platform) => {
  "use strict";
  const { requireArguments, defineInterface, dictionary, unrestrictedDouble } = platform.load("webidl");
  const Init = dictionary("QueuingStrategyInit", [
    { key: "highWaterMark", converter: unrestrictedDouble, required: true },
  ]);
  function highWaterMark(name, list) {
    const context = `Failed to construct '${name}'`;
    requireArguments(list.length, 1, context);
    return Init(list[0], context).highWaterMark;
  }
  // The size functions are one per global, and no constructors (7.2.2, 7.3.2).
  const { byteLength, count } = {
    byteLength: { size: (chunk) => chunk.byteLength }.size,
    count: { size: () => 1 }.size,
  };

  class ByteLengthQueuingStrategy {
    #highWaterMark;
    constructor(init) {
      this.#highWaterMark = highWaterMark("ByteLengthQueuingStrategy", arguments);
    }
    get highWaterMark() {
      return this.#highWaterMark;
    }
    get size() {
      this.#highWaterMark;
      return byteLength;
    }
  }
  defineInterface(ByteLengthQueuingStrategy);

  class CountQueuingStrategy {
    #highWaterMark;
    constructor(init) {
      this.#highWaterMark = highWaterMark("CountQueuingStrategy", arguments);
    }
    get highWaterMark() {
      return this.#highWaterMark;
    }
    get size() {
      this.#highWaterMark;
      return count;
    }
  }
  defineInterface(CountQueuingStrategy);

  return { __proto__: null, ByteLengthQueuingStrategy, CountQueuingStrategy };
}
