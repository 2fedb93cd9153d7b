// The app's `env` for what has no handler's arguments, process.env and cloudflare:workers: the handlers' own, where this is
// asked for before the app is loaded.
(platform) => {
  "use strict";
  const { parse } = platform.statics.JSON;
  const host = platform.host("node_modules.settings");
  const env = parse(host.environment());
  const names = parse(host.services());
  for (let i = 0; i < names.length; i++) env[names[i]] = platform.load("service").makeFetcher(names[i]);
  return { __proto__: null, env: platform.load("dispatch").deepFreeze(env) };
}
