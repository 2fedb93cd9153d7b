// HTML 8.6: timers; scheduler.wait.

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

test("timers: they run in order of time, then of their making", async () => {
  const order = [];
  setTimeout(() => order.push("c"), 20);
  setTimeout(() => order.push("a"), 1);
  setTimeout(() => order.push("b"), 1);
  await wait(40);
  equal(order, ["a", "b", "c"]);
});

test("timers: arguments and receiver", async () => {
  const seen = await new Promise((resolve) => setTimeout(function (...args) { resolve([this, ...args]); }, 0, 1, "x"));
  equal(seen.slice(1), [1, "x"]);
});

test("timers: numbers are positive and differ", async () => {
  const a = setTimeout(() => {}), b = setInterval(() => {}, 1000);
  ok(+a > 0 && +b > 0 && +a !== +b);
  clearTimeout(a);
  clearTimeout(b);
});

test("timers: either function clears either kind; unknown numbers are ignored", async () => {
  let count = 0;
  clearInterval(setTimeout(() => count++, 1));
  clearTimeout(setInterval(() => count++, 1));
  for (const id of [undefined, null, -1, 0, 1e9, "x", {}]) equal([clearTimeout(id), clearInterval(id)], [undefined, undefined]);
  await wait(20);
  equal(count, 0);
});

test("timers: an interval repeats until it is cleared, even after it threw", async () => {
  let count = 0;
  const handled = (e) => e.preventDefault();
  globalThis.addEventListener?.("error", handled);
  await new Promise((resolve) => {
    const id = setInterval(() => {
      if (++count === 4) { clearInterval(id); resolve(); }
      if (count === 2 && globalThis.addEventListener) throw new Error("goes on");
    }, 1);
  });
  await wait(10);
  globalThis.removeEventListener?.("error", handled);
  equal(count, 4);
});

test("timers: negative, missing and odd times are 0", async () => {
  const order = [];
  setTimeout(() => order.push("late"), 15);
  for (const ms of [-1, undefined, NaN, "x", -Infinity, null]) setTimeout(() => order.push("now"), ms);
  await wait(40);
  equal(order, ["now", "now", "now", "now", "now", "now", "late"]);
});

test("timers: microtasks run between two timers", async () => {
  const order = [];
  setTimeout(() => { order.push(1); queueMicrotask(() => order.push(2)); }, 0);
  setTimeout(() => order.push(3), 0);
  await wait(15);
  equal(order, [1, 2, 3]);
});

test("timers: a handler is required", async () => {
  throws(TypeError, () => setTimeout());
  throws(TypeError, () => setInterval());
});

test("scheduler.wait: resolves with nothing, later", async () => {
  let isDone = false;
  const promise = scheduler.wait(1).then((value) => { isDone = true; return value; });
  await null;
  equal(isDone, false);
  equal(await promise, undefined);
});

test("scheduler.wait: a signal rejects it with its reason", async () => {
  const controller = new AbortController();
  const promise = scheduler.wait(10_000, { signal: controller.signal });
  const enough = new Error("enough");
  controller.abort(enough);
  await rejects(enough, promise);
  await rejects(enough, scheduler.wait(0, { signal: controller.signal }));
});

test("scheduler.wait: bad arguments reject", async () => {
  await rejects(TypeError, scheduler.wait());
  await rejects(TypeError, scheduler.wait(NaN));
  await rejects(TypeError, scheduler.wait(1, 5));
  await rejects(TypeError, scheduler.wait(1, { signal: {} }));
  equal(Object.prototype.toString.call(scheduler), "[object Scheduler]");
});

test("however many are cleared, the others fire in their order", async () => {
  const fired = [];
  const ids = [];
  const delay = (i) => (i * 7919) % 1000;
  for (let i = 0; i < 3000; i++) ids.push(setTimeout(() => fired.push(i), delay(i)));
  for (let i = 0; i < 3000; i++) if (i % 10 > 0) clearTimeout(ids[i]);
  const late = setTimeout(() => fired.push("late"), 1000);
  await new Promise((resolve) => setTimeout(resolve, 999));
  clearTimeout(late);
  const expected = ids.map((_, i) => i).filter((i) => i % 10 === 0).sort((a, b) => delay(a) - delay(b) || a - b);
  equal(fired, expected);
});
