// The smallest app: every request gets a greeting.
export default {
  fetch(request, env) {
    return new Response(`Hello from ${env.NAME ?? "nano-trio"}!\n`);
  },
};
