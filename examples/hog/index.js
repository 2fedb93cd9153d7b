// Bad behaviour on purpose. Ask for one of these while another app answers: it does not notice.
//
//   /spin        an endless loop: stopped after `timeout_ms` of CPU time, 503
//   /microtasks  an endless chain of promises: the same
//   /memory      keeps all that it makes: stopped above `memory_mb`, 503
//   /recursion   calls itself without end: an error of JavaScript, 500; the isolate goes on
//   /never       waits for nothing: 500 at once, for no answer can ever come
//   /            how many requests this isolate has answered: 1 again after each of the stops above
let answered = 0;

export default {
  async fetch(request) {
    switch (new URL(request.url).pathname) {
      case "/spin":
        for (;;);
      case "/microtasks":
        for (;;) await null;
      case "/memory": {
        const kept = [];
        for (;;) kept.push(new Array(1000).fill(kept.length));
      }
      case "/recursion": {
        const deeper = (depth) => deeper(depth + 1) + 1;
        return new Response(String(deeper(0)));
      }
      case "/never":
        return new Promise(() => {});
      default:
        return new Response(`requests answered by this isolate: ${++answered}\n`);
    }
  },
};
