// What an app may be busy with. /KIND makes what the kind needs, /KIND/once does it once, /KIND/forever again and again; / is quiet.
const objects = () => Array.from({ length: 520_000 }, (_, i) => ({ i }));
const cycles = (count) => {
  for (let i = 0; i < count; i++) {
    const one = {};
    one.one = one;
  }
};

const KINDS = {
  loop: () => () => {
    for (;;);
  },
  sort() {
    const numbers = Array.from({ length: 600_000 }, (_, i) => (i * 7919) % 600_011);
    return () => numbers.slice().sort();
  },
  garbage() {
    const live = objects();
    return () => cycles(1e6 + live.length);
  },
  requests() {
    const live = objects();
    return () => cycles(500 + (live.length > 0));
  },
  bytes: () => () => new Uint8Array(100_000_000).fill(1).slice().length,
  strings() {
    let last = 0;
    return () => {
      const text = "abcdefgh".repeat(5_000_000);
      last = (text + last).charCodeAt(last % 1000);
    };
  },
  bigint() {
    const number = 3n ** 660_000n;
    return () => number.toString().length;
  },
  json() {
    const data = Array.from({ length: 200_000 }, (_, id) => ({ id, name: `a name of some length, number ${id}`, tags: ["one", 2, null, true], at: 0.5 + id }));
    return () => JSON.parse(JSON.stringify(data)).length;
  },
  regexp() {
    const text = `${"a".repeat(40)}b`;
    return () => /^(a+)+$/.test(text);
  },
  map: () => () => {
    const map = new Map();
    for (let i = 0; i < 600_000; i++) map.set(i, i);
    return map.size;
  },
  endless: () => () => Array.prototype.indexOf.call({ length: 2 ** 53 - 1 }, 1),
  // So that not all come to the end at once, each begins with another part of it.
  outgrow(app) {
    const list = [];
    const add = () => list.push([list, 1, 2, 3, 4, 5, 6, 7]);
    for (let i = 0; i < 60_000 * app.slice(-1); i++) add();
    return () => {
      for (;;) add();
    };
  },
};

const ready = {};

export default {
  fetch(request) {
    const { hostname, pathname } = new URL(request.url);
    const [, kind, how] = pathname.split("/");
    if (!kind) return new Response("calm\n");
    const work = (ready[kind] ??= KINDS[kind](hostname));
    if (how === "forever") for (;;) work();
    if (how === "once") work();
    return new Response("done\n");
  },
};
