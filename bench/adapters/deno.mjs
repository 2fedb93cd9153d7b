// deno run -A adapters/deno.mjs HANDLER PORT
const [file, port] = Deno.args;
const app = (await import(`file://${file}`)).default;
Deno.serve({ port: Number(port), hostname: "127.0.0.1", onListen() {} }, (request) => app.fetch(request, {}, {}));
