// What the microbenchmarks share: prints one line of JSON, name → ms per operation.
// An operation's time is the best of several batches: what others took from the machine only ever adds.
export const ARGUMENTS = globalThis.scriptArgs ?? globalThis.process?.argv ?? globalThis.Deno?.args ?? [];
const QUICK = ARGUMENTS.includes("quick");
const BATCHES = QUICK ? 8 : 25;
const BATCH_MS = 12;

/** Milliseconds per call: batches of about BATCH_MS, the best of them. `work` may be async. */
async function measure(work) {
  let calls = 1;
  for (;;) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) {
      const result = work();
      if (result instanceof Promise) await result;
    }
    const passed = performance.now() - start;
    if (passed >= BATCH_MS || calls >= 1e6) break;
    calls = Math.ceil(Math.min(calls * 10, calls * Math.max(1.5, (1.1 * BATCH_MS) / Math.max(passed, 0.01))));
  }
  let best = Infinity;
  for (let batch = 0; batch < BATCHES; batch++) {
    const start = performance.now();
    for (let i = 0; i < calls; i++) {
      const result = work();
      if (result instanceof Promise) await result;
    }
    best = Math.min(best, (performance.now() - start) / calls);
  }
  return best;
}

/** Measure every case; one that fails is reported with its error. */
export async function report(cases) {
  const results = {};
  for (const [name, work] of Object.entries(cases)) {
    try {
      results[name] = await measure(work);
    } catch (error) {
      results[name] = String(error);
    }
  }
  console.log("RESULT " + JSON.stringify(results));
}
