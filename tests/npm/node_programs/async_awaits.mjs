// What an AsyncLocalStorage has behind each kind of `await`, and the order of microtasks, which it must not change.
import { AsyncLocalStorage } from "async_hooks";
const storage = new AsyncLocalStorage();
const lines = [];
const say = (what) => lines.push(`${what} ${storage.getStore()}`);
const later = (value) => new Promise((resolve) => setTimeout(resolve, 1, value));

class Query {
  #result;
  constructor(result) {
    this.#result = result;
  }
  then(fulfilled, rejected) {
    say("query");
    return later(this.#result).then(fulfilled, rejected);
  }
}
class Mine extends Promise {}
const thenable = (how) => ({
  then(resolve, reject) {
    say("then");
    how(resolve, reject);
  },
});
const iterable = (...values) => ({ [Symbol.iterator]: () => values.values() });
async function* generate() {
  say("generator");
  try {
    const got = yield 1;
    say(`got ${got}`);
    await 2;
    say("awaited");
    yield later(3);
    await new Query();
    say("queried");
    return thenable((resolve) => resolve(4));
  } finally {
    await 5;
    say("finally");
  }
}
async function* delegate() {
  yield* generate();
  yield* iterable(6, Promise.resolve(7));
}

const programs = {
  async number() {
    await 5;
    say("number");
    await undefined;
    say("undefined");
    await null;
    say("null");
    await "text";
    say("string");
    await Symbol.iterator;
    say("symbol");
    await {};
    say("object");
    await (() => {});
    say("function");
  },
  async promise() {
    await Promise.resolve();
    say("resolved");
    await later();
    say("later");
    await Mine.resolve(1);
    say("subclass");
    try {
      await Promise.reject(new Error("no"));
    } catch {
      say("rejected");
    }
    try {
      await later().then(() => Promise.reject(1));
    } catch {
      say("rejected later");
    }
  },
  async thenable() {
    await thenable((resolve) => resolve(1));
    say("at once");
    await thenable((resolve) => queueMicrotask(resolve));
    say("in a microtask");
    await thenable((resolve) => setTimeout(resolve, 1));
    say("in a timer");
    await thenable((resolve) => resolve(thenable((again) => again(Promise.resolve()))));
    say("nested");
    try {
      await thenable((_, reject) => reject(1));
    } catch {
      say("rejects");
    }
    try {
      await thenable(() => {
        throw 1;
      });
    } catch {
      say("throws");
    }
    say(`query ${await new Query(1)}`);
  },
  async nested() {
    const inner = async () => {
      await 1;
      say("inner");
      return new Query(2);
    };
    say(await inner());
    await (async () => await inner())();
    say("returned");
    await storage.run("other", async () => {
      await inner();
      say("run");
    });
    say("outside");
    await storage.exit(inner);
    say("exited");
  },
  async generators() {
    const generator = generate();
    say((await generator.next()).value);
    say((await generator.next("a")).value);
    say((await generator.next()).value);
    for await (const each of delegate()) say(each);
    for await (const each of generate()) {
      say(each);
      break;
    }
    // The engine does not wait until it has closed the generator.
    await later();
    const thrown = generate();
    await thrown.next();
    await thrown.throw(1).catch(() => say("thrown"));
    await generate().return(thenable((resolve) => resolve(1)));
    say("returned");
    const queued = generate();
    await Promise.all([queued.next(), storage.run("other", () => queued.next()), queued.next(), queued.next()]);
    say("queued");
  },
  async iteration() {
    for await (const each of [1, Promise.resolve(2), later(3), new Query(4)]) say(each);
    for await (const each of iterable(5, thenable((resolve) => resolve(6)))) say(each);
    for await (const each of new Set(["a"])) say(each);
    const own = { i: 0, next: () => new Query({ value: own.i, done: own.i++ === 2 }), [Symbol.asyncIterator]: () => own };
    for await (const each of own) say(`own ${each}`);
    try {
      for await (const each of [Promise.reject(1)]) say(each);
    } catch {
      say("rejected");
    }
  },
  async combined() {
    await Promise.all([1, later(), new Query(), thenable((resolve) => resolve())]);
    say("all");
    await Promise.allSettled([Promise.reject(1), new Query()]);
    say("allSettled");
    await Promise.race([later(), new Query(), 1]);
    say("race");
    await Promise.any([Promise.reject(1), new Query()]);
    say("any");
    await Promise.all([1, 2].map(async (each) => (await each, say(`map ${each}`))));
  },
  async chained() {
    await Promise.resolve(1)
      .then(() => (say("then 1"), new Query()))
      .then(() => say("then 2"))
      .finally(() => (say("finally"), new Query()))
      .then(() => Promise.reject(1))
      .catch(() => say("catch"));
    queueMicrotask(async () => {
      await 1;
      say("microtask");
    });
    await later();
    setTimeout(async () => {
      await 1;
      say("timer");
    });
    await later();
    await later();
    const { then } = Promise.prototype;
    await new Promise((resolve) => then.call(Promise.resolve(), () => resolve(say("then.call"))));
    await new Mine((resolve) => resolve()).then(() => say("subclass"));
  },
};

// Each alone, under a store and without.
for (const name in programs) {
  for (const store of ["a", undefined]) {
    lines.push(`- ${name} ${store}`);
    await (store === undefined ? programs[name]() : storage.run(store, programs[name]));
    say("top level");
  }
}

// Side by side: what is awaited is settled by another, or by nobody's.
lines.push("- settled by others");
let resolve, reject;
const promise = new Promise((...both) => ([resolve, reject] = both));
const waits = async (name) => {
  await promise;
  say(name);
  await 1;
  say(name);
};
const all = ["a", "b"].map((name) => storage.run(name, waits, name));
all.push(waits("none"), promise.then(() => say("then")), storage.run("c", () => promise.then(() => say("then"))));
storage.run("d", () => resolve());
await Promise.all(all);
say("top level");
storage.run("d", reject);

// Step by step: one await that is under a store takes as many microtasks as one that is not.
lines.push("- in order");
const values = [1, Promise.resolve(), Promise.reject(1), thenable((go) => go()), Mine.resolve(), Promise.resolve(new Query())];
await Promise.all(
  values.flatMap((value, i) =>
    ["a", undefined, "b"].map((store) =>
      (store === undefined ? (call) => call() : (call) => storage.run(store, call))(async () => {
        for (let step = 0; step < 3; step++) {
          try {
            await value;
          } catch {}
          say(`${i} ${step}`);
        }
      }),
    ),
  ),
);

lines.push("- constructor and then");
for (const name of ["constructor", "then", "catch", "finally"]) {
  const { value, get, writable, enumerable } = Object.getOwnPropertyDescriptor(Promise.prototype, name);
  lines.push([name, value?.name, value?.length, typeof get, writable, enumerable].join());
}
lines.push(`${Promise.prototype.constructor === Promise} ${/native code/.test(Promise.prototype.then)}`);
storage.run("a", () => lines.push(`${Promise.resolve(promise) === promise}`));
console.log(lines.join("\n"));
