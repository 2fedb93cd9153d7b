// Answers, except at /spin, where it computes for ever.
export default {
  fetch(request) {
    if (request.url.endsWith("/spin")) for (;;);
    return new Response("calm\n");
  },
};
