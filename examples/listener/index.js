// The event-listener shape, as service workers have it: no exports, `addEventListener("fetch", …)`.
// `respondWith` takes a Response or a promise of one; `waitUntil` keeps work alive after the response.
// Values of the app's `env` are given to the other shapes' handlers only.
let visits = 0;

addEventListener("fetch", (event) => {
  const { pathname } = new URL(event.request.url);
  event.respondWith(answer(pathname));
  event.waitUntil(
    new Promise((resolve) => setTimeout(resolve, 10)).then(() => console.log(`visit ${visits}: ${pathname}`)),
  );
});

async function answer(pathname) {
  visits += 1;
  return new Response(`visit ${visits}, at ${pathname}\n`);
}
