// What every peer answers in `hello`: the smallest Workers app.
export default {
  fetch() {
    return new Response("Hello, world!\n");
  },
};
