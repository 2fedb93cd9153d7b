export default {
  /**
   * Answers each request. `env` is what nano-trio.json says below "env".
   *
   * @param {Request} request
   * @param {{ GREETING?: string }} env
   */
  fetch(request, env) {
    const name = new URL(request.url).searchParams.get("name") ?? "world";
    return new Response(`${env.GREETING ?? "Hello"}, ${name}!\n`);
  },
};
