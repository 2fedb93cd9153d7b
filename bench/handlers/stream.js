// GET /?bytes=N streams N bytes in chunks of 64 KB, each made when it is pulled. POST counts the bytes that come.
const size = 65536;

export default {
  async fetch(request) {
    if (request.method === "POST") {
      let bytes = 0;
      for await (const chunk of request.body) bytes += chunk.byteLength;
      return new Response(`${bytes}\n`);
    }
    let left = Number(new URL(request.url).searchParams.get("bytes") ?? 0);
    return new Response(
      new ReadableStream({
        pull(controller) {
          if (left <= 0) return controller.close();
          controller.enqueue(new Uint8Array(Math.min(size, left)).fill(97));
          left -= size;
        },
      }),
    );
  },
};
