// A JSON REST API over notes, with routes, validation and an in-memory store. No packages: plain Web platform.
//
//   GET    /            where the notes are
//   GET    /notes       all notes; ?tag=… only those with that tag
//   POST   /notes       {"title": "…", "tags": ["…"]}: creates a note
//   GET    /notes/:id   one note
//   PUT    /notes/:id   replaces it
//   DELETE /notes/:id   deletes it
//
// The store lives in the app's isolate. It is gone when the isolate is: do not keep in it what you cannot lose.
import { InvalidInput, parseNote } from "./validation.js";

const notes = new Map();
let lastId = 0;

const routes = [
  [/^\/$/, { GET: () => Response.json({ notes: "/notes" }) }],
  [
    /^\/notes$/,
    {
      GET({ url }) {
        const tag = url.searchParams.get("tag");
        const all = [...notes.values()];
        return Response.json(tag === null ? all : all.filter((note) => note.tags.includes(tag)));
      },
      async POST({ request }) {
        const note = { id: ++lastId, ...(await readNote(request)) };
        notes.set(note.id, note);
        return Response.json(note, { status: 201, headers: { location: `/notes/${note.id}` } });
      },
    },
  ],
  [
    /^\/notes\/(?<id>\d+)$/,
    {
      GET: ({ id }) => Response.json(find(id)),
      async PUT({ request, id }) {
        find(id);
        const note = { id, ...(await readNote(request)) };
        notes.set(id, note);
        return Response.json(note);
      },
      DELETE({ id }) {
        find(id);
        notes.delete(id);
        return new Response(null, { status: 204 });
      },
    },
  ],
];

/** What the client is told instead of a result. */
class Problem extends Error {
  constructor(status, message, headers = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

function find(id) {
  const note = notes.get(id);
  if (note === undefined) throw new Problem(404, `there is no note ${id}`);
  return note;
}

async function readNote(request) {
  const type = request.headers.get("content-type") ?? "";
  if (!type.toLowerCase().startsWith("application/json")) throw new Problem(415, "send application/json");
  let value;
  try {
    value = await request.json();
  } catch (error) {
    throw new Problem(400, `the body is not JSON: ${error.message}`);
  }
  return parseNote(value);
}

async function route(request) {
  const url = new URL(request.url);
  for (const [pattern, methods] of routes) {
    const match = pattern.exec(url.pathname);
    if (match === null) continue;
    const handler = methods[request.method === "HEAD" ? "GET" : request.method];
    if (handler === undefined) {
      const allow = Object.keys(methods).join(", ");
      throw new Problem(405, `${request.method} is not possible here; allowed: ${allow}`, { allow });
    }
    return handler({ request, url, id: Number(match.groups?.id) });
  }
  throw new Problem(404, `nothing is at ${url.pathname}`);
}

export default {
  async fetch(request) {
    try {
      return await route(request);
    } catch (error) {
      if (error instanceof InvalidInput) return Response.json({ problems: error.problems }, { status: 422 });
      if (error instanceof Problem) {
        return Response.json({ error: error.message }, { status: error.status, headers: error.headers });
      }
      throw error; // a defect: the client gets 500, the log gets the stack
    }
  },
};
