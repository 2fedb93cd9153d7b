"""The package `ws` as a WebSocket client: echo, compression, large messages, ends; over ws and wss."""

from __future__ import annotations

import json
import os
from pathlib import Path

import trio

from tests.serving.conftest import SiteMaker
from tests.serving.websocket_echo import closings, echo_site

CLIENT = Path(__file__).parent / "ws_client.mjs"
OURS = "permessage-deflate; server_no_context_takeover; client_no_context_takeover"


async def test_ws(node_modules: Path, tmp_path: Path) -> None:
    async with echo_site(SiteMaker(tmp_path), tmp_path) as site:
        command = ["node", str(CLIENT), str(node_modules), site.ws, site.wss]
        with trio.fail_after(60):
            done = await trio.run_process(
                command,
                capture_stdout=True,
                capture_stderr=True,
                check=False,
                env={"PATH": os.environ["PATH"], "NODE_EXTRA_CA_CERTS": str(site.ca)},
            )
        told = await closings(site, 12)
    assert done.returncode == 0, done.stderr.decode()
    assert told == [*[[4100, "from node"]] * 3, [4321, "as you wish"], [1011, ""], [1006, ""]] * 2
    seen = json.loads(done.stdout)
    assert sorted(seen) == ["ws", "wss"]
    for found in seen.values():
        ended = [4100, ""]  # a Close is answered with its code alone
        agreed = ["", OURS, f"{OURS}; server_max_window_bits=10"]
        assert [(bool(extensions), same, end) for extensions, same, end in found["chats"]] == [
            (bool(extensions), True, ended) for extensions in agreed
        ]
        assert found["closed"] == [4321, "as you wish"]
        assert found["fault"] == 1011
        assert found["protocol"] == "two"
        assert found["refused"] == "Unexpected server response: 403"
