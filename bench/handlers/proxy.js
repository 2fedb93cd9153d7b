// A reverse proxy that hands on what the upstream answers. The bench writes the upstream's port in place of 1.
const upstream = "http://127.0.0.1:1";

export default {
  fetch(request) {
    const { pathname, search } = new URL(request.url);
    return fetch(upstream + pathname + search);
  },
};
