/** @typedef {{ id: number, text: string, done: boolean }} Task */

// What is kept here lives as long as the app's isolate: a reload begins anew.
/** @type {Map<number, Task>} */
const tasks = new Map();
let lastId = 0;

const item = new URLPattern({ pathname: "/tasks/:id" });

/** @param {number} status @param {string} error */
const problem = (status, error) => Response.json({ error }, { status });

/** @param {Request} request */
async function create(request) {
  const body = await request.json().catch(() => null);
  if (typeof body?.text !== "string" || !body.text.trim()) {
    return problem(400, 'expected JSON such as { "text": "Buy milk" }');
  }
  const task = { id: ++lastId, text: body.text.trim(), done: false };
  tasks.set(task.id, task);
  return Response.json(task, { status: 201, headers: { location: `/tasks/${task.id}` } });
}

/** @param {Request} request @param {Task} task */
async function change(request, task) {
  const body = await request.json().catch(() => null);
  if (typeof body?.done !== "boolean") return problem(400, 'expected JSON such as { "done": true }');
  task.done = body.done;
  return Response.json(task);
}

export default {
  /** @param {Request} request */
  async fetch(request) {
    const { pathname } = new URL(request.url);
    if (pathname === "/tasks") {
      if (request.method === "GET") return Response.json([...tasks.values()]);
      if (request.method === "POST") return create(request);
      return problem(405, "GET or POST");
    }
    const id = item.exec(request.url)?.pathname.groups.id;
    if (id === undefined) return problem(404, "try /tasks");
    const task = tasks.get(Number(id));
    if (task === undefined) return problem(404, `there is no task ${id}`);
    if (request.method === "GET") return Response.json(task);
    if (request.method === "PATCH") return change(request, task);
    if (request.method === "DELETE") {
      tasks.delete(task.id);
      return new Response(null, { status: 204 });
    }
    return problem(405, "GET, PATCH or DELETE");
  },
};
