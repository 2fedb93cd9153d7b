"""A server that gets no more threads, and then some: the program of ``test_no_threads``.

Prints what its apps answer, in JSON, and its log on standard error.
"""

from __future__ import annotations

import json
import threading
from pathlib import Path
from typing import Any

import attrs
import httpcore
import trio

from nano_trio.config import from_document
from nano_trio.web.file_watch import FileWatch
from nano_trio.web.startup import host

_APP = """
import { scryptSync } from "node:crypto";
const done = async (work) => { try { return await work(); } catch (error) { return `${error.name}: ${error.message}`; } };
const key = () => crypto.subtle.importKey("raw", new Uint8Array(8), "PBKDF2", false, ["deriveBits"]);
const derive = async () => (await crypto.subtle.deriveBits(
  { name: "PBKDF2", hash: "SHA-256", salt: new Uint8Array(8), iterations: 300000 }, await key(), 256)).byteLength;
const scrypt = () => scryptSync("a", "b", 32, { N: 65536, maxmem: 2 ** 28 }).length;
const pack = async () => (await new Response(
  new Blob([new Uint8Array(4 << 20)]).stream().pipeThrough(new CompressionStream("gzip"))).bytes()).length > 0;
export default { async fetch(request) {
  return Response.json({
    cache: await done(async () => (await caches.default.match("https://e/")) ?? null),
    fetch: await done(async () => (await fetch("http://localhost:1/")).status),
    derive: await done(derive),
    scrypt: await done(scrypt),
    pack: await done(pack),
  });
} };
"""


async def main(folder: Path) -> None:
    (folder / "index.js").write_text(_APP)
    app = {"name": "app", "path": str(folder / "index.js"), "request_timeout_ms": 600_000, "allow_net": ["localhost"]}
    config = from_document({"port": 0, "state_dir": str(folder / "state"), "apps": [app]}, environ={})
    by_name = attrs.evolve(config, host="localhost")
    wanted = config
    said: dict[str, Any] = {}
    async with trio.open_nursery() as nursery:

        async def run(task_status: trio.TaskStatus[Any]) -> None:
            await host(config, source=lambda: wanted, task_status=task_status)

        hosting = await nursery.start(run)
        nursery.start_soon(FileWatch(hosting, []).run)
        async with httpcore.AsyncConnectionPool() as pool:
            url = f"http://127.0.0.1:{hosting.server.port}/"
            for when in ("without", "with"):
                answer = await pool.request("GET", url, headers={"Host": "app"})
                said[when] = json.loads(answer.content) if answer.status == 200 else answer.status
                wanted = config
                said[f"reload {when}"] = (await hosting.reload()).error
                wanted = by_name
                said[f"localhost {when}"] = (await hosting.reload()).error
                await hosting.metrics.exposition()
                threading.stack_size(0)
        nursery.cancel_scope.cancel()
    print(json.dumps(said))
