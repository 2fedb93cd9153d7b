"""WebSockets and event sources that apps open, behind a real server."""

from __future__ import annotations

import trio

from tests.runtime.websocket_server import Peer, echo
from tests.runtime.websocket_server import serving as upstream

from .conftest import SiteMaker

APP = """
let sockets = [];
export default { async fetch(request, env) {
  const ws = new WebSocket(env.URL);
  try {
    await new Promise((resolve, reject) => { ws.onopen = resolve; ws.onerror = (e) => reject(e.error); });
  } catch (error) {
    return new Response(error.message, { status: 502 });
  }
  const answer = new Promise((resolve) => { ws.onmessage = (e) => resolve(e.data); });
  ws.send(await request.text());
  const text = await answer;
  if (new URL(request.url).pathname === "/keep") sockets.push(ws); else ws.close();
  return new Response(text);
} };
"""


async def test_an_app_talks_to_a_socket_and_the_wall_stands(serve: SiteMaker) -> None:
    async with upstream(echo) as server:
        env = {"URL": server.url}
        apps = {
            "open": {"source": APP, "env": env, "allow_net": ["loopback"]},
            "walled": {"source": APP, "env": env},
        }
        async with serve(apps) as site:
            assert (await site.get("open", method="POST", body=b"hello")).text == "hello"
            await server.settled()
            refused = await site.get("walled", method="POST", body=b"hello")
            assert refused.status == 502
            assert "not in the public Internet" in refused.text
            assert (await site.get("open", "/keep", method="POST", body=b"kept")).text == "kept"
            assert server.open == 1
        await server.settled()


async def test_open_sockets_keep_an_app_awake(serve: SiteMaker) -> None:
    finish = trio.Event()

    async def handler(peer: Peer) -> None:
        message = await peer.receive()
        assert message is not None
        await peer.send(message)
        await finish.wait()

    async with upstream(handler) as server:
        app = {"source": APP, "env": {"URL": server.url}, "allow_net": ["loopback"], "idle_timeout_s": 0.01}
        async with serve({"a": app}) as site:
            await site.get("a", "/keep", method="POST", body=b"x")
            await trio.sleep(2.2)
            assert site.app("a").state.value == "awake"
            finish.set()
            with trio.fail_after(10):
                while site.app("a").state.value == "awake":  # noqa: ASYNC110
                    await trio.sleep(0.05)
