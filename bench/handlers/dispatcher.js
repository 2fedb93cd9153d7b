// workerd's front in `memory`: hands /N to the worker bound as `wN`.
export default {
  fetch(request, env) {
    return env[`w${new URL(request.url).pathname.slice(1)}`].fetch(request);
  },
};
