// What node:stream says of arguments: of each public function with values of all kinds.
import stream, { Readable, Writable, Duplex, Transform, pipeline, finished, addAbortSignal } from "node:stream";
import * as promises from "node:stream/promises";
const W = (o) => new Writable({ write(c, e, cb) { cb(); }, ...o });
const R = (o) => new Readable({ read() {}, ...o });
const bad = [undefined, null, 0, 5, -1, 1.5, NaN, "x", "", true, false, Symbol.iterator, 5n, {}, [], () => {}, Buffer.from("a")];
// What the engine says is the engine's.
const say = (e) => `${e?.name ?? typeof e} ${e?.code} ${e?.code === undefined ? "" : e.message}`;
const show = (v) => { try { return typeof v === "bigint" ? `${v}n` : typeof v === "symbol" ? "sym" : typeof v === "function" ? "fn" : v === undefined ? "undef" : Number.isNaN(v) ? "NaN" : JSON.stringify(v); } catch { return "?"; } };
const cases = [];
const add = (label, f) => cases.push([label, f]);
for (const b of bad) {
  const s = show(b);
  add(`write(${s})`, (t) => t(W()).write(b));
  add(`write(x,${s})`, (t) => t(W()).write("x", b));
  add(`write(x,utf8,${s})`, (t) => t(W()).write("x", "utf8", b));
  add(`write(x,undefined,${s})`, (t) => t(W()).write("x", undefined, b));
  add(`end(${s})`, (t) => t(W()).end(b));
  add(`end(x,${s})`, (t) => t(W()).end("x", b));
  add(`end(x,utf8,${s})`, (t) => t(W()).end("x", "utf8", b));
  add(`setDefaultEncoding(${s})`, (t) => t(W()).setDefaultEncoding(b) instanceof Writable);
  add(`objwrite(${s})`, (t) => t(W({ objectMode: true })).write(b));
  add(`push(${s})`, (t) => t(R()).push(b));
  add(`push(x,${s})`, (t) => t(R()).push("x", b));
  add(`unshift(${s})`, (t) => t(R()).unshift(b));
  add(`unshift(x,${s})`, (t) => t(R()).unshift("x", b));
  add(`read(${s})`, (t) => { const r = t(R()); r.push("abcdefgh"); return String(r.read(b)); });
  add(`setEncoding(${s})`, (t) => t(R()).setEncoding(b) instanceof Readable);
  add(`unpipe(${s})`, (t) => t(R()).unpipe(b) instanceof Readable);
  add(`destroy(${s})`, (t) => t(R()).destroy(b) instanceof Readable);
  add(`Readable.from(${s})`, (t) => t(Readable.from(b)) instanceof Readable);
  if (typeof b !== "function") add(`Duplex.from(${s})`, (t) => t(Duplex.from(b)) instanceof Duplex);
  add(`new Readable(${s})`, (t) => t(new Readable(b)) instanceof Readable);
  add(`new Writable(${s})`, (t) => t(new Writable(b)) instanceof Writable);
  add(`new Transform(${s})`, (t) => t(new Transform(b)) instanceof Transform);
  if (b !== undefined && b !== null) add(`hwm ${s}`, (t) => t(new Readable({ highWaterMark: b })).readableHighWaterMark);
  if (b !== undefined && b !== null) add(`whwm ${s}`, (t) => t(new Writable({ highWaterMark: b })).writableHighWaterMark);
  if (b !== undefined && b !== null) add(`rhwm ${s}`, (t) => t(new Duplex({ readableHighWaterMark: b })).readableHighWaterMark);
  add(`enc ${s}`, (t) => t(new Readable({ encoding: b })).readableEncoding);
  add(`defenc ${s}`, (t) => t(new Writable({ defaultEncoding: b })) instanceof Writable);
  add(`signal ${s}`, (t) => t(new Readable({ read() {}, signal: b })) instanceof Readable);
  add(`optread ${s}`, (t) => t(new Readable({ read: b })) instanceof Readable);
  add(`finished(${s})`, (t) => typeof finished(b, () => {}));
  add(`finished(r,${s})`, (t) => typeof finished(t(R()), b));
  add(`finished(r,{},${s})`, (t) => typeof finished(t(R()), {}, b));
  add(`finished(r,${s},cb)`, (t) => typeof finished(t(R()), b, () => {}));
  add(`finished sig ${s}`, (t) => typeof finished(t(R()), { signal: b }, () => {}));
  add(`pipeline(${s})`, (t) => typeof pipeline(b));
  add(`pipeline(${s},cb)`, (t) => typeof pipeline(b, () => {}));
  add(`pipeline(r,w,${s})`, (t) => typeof pipeline(t(R()), t(W()), b));
  if (b !== null) add(`addAbortSignal(${s},r)`, (t) => typeof addAbortSignal(b, t(R())));
  add(`addAbortSignal(sig,${s})`, (t) => typeof addAbortSignal(new AbortController().signal, b));
  add(`setDefHWM(true,${s})`, () => { stream.setDefaultHighWaterMark(true, b); const n = stream.getDefaultHighWaterMark(true); stream.setDefaultHighWaterMark(true, 16); return n; });
  add(`map(${s})`, (t) => t(t(R()).map(b)) instanceof Readable);
  add(`map(fn,${s})`, (t) => t(t(R()).map((x) => x, b)) instanceof Readable);
  add(`map conc ${s}`, (t) => t(t(R()).map((x) => x, { concurrency: b })) instanceof Readable);
  add(`map sig ${s}`, (t) => t(t(R()).map((x) => x, { signal: b })) instanceof Readable);
  add(`filter(${s})`, (t) => t(t(R()).filter(b)) instanceof Readable);
  add(`flatMap(${s})`, (t) => t(t(R()).flatMap(b)) instanceof Readable);
  add(`take(${s})`, (t) => t(t(R()).take(b)) instanceof Readable);
  add(`drop(${s})`, (t) => t(t(R()).drop(b)) instanceof Readable);
  add(`asIndexedPairs(${s})`, (t) => t(t(R()).asIndexedPairs(b)) instanceof Readable);
  for (const m of ["forEach", "some", "every", "find", "reduce", "toArray"]) {
    add(`${m}(${s})`, async (t) => { const r = R(); r.push(null); return String(await r[m](b)); });
    if (m !== "toArray") add(`${m}(fn,${s})`, async (t) => { const r = R(); r.push(null); return String(await r[m](() => {}, b)); });
  }
  add(`reduce(fn,0,${s})`, async (t) => { const r = R(); r.push(null); return String(await r.reduce(() => {}, 0, b)); });
  add(`iterator(${s})`, (t) => typeof t(R()).iterator(b));
  add(`iterator dor ${s}`, (t) => typeof t(R()).iterator({ destroyOnReturn: b }));
  add(`isReadable(${s})`, () => [stream.isReadable(b), stream.isErrored(b), stream.isDisturbed(b), stream.isWritable?.(b)].join());
  add(`fromWeb(${s})`, (t) => t(Readable.fromWeb(b)) instanceof Readable);
  add(`wfromWeb(${s})`, (t) => t(Writable.fromWeb(b)) instanceof Writable);
  add(`dfromWeb(${s})`, (t) => t(Duplex.fromWeb(b)) instanceof Duplex);
  add(`p.finished(${s})`, async () => void (await Promise.race([promises.finished(b), 1])));
  add(`p.pipeline(${s})`, async () => void (await Promise.race([promises.pipeline(b), 1])));
}
for (const [label, f] of cases) {
  const lines = [];
  const streams = [];
  const track = (s) => { s?.on?.("error", (e) => lines.push(`error event ${say(e)}`)); if (s) streams.push(s); return s; };
  let line;
  try {
    let r = f(track);
    if (r instanceof Promise) r = `async ${await r.then(String, (e) => `rej ${say(e)}`)}`;
    line = `ok ${String(r)}`;
  } catch (e) { line = `throws ${say(e)}`; }
  await new Promise((x) => setImmediate(x));
  await new Promise((x) => setImmediate(x));
  console.log(`${label} => ${line}${lines.length ? " | " + lines.join(" | ") : ""}`);
  for (const s of streams) s?.destroy?.();
}
