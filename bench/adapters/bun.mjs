// bun run adapters/bun.mjs HANDLER PORT
const [file, port] = process.argv.slice(2);
const app = (await import(file)).default;
Bun.serve({ port: Number(port), hostname: "127.0.0.1", fetch: (request) => app.fetch(request, {}, {}) });
